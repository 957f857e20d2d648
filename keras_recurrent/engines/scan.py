"""A loop over time for XLA: rows in, a carry from step to step, rows out."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_recurrent.engines.result import length_of


def scan(
    step: Callable, carry: Any, rows: Any, reverse: bool = False, count: Any = None
) -> tuple[Any, Any]:
    """Run `carry, out_t = step(carry, rows_t)` over the first axis of `rows`.

    Every row is read one step ahead and travels in the carry. Read where it is used, XLA on a CPU
    would fuse the reading into the arithmetic of the step and give up its vector instructions for
    both: measured eight times slower for the gates of an LSTM.

    Args:
        step: A function of the carry and one row that returns the next carry and what to keep.
        carry: Any nesting of tensors.
        rows: Any nesting of tensors `(T, ...)` and None; T must be the same for all, and not 0.
        reverse: From the last row to the first; what is kept comes in the order of the rows anyway.
        count: How many rows to run, all by default; of the others zeros are kept. A number that the
            program is given, so that one serves for fewer rows too.

    Returns:
        The last carry, and what the steps kept, stacked: `(T, ...)` for every tensor.
    """
    read = [None if t is None else _unstack(t) for t in tf.nest.flatten(rows)]
    timesteps = next(length_of(tensor, 0) for tensor in tf.nest.flatten(rows) if tensor is not None)
    last = timesteps - 1

    def row(t):
        return [None if r is None else r.read(t) for r in read]

    def as_given(flat, present):
        flat = iter(flat)
        return tf.nest.pack_sequence_as(rows, [next(flat) if p else None for p in present])

    present = [r is not None for r in read]
    only = lambda values: [v for v in values if v is not None]  # noqa: E731
    first, step_by = (last, -1) if reverse else (0, 1)
    ahead = only(row(first))
    _, like = step(carry, as_given(ahead, present))  # for the shapes; XLA removes it
    kept = [_rows(tensor, timesteps) for tensor in tf.nest.flatten(like)]

    def body(done, carry, ahead, kept):
        t = first + step_by * done
        new, out = step(carry, as_given(ahead, present))
        kept = [rows.write(t, v) for rows, v in zip(kept, tf.nest.flatten(out), strict=True)]
        following = first + step_by * tf.minimum(done + 1, last)
        return done + 1, _like(carry, new), only(row(following)), kept

    _, carry, _, kept = tf.while_loop(
        lambda done, *_: done < (timesteps if count is None else count),
        body,
        (tf.constant(0), carry, ahead, kept),
        maximum_iterations=timesteps,
    )
    return carry, tf.nest.pack_sequence_as(like, [rows.stack() for rows in kept])


def _like(structure, values):
    return tf.nest.pack_sequence_as(structure, tf.nest.flatten(values))


def _rows(like, timesteps):
    return tf.TensorArray(like.dtype, timesteps, element_shape=like.shape)


def _unstack(tensor):
    rows = tf.TensorArray(
        tensor.dtype, length_of(tensor, 0), element_shape=tensor.shape[1:], clear_after_read=False
    )
    return rows.unstack(tensor)
