"""A stock cell of Keras in the parts that `Cell` lists, for those who look inside step by step."""

import inspect


class KerasCell:
    """`keras_cell(x(t), s(t-1))` as one step; it projects nothing beforehand and draws for itself.

    Args:
        cell: The stock cell.
        training: Whether its dropout is at work, with the masks that it holds.
    """

    def __init__(self, cell, training: bool):
        self.cell = cell
        sizes = cell.state_size
        first = sizes[0] if isinstance(sizes, list | tuple) else sizes
        self.output_size = getattr(cell, "output_size", first)
        self.compute_dtype = cell.compute_dtype
        knows = "training" in inspect.signature(getattr(cell, "call", cell)).parameters
        self._arguments = {"training": training} if knows else {}

    @property
    def trainable_variables(self) -> list:
        return self.cell.trainable_variables

    def read_weights(self, noise=None) -> tuple:
        return ()

    def project(self, inputs, weights, noise=None):
        return inputs

    def draw(self, batch, timesteps, training=False) -> None:
        return None

    def step(self, z, states, weights, noise=None):
        return self.cell(z, list(states), **self._arguments)
