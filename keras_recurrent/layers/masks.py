"""Which time steps of a batch are valid: masks and lengths made into one boolean `(batch, T)`."""

import numpy as np
import tensorflow as tf


def valid_steps(sequences, mask=None, propagated=None, lengths=None):
    """Combine what the caller says about valid steps; None if everything is valid.

    Args:
        sequences: `(batch, T, ...)`, for the shapes.
        mask: Explicit mask; it takes the place of a propagated one, as in Keras.
        propagated: Mask that travels with the sequences (`Masking`, `Embedding(mask_zero=True)`).
        lengths: Number of valid steps of every row; holds together with a propagated mask.
    """
    if mask is not None and lengths is not None:
        raise ValueError(
            "Give either `mask` or `lengths`, not both: they may contradict each other. "
            f"Received: mask of shape {_shape(mask)}, lengths of shape {_shape(lengths)}"
        )
    if mask is not None:
        return _checked_mask(mask, sequences)
    valid = None if propagated is None else _checked_mask(propagated, sequences)
    if lengths is None:
        return valid
    within = _within_lengths(lengths, sequences)
    return within if valid is None else tf.logical_and(valid, within)


def _checked_mask(mask, sequences):
    mask = tf.convert_to_tensor(mask)
    if mask.shape.rank == 3 and mask.shape[-1] == 1:
        mask = mask[..., 0]  # Keras's loop takes (batch, T, 1) too
    if mask.shape.rank not in (None, 2) or not mask.shape.is_compatible_with(sequences.shape[:2]):
        raise ValueError(
            f"`mask` must have the shape (batch, timesteps) of the sequences, {sequences.shape[:2]}. "
            f"Received: mask of shape {mask.shape}"
        )
    return tf.cast(mask, tf.bool)


def _within_lengths(lengths, sequences):
    lengths = tf.convert_to_tensor(lengths)
    batch, timesteps = sequences.shape[:2]
    if not lengths.dtype.is_integer:
        raise TypeError(f"`lengths` must be whole numbers. Received: dtype {lengths.dtype.name}")
    if not lengths.shape.is_compatible_with([batch]):
        raise ValueError(
            "`lengths` must hold one number for each row of the batch, shape "
            f"({batch},). Received: shape {lengths.shape}"
        )
    steps = tf.shape(sequences)[1] if timesteps is None else timesteps
    wide = lengths if lengths.dtype == tf.int32 else tf.cast(lengths, tf.int64)
    lengths = tf.cast(_in_range(wide, steps), tf.int32)
    return tf.sequence_mask(lengths, steps)


def _in_range(lengths, timesteps):
    """Refuse lengths outside [0, T]: at once where the numbers are known, else at run time."""
    known, steps = tf.get_static_value(lengths), tf.get_static_value(timesteps)
    if known is not None and steps is not None:
        if known.size and (known.min() < 0 or known.max() > steps):
            raise ValueError(
                f"`lengths` must lie between 0 and the number of time steps, {steps}. "
                f"Received: {known.tolist()}"
            )
        return lengths
    message = "`lengths` must lie between 0 and the number of time steps. Received:"
    fits = tf.reduce_all((lengths >= 0) & (lengths <= tf.cast(timesteps, lengths.dtype)))
    with tf.control_dependencies([tf.Assert(fits, [message, lengths])]):
        return tf.identity(lengths)


def _shape(value):
    return tuple(value.shape) if hasattr(value, "shape") else np.shape(value)
