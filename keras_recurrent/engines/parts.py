"""A batch in parts, one for each core: their loops over time run side by side."""

import os
from itertools import pairwise

import tensorflow as tf

# Below, the rows of a part are too few for the vector units of a core.
ROWS_OF_A_PART = 8


def count_parts(batch: int | None) -> int:
    """Two where the batch is large enough, or unknown, and there are two cores, else one.

    A step's products are small: two threads that share one wait for each other more than they
    multiply. Two halves side by side, each on a core of its own, took 0.6 to 0.7 times as long.
    """
    if _cores() < 2 or tf.config.list_logical_devices("GPU"):
        return 1
    return 1 if batch is not None and batch < 2 * ROWS_OF_A_PART else 2


def _cores() -> int:
    allowed = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def split(tensors, count: int, axis: int) -> list:
    """Any nesting of tensors and None, cut along an axis into `count` of the same nesting."""
    if count == 1:
        return [tensors]
    cut = [None if t is None else _cut(t, count, axis) for t in tf.nest.flatten(tensors)]
    return [
        tf.nest.pack_sequence_as(tensors, [None if c is None else c[k] for c in cut])
        for k in range(count)
    ]


def join(parts: list, axis: int):
    """The inverse of `split`."""
    if len(parts) == 1:
        return parts[0]
    flat = zip(*map(tf.nest.flatten, parts), strict=True)
    whole = [None if tensors[0] is None else _joined(tensors, axis) for tensors in flat]
    return tf.nest.pack_sequence_as(parts[0], whole)


# TensorFlow's own gradients of slices and of tf.concat take their sizes from the pass forward. In a
# model that is compiled as a whole, XLA then takes them for input, and compiles every batch anew.


def _cut(tensor, count: int, axis: int) -> list:
    if tensor.shape[axis] == 1:
        return [tensor] * count  # noise that all rows share: a batch of one row is not cut

    @tf.custom_gradient
    def cut(tensor):
        return _slices(tensor, count, axis), lambda *upstream: tf.concat(upstream, axis)

    return cut(tensor)


def _joined(tensors, axis: int):
    @tf.custom_gradient
    def joined(*tensors):
        return tf.concat(tensors, axis), lambda upstream: _slices(upstream, len(tensors), axis)

    return joined(*tensors)


def _slices(tensor, count: int, axis: int) -> list:
    size = tensor.shape[axis]
    size = tf.shape(tensor)[axis] if size is None else size
    ends = [size * k // count for k in range(count + 1)]
    every = (slice(None),) * axis
    return [tensor[(*every, slice(*pair))] for pair in pairwise(ends)]
