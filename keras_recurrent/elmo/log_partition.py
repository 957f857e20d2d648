"""The logarithm of a softmax's denominator, for many classes and little memory."""

import tensorflow as tf

AT_ONCE = 2**26  # numbers of a matrix (rows, classes) that is kept, 256 MB
_BLOCK = 2**24  # numbers of a block of it, where it is not


def log_partition(hidden, kernel, bias):
    """log Σ_k exp(h · w_k + b_k) for each row h.

    Up to 2^26 numbers (rows times classes) their exponentials are kept for the pass back. Beyond that
    classes are taken in blocks, forward and back, and only a block's 2^24 numbers exist at a time.

    Args:
        hidden: `(rows, width)`.
        kernel: `(classes, width)`.
        bias: `(classes,)`.

    Returns:
        `(rows,)`. No second derivatives.
    """
    rows, classes = hidden.shape[0], kernel.shape[0]
    small = rows is not None and classes is not None and rows * classes <= AT_ONCE
    return _at_once(hidden, kernel, bias) if small else _in_blocks(hidden, kernel, bias)


@tf.custom_gradient
def _at_once(hidden, kernel, bias):
    logits = _logits(hidden, kernel, bias)
    largest = tf.reduce_max(logits, 1, keepdims=True)
    powers = tf.exp(logits - largest)
    total = tf.reduce_sum(powers, 1, keepdims=True)

    def gradient(upstream):
        weights = powers * (upstream[:, tf.newaxis] / total)
        return (
            tf.matmul(weights, kernel),
            tf.matmul(weights, hidden, transpose_a=True),
            tf.reduce_sum(weights, 0),
        )

    return tf.squeeze(largest + tf.math.log(total), 1), gradient


@tf.custom_gradient
def _in_blocks(hidden, kernel, bias):
    rows, classes = tf.shape(hidden)[0], tf.shape(kernel)[0]
    size = tf.maximum(_BLOCK // tf.maximum(rows, 1), 1)

    def block(begin):
        return kernel[begin : begin + size], bias[begin : begin + size]

    def more(begin, *_):
        return begin < classes

    def add(begin, largest, total):
        logits = _logits(hidden, *block(begin))
        new = tf.maximum(largest, tf.reduce_max(logits, 1))
        here = tf.reduce_sum(tf.exp(logits - new[:, tf.newaxis]), 1)
        return begin + size, new, total * tf.exp(largest - new) + here

    lowest = tf.fill([rows], hidden.dtype.min)
    start = (tf.constant(0), lowest, tf.zeros_like(lowest))
    _, largest, total = tf.while_loop(more, add, start, parallel_iterations=1)
    result = largest + tf.math.log(total)

    def gradient(upstream):
        def back(begin, d_hidden, d_kernel, d_bias, place):
            k, b = block(begin)
            weights = tf.exp(_logits(hidden, k, b) - result[:, tf.newaxis])
            weights *= upstream[:, tf.newaxis]
            d_kernel = d_kernel.write(place, tf.matmul(weights, hidden, transpose_a=True))
            d_bias = d_bias.write(place, tf.reduce_sum(weights, 0))
            return begin + size, d_hidden + tf.matmul(weights, k), d_kernel, d_bias, place + 1

        blocks = -(-classes // size)
        parts = [
            tf.TensorArray(hidden.dtype, blocks, infer_shape=False, element_shape=shape)
            for shape in ([None, hidden.shape[1]], [None])
        ]
        start = (tf.constant(0), tf.zeros_like(hidden), *parts, tf.constant(0))
        ends = tf.while_loop(more, back, start, parallel_iterations=1)
        return ends[1], ends[2].concat(), ends[3].concat()

    return result, gradient


def _logits(hidden, kernel, bias):
    return tf.matmul(hidden, kernel, transpose_b=True) + bias
