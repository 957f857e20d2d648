"""A cell that keeps what each of its steps names and what it holds after each, as NumPy arrays."""

from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.cells.keras_cell import KerasCell
from keras_recurrent.cells.naming import noted_by
from keras_recurrent.keras_hooks import all_layers


class StepsSeen:
    """In the place of a cell, for one run over time by an engine that runs eagerly, step by step."""

    def __init__(self, cell):
        self.cell = cell
        self.valid: np.ndarray
        self._states: list = []  # before each step; then after the last
        self._named: dict[tuple[int, str], dict[int, np.ndarray]] = {}

    def __getattr__(self, name):
        return getattr(self.cell, name)

    def step(self, z, states, weights, noise=None):
        t = len(self._states)
        self._states.append(states)
        met: set[tuple[int, str]] = set()

        def note(cell, name, value):
            key, again = (id(cell), name), 1
            while key in met:
                again += 1
                key = (id(cell), f"{name}_{again}")
            met.add(key)
            self._named.setdefault(key, {})[t] = _array(value)

        with noted_by(note):
            return self.cell.step(z, states, weights, noise)

    def finish(self, states, mask) -> None:
        """Keep the states after the last step, and the mask `(T, batch)` or None."""
        batch, steps = tf.nest.flatten(states)[0].shape[0], len(self._states)
        self._states.append(states)
        self.valid = np.ones((batch, steps), bool)
        if mask is not None:
            self.valid = np.asarray(mask, bool).T

    def gates(self, part) -> dict[str, np.ndarray]:
        """What `part`, the cell or one in it, has named: `(batch, T, units)`, NaN at masked steps."""
        if isinstance(part, KerasCell):
            return {}
        own = {id(cell) for cell in all_layers(part)}
        return {
            name: self._over_time(values)
            for (owner, name), values in self._named.items()
            if owner in own
        }

    def _over_time(self, values: dict[int, np.ndarray]) -> np.ndarray:
        batch, steps = self.valid.shape
        like = next(iter(values.values()))
        gate = np.full((batch, steps, *like.shape[-1:]), np.nan, like.dtype)
        for t, value in values.items():
            gate[:, t] = value  # one value for all rows is every row's
        gate[~self.valid] = np.nan
        return gate

    def states(self, part, of: Callable) -> dict[str, np.ndarray]:
        """The states of `part` after each step by name, `(batch, T, width)`."""
        named = [_named_states(part, of(states)) for states in self._states[1:]]
        return {
            name: np.stack([_array(states[name]) for states in named], 1)
            for name in (named[0] if named else ())
        }


def _named_states(cell, states) -> dict:
    if hasattr(states, "_fields"):
        return states._asdict()
    if isinstance(states, Mapping):
        return dict(states)
    flat = tf.nest.flatten(states)
    if len(flat) == 1:
        return {"h": flat[0]}
    if isinstance(getattr(cell, "cell", None), keras.layers.LSTMCell):
        return dict(zip("hc", flat, strict=True))
    return {f"state_{n + 1}": state for n, state in enumerate(flat)}


def _array(value) -> np.ndarray:
    array = np.atleast_1d(np.asarray(value))
    return array if array.dtype == np.float64 else array.astype(np.float32)
