"""What a replica knows of its share of a batch, and sums over all replicas."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

_this_replica = threading.local()  # tf.distribute traces each replica in a thread of its own


def count() -> int:
    """Replicas in sync of the strategy at hand, over all workers; 1 without a strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def total(tensors):
    """The sum over all replicas of each tensor of a structure; called in a replica."""
    context = tf.distribute.get_replica_context()
    placed = tf.nest.map_structure(_placed, tensors)  # a bare argument has no device to reduce to
    return context.all_reduce(tf.distribute.ReduceOp.SUM, placed)


def _placed(tensor):
    return tensor if isinstance(tensor, tf.IndexedSlices) else tf.identity(tensor)


@contextmanager
def counted(rows: tf.Tensor) -> Iterator[None]:
    """Inside, `rows()` is the number of examples that this replica has of the batch."""
    _this_replica.rows = rows
    try:
        yield
    finally:
        _this_replica.rows = None


def rows() -> tf.Tensor | None:
    """Examples of the batch on this replica, possibly 0; None outside of a step."""
    return getattr(_this_replica, "rows", None)


def rows_of(data) -> tf.Tensor:
    for leaf in tf.nest.flatten(data):
        if isinstance(leaf, tf.RaggedTensor):
            return tf.cast(leaf.nrows(), tf.int32)
        if isinstance(leaf, tf.SparseTensor):
            return tf.cast(leaf.dense_shape[0], tf.int32)
        if leaf is not None:
            return tf.shape(leaf)[0]
    raise ValueError(f"A batch must hold at least one tensor. Received: {data}")


def at_least_one_row(data):
    """`data`, or one row of zeros where there is none: layers need not cope with empty batches."""

    def fill(leaf):
        if not tf.is_tensor(leaf) or isinstance(leaf, tf.RaggedTensor | tf.SparseTensor):
            return leaf
        shape = tf.shape(leaf)
        filled = tf.cond(
            shape[0] > 0, lambda: leaf, lambda: tf.zeros(tf.maximum(shape, 1), leaf.dtype)
        )
        return tf.ensure_shape(filled, [None, *leaf.shape[1:]])

    return tf.nest.map_structure(fill, data)


def mean(values):
    """The mean over all replicas of each number of a structure, by examples."""
    share = tf.cast(rows(), tf.float32)
    parts = tf.nest.map_structure(
        lambda v: tf.where(share > 0, tf.cast(v, tf.float32) * share, 0.0), values
    )
    sums = total([*tf.nest.flatten(parts), share])
    return tf.nest.pack_sequence_as(values, [part / sums[-1] for part in sums[:-1]])


def average_states(variables) -> None:
    """Set float variables that each replica has moved by itself to their mean, by examples."""
    if not variables or count() == 1:
        return
    for variable, value in zip(
        variables, mean(list(map(tf.convert_to_tensor, variables))), strict=True
    ):
        variable.assign(tf.cast(value, variable.dtype))
