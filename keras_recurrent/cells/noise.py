"""Randomness of a sequence, drawn once before the loop over time.

A step that drew for itself would draw again wherever the backward pass recomputes it.
"""

from typing import Any, NamedTuple

import keras
import tensorflow as tf


class Noise(NamedTuple):
    """Random masks of one sequence (or, inside a step, of one time step).

    Attributes:
        fixed: Masks `(batch, ...)` that hold for every step.
        steps: Masks with time first, `(T, batch, ...)`; in a step, that step's `(batch, ...)`.
        weights: Masks of weights, the same for all rows and steps.
    """

    fixed: Any = None
    steps: Any = None
    weights: Any = None

    def at(self, read) -> "Noise":
        """Apply `read` to every mask of `steps`, to take one row or to prepare for it."""
        steps = tf.nest.map_structure(lambda m: None if m is None else read(m), self.steps)
        return self._replace(steps=steps)


def drop_mask(shape, rate: float, seed_generator, dtype):
    """Zeros with probability `rate`, else 1 / (1 - rate); None if the rate is 0."""
    if not rate:
        return None
    ones = tf.ones(shape, keras.backend.standardize_dtype(dtype))
    return keras.random.dropout(ones, rate, seed=seed_generator)


def hold_mask(shape, rate: float, seed_generator, dtype):
    """Ones with probability `rate`, else zeros; None if the rate is 0."""
    if not rate:
        return None
    uniform = keras.random.uniform(shape, dtype="float32", seed=seed_generator)
    return tf.cast(uniform < rate, dtype)


def apply_mask(values, mask):
    return values if mask is None else values * mask


def zone_out(new, old, rate: float, hold):
    """d * old + (1 - d) * new: d drawn (`hold`) in training, its expectation `rate` otherwise."""
    if not rate:
        return new
    share = rate if hold is None else hold
    return new + share * (old - new)
