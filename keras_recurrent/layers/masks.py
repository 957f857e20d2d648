"""Which time steps of a batch are valid: masks and lengths made into one boolean `(batch, T)`."""

import keras
import tensorflow as tf


def valid_steps(sequences, mask=None, propagated=None, lengths=None):
    """Combine what the caller says about valid steps; None if everything is valid.

    Args:
        sequences: `(batch, T, ...)`, for the shapes.
        mask: Explicit mask; it takes the place of a propagated one, as in Keras.
        propagated: Mask that travels with the sequences (`Masking`, `Embedding(mask_zero=True)`).
        lengths: Number of valid steps of every row; holds together with a propagated mask.
    """
    mask, propagated, lengths = map(_as_tensor, (mask, propagated, lengths))
    check_valid_steps(sequences, mask, propagated, lengths)
    if mask is not None:
        return _as_booleans(mask)
    valid = None if propagated is None else _as_booleans(propagated)
    if lengths is None:
        return valid
    within = _within_lengths(lengths, sequences)
    return within if valid is None else tf.logical_and(valid, within)


def dense_mask(mask):
    """An `Embedding` makes a ragged mask of ragged ids; what it lacks behind the ends is False."""
    return mask.to_tensor(False) if isinstance(mask, tf.RaggedTensor) else mask


def check_valid_steps(sequences, mask=None, propagated=None, lengths=None) -> None:
    """Refuse masks and lengths that contradict each other or do not fit, by their shapes alone."""
    if mask is not None and lengths is not None:
        raise ValueError(
            "Give either `mask` or `lengths`, not both: they may contradict each other. "
            f"Received: mask of shape {_shape(mask)}, lengths of shape {_shape(lengths)}"
        )
    expected = _shape(sequences)[:2]
    for given in (mask, propagated):
        if given is not None and not _fits(_without_last_one(_shape(given)), expected):
            raise ValueError(
                f"`mask` must have the shape (batch, timesteps) of the sequences, {expected}. "
                f"Received: mask of shape {_shape(given)}"
            )
    if lengths is None:
        return
    if "int" not in keras.backend.standardize_dtype(lengths.dtype):
        raise TypeError(f"`lengths` must be whole numbers. Received: dtype {lengths.dtype}")
    if not _fits(_shape(lengths), expected[:1]):
        raise ValueError(
            "`lengths` must hold one number for each row of the batch, shape "
            f"{expected[:1]}. Received: shape {_shape(lengths)}"
        )


def _as_tensor(value):
    return None if value is None else tf.convert_to_tensor(value)


def _shape(tensor) -> tuple:
    return tuple(tensor.shape)


def _without_last_one(shape: tuple) -> tuple:
    """Keras's loop takes masks of shape (batch, T, 1) too."""
    return shape[:2] if len(shape) == 3 and shape[2] == 1 else shape


def _fits(shape: tuple, expected: tuple) -> bool:
    pairs = zip(shape, expected, strict=False)
    return len(shape) == len(expected) and all(None in pair or pair[0] == pair[1] for pair in pairs)


def _as_booleans(mask):
    return tf.cast(mask if mask.shape.rank == 2 else mask[..., 0], tf.bool)


def _within_lengths(lengths, sequences):
    timesteps = sequences.shape[1]
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
