"""The weights of cells as cuDNN reads them: one vector.

All matrices come first, then all biases. Within each, one cell after the other: layer by layer,
forward before backward. The matrices of a cell are W of every gate, then R of every gate, then the
projection, each with a row for each output; its biases are b_W, then b_R, of every gate. A gate order
that differs from ours is in `_GATE_ORDER`.

NVIDIA leaves the layout open and TensorFlow's operations convert to it on a GPU only. It is what Keras
packs for one layer, JAX for several and both directions, and MXNet with a projection; the tests marked
`gpu` hold it against `CudnnRNNCanonicalToParamsV2`.
"""

import tensorflow as tf

# Places of cuDNN's gates among our columns: r, z, h̃ where we have z, r, h̃.
_GATE_ORDER = {"rnn_tanh": (0,), "rnn_relu": (0,), "gru": (1, 0, 2), "lstm": (0, 1, 2, 3)}


def pack(mode: str, weights: list, dtype) -> tf.Tensor:
    """The weights of cells of one kind, each as `cell.read_weights` gives them, in cuDNN's order."""
    matrices, biases = [], []
    for one in weights:
        matrices += _by_gate(mode, one.kernel) + _by_gate(mode, one.recurrent_kernel)
        if "projection_kernel" in one._fields:
            matrices.append(one.projection_kernel)
        biases += _biases(mode, one)
    flat = [tf.reshape(tf.transpose(matrix), [-1]) for matrix in matrices]
    return tf.cast(tf.concat(flat + biases, 0), dtype)


def _biases(mode, weights) -> list:
    """b_W and b_R of every gate; only a GRU has use for two."""
    if "bias" not in weights._fields:
        zeros = tf.zeros_like(weights.kernel[0])
        return [zeros, zeros]
    if mode == "gru":
        return [_in_order(mode, row) for row in tf.unstack(weights.bias)]
    return [tf.zeros_like(weights.bias), weights.bias]


def _in_order(mode, columns):
    return tf.concat(_by_gate(mode, columns), -1)


def _by_gate(mode, columns) -> list:
    order = _GATE_ORDER[mode]
    blocks = tf.split(columns, len(order), -1)
    return [blocks[place] for place in order]
