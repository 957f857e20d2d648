"""What the engines share: their result and the treatment of masked steps."""

from typing import Any, NamedTuple

import tensorflow as tf

from keras_recurrent.engines.lowering import compact_wanted


class Result(NamedTuple):
    """What a run over time gives.

    Attributes:
        last_output: `(batch, width)`, the output at the last time step.
        outputs: `(T, batch, width)`, or None if they were not collected.
        states: The states after the last time step, in the cell's structure.
    """

    last_output: Any
    outputs: Any
    states: Any

    def batch_first(self) -> tuple:
        """The same three, outputs as `(batch, T, width)`."""
        outputs = None if self.outputs is None else axes_swapped(self.outputs)
        return self.last_output, outputs, self.states


def advance(cell, z_t, states, weights, noise_t):
    """One step; the new states come back in the structure of the old, whatever the cell used."""
    output, new_states = cell.step(z_t, states, weights, noise_t)
    return output, tf.nest.pack_sequence_as(states, tf.nest.flatten(new_states))


def hold(mask_t, new, old):
    """`new` where the row's step is valid, else `old`; any structure of `(batch, ...)` tensors."""
    valid = _is_valid(mask_t)
    return tf.nest.map_structure(lambda n, o: tf.where(broadcastable(valid, n), n, o), new, old)


def masked_output(mask_t, output, previous, zero_masked: bool):
    """A masked step repeats the row's previous output, or gives zeros."""
    valid = broadcastable(_is_valid(mask_t), output)
    return tf.where(valid, output, tf.zeros_like(output) if zero_masked else previous)


def no_output(cell, batch):
    """The output before the first valid step."""
    return tf.zeros((batch, *tf.nest.flatten(cell.output_size)), cell.compute_dtype)


def exportable_mask(mask):
    """A mask as engines take it apart, ones and zeros where an exported graph is to run in TFLM, which
    moves no booleans about. Not as a cast, which TensorFlow would move behind that."""
    return tf.where(mask, 1.0, 0.0) if compact_wanted() else mask


def _is_valid(mask_t):
    return mask_t if mask_t.dtype == tf.bool else mask_t > 0


def broadcastable(mask, like):
    """A mask with axes of size 1 for all that `like` has beyond those of the mask."""
    for _ in range(len(like.shape) - len(mask.shape)):
        mask = tf.expand_dims(mask, -1)
    return mask


def axes_swapped(tensor):
    """`(batch, T, ...)` to `(T, batch, ...)`, or back."""
    return tf.transpose(tensor, [1, 0, *range(2, len(tensor.shape))])


def column(mask):
    """`(T, batch)` to `(T, batch, 1)`, which broadcasts over features."""
    return None if mask is None else tf.expand_dims(mask, -1)


def length_of(tensor, axis: int):
    """An axis's size as a number if it is known, else as a tensor."""
    return tensor.shape[axis] if tensor.shape[axis] is not None else tf.shape(tensor)[axis]


def each(function, tensors):
    """`function` of every tensor in a nesting that may hold None."""
    return tf.nest.map_structure(lambda t: None if t is None else function(t), tensors)
