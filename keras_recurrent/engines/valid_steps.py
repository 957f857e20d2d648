"""Masks for kernels that know lengths only: valid steps to the front, results back to their places."""

from typing import NamedTuple

import tensorflow as tf

from keras_recurrent.engines.result import hold, length_of


class Every(NamedTuple):
    """All steps of all rows are valid."""

    lengths: tf.Tensor

    @classmethod
    def of(cls, inputs) -> "Every":
        timesteps, batch = length_of(inputs, 0), length_of(inputs, 1)
        return cls(tf.fill([batch], timesteps))

    def pack(self, inputs):
        return inputs

    def unpack(self, outputs, zero_masked: bool, backwards: bool):
        return tf.reverse(outputs, [0]) if backwards else outputs

    def last(self, final, zero_masked: bool, backwards: bool):
        return final

    def states(self, new, old):
        return new


class Some(NamedTuple):
    """Steps by a mask of any kind.

    Attributes:
        valid: Booleans `(T, batch)`.
        count: Valid steps up to and with each step, `(T, batch)`.
        total: Valid steps of each row, `(batch,)`.
    """

    valid: tf.Tensor
    count: tf.Tensor
    total: tf.Tensor

    @classmethod
    def of(cls, mask) -> "Some":
        valid = tf.cast(mask, tf.bool)
        ones = tf.cast(valid, tf.int32)
        return cls(valid, tf.cumsum(ones), tf.reduce_sum(ones, 0))

    @property
    def lengths(self):
        """A row without a valid step counts as one of length 1; `states` and the rest mend it."""
        return tf.maximum(self.total, 1)

    def pack(self, inputs):
        """`(T, batch, D)` to `(T + 1, batch, D)`: each row's valid steps in order, then the others.

        One step more than any row is long: TensorFlow keeps what it told cuDNN about padding from one
        batch to the next, so that no batch may have all rows of full length if another has not.
        """
        timesteps = length_of(inputs, 0)
        t = tf.range(timesteps)[:, tf.newaxis]
        order = tf.argsort(tf.where(self.valid, t, t + timesteps), axis=0)
        return tf.pad(_rows_at(inputs, order), [[0, 1], [0, 0], [0, 0]])

    def unpack(self, outputs, zero_masked: bool, backwards: bool):
        """Packed outputs to every step, in processed order.

        Masked steps repeat the output of the valid step that was processed before them; there is none
        before the first.
        """
        place = self.count - (tf.cast(self.valid, tf.int32) if backwards else 1)
        exists = (place < self.total) & (place >= 0)
        if zero_masked:
            exists &= self.valid
        found = _rows_at(outputs, tf.where(exists, place, 0))
        found = tf.where(exists[..., tf.newaxis], found, tf.zeros_like(found))
        return tf.reverse(found, [0]) if backwards else found

    def last(self, final, zero_masked: bool, backwards: bool):
        """The output at the last processed step, from the output at the row's last valid one."""
        exists = self.total > 0
        if zero_masked:
            exists &= self.valid[0 if backwards else -1]
        return tf.where(exists[:, tf.newaxis], final, tf.zeros_like(final))

    def states(self, new, old):
        return hold(self.total[:, tf.newaxis] > 0, new, old)


def valid_steps(inputs, mask) -> Every | Some:
    return Every.of(inputs) if mask is None else Some.of(mask)


def _rows_at(values, times):
    """values[times[t, b], b] for every t and b."""
    rows = tf.broadcast_to(tf.range(length_of(times, 1)), tf.shape(times))
    return tf.gather_nd(values, tf.stack([times, rows], -1))
