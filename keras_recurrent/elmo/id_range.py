"""Ids that index a table: out of range they are an error, not what a gather makes of them."""

import tensorflow as tf


def in_range(ids, largest: int):
    """The ids, once they are known to lie between 0 and `largest`; an error if they do not."""
    known = tf.get_static_value(ids)
    if known is not None:
        if known.size and (known.min() < 0 or known.max() > largest):
            raise ValueError(
                f"Ids lie between 0 and {largest}. Received: {known.min()} to {known.max()}"
            )
        return ids
    fits = tf.reduce_all((ids >= 0) & (ids <= largest))
    with tf.control_dependencies(
        [tf.Assert(fits, [f"Ids lie between 0 and {largest}. Received:", ids])]
    ):
        return tf.identity(ids)
