"""What the cell wrappers share."""

from typing import Any, NamedTuple

import keras

from keras_recurrent.cells.contract import Cell
from keras_recurrent.cells.noise import Noise


class CellWrapper(Cell):
    """A cell around another cell; every part passes through unless a subclass changes it."""

    def __init__(self, cell, **kwargs):
        if not isinstance(cell, Cell):
            raise TypeError(
                f"{type(self).__name__} wraps a cell of this package or a subclass of `kr.Cell`. "
                f"Received: cell={cell!r}"
            )
        kwargs.setdefault("dtype", cell.dtype_policy)
        super().__init__(**kwargs)
        self.cell = cell
        self.state_type = cell.state_type
        self.state_size = cell.state_size
        self.output_size = cell.output_size

    def build(self, input_shape):
        if not self.cell.built:
            self.cell.build(input_shape)
        self.built = True

    def read_weights(self, noise=None):
        return self.cell.read_weights(inner(noise))

    @property
    def cudnn_mode(self):
        return self.cell.cudnn_mode

    def mask_inputs(self, inputs, noise=None):
        return self.cell.mask_inputs(inputs, inner(noise))

    def project(self, inputs, weights, noise=None):
        return self.cell.project(inputs, weights, inner(noise))

    def step(self, z, states, weights, noise=None):
        return self.cell.step(z, states, weights, inner(noise))

    def draw(self, batch, timesteps, training=False):
        return nest(self.cell.draw(batch, timesteps, training))

    def get_config(self):
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        cell = keras.saving.deserialize_keras_object(
            config.pop("cell"), custom_objects=custom_objects
        )
        return cls(cell, **config)


class Nested(NamedTuple):
    """A wrapper's own masks beside those of the cell inside."""

    inner: Any
    own: Any


def nest(noise: Noise | None, own: Noise | None = None) -> Noise | None:
    """Join the noise of the cell inside and the wrapper's own; None if there is none."""
    if noise is None and own is None:
        return None
    return Noise(*map(Nested, noise or Noise(), own or Noise()))


def inner(noise: Noise | None) -> Noise | None:
    """The part of a wrapper's noise that belongs to the cell inside."""
    return None if noise is None else Noise(*(part.inner for part in noise))
