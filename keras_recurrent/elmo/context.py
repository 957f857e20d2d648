"""What the vector of a word has read: the word and all on both sides, or the others only."""

from collections.abc import Mapping

import tensorflow as tf


def inclusive(sides: Mapping[str, list], valid) -> tuple:
    """[forward(t); backward(t)] for every layer, without the boundaries; zeros where no word is.

    Args:
        sides: For each direction the activations of the layers, `(batch, T + 2, width)`.
        valid: Where words and boundaries are, `(batch, T + 2)`.
    """
    inner = tf.expand_dims(valid[:, 1:-1], -1)
    layers = zip(*sides.values(), strict=True)
    return tuple(_shown(tf.concat(layer, -1)[:, 1:-1], inner) for layer in layers)


def exclusive(sides: Mapping[str, list], valid) -> tuple:
    """[forward(t-1); backward(t+1)], t-1 and t+1 being the words beside t: word t itself is not read.

    Layer 0 is shifted as the others are.
    """
    inner = tf.expand_dims(valid[:, 1:-1], -1)
    here = tf.cast(valid, tf.int32)  # numbers all the way: TFLM selects and turns no others
    neighbours = {"forward": _before(here), "backward": _behind(here)}
    parts = [
        [tf.gather(layer, neighbours[side], batch_dims=1) for layer in layers]
        for side, layers in sides.items()
    ]
    return tuple(_shown(tf.concat(layer, -1), inner) for layer in zip(*parts, strict=True))


def _shown(values, inner):
    return tf.where(inner, values, tf.zeros_like(values))


def _before(here):
    """For each place but the boundaries the last one before it where `here` is 1; `<S>` at the worst."""
    return _running_maximum(here * tf.range(tf.shape(here)[1]))[:, :-2]


def _behind(here):
    """The first one behind it; `</S>` at the worst."""
    return tf.shape(here)[1] - 1 - tf.reverse(_before(tf.reverse(here, [1])), [1])


def _running_maximum(numbers):
    """The largest number so far along the last axis, whose reach doubles with each step."""
    length = numbers.shape[1] or tf.shape(numbers)[1]

    def further(reach, seen):
        shifted = tf.pad(seen, [[0, 0], [reach, 0]])[:, :length]
        return 2 * reach, tf.maximum(seen, tf.reshape(shifted, tf.shape(seen)))

    if isinstance(length, int):
        reach = 1
        while reach < length:
            reach, numbers = further(reach, numbers)
        return numbers
    return tf.while_loop(
        lambda reach, _: reach < length,
        further,
        [tf.constant(1), numbers],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, None])],
    )[1]
