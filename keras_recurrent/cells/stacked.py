import keras

from keras_recurrent.cells.contract import Cell
from keras_recurrent.cells.noise import Noise


@keras.saving.register_keras_serializable("keras_recurrent")
class StackedCells(keras.layers.StackedRNNCells):
    """Several cells as one: the output of each is the input of the next, within one time step.

    The first cell's input projection runs for all time steps at once; `kr.Stack` of layers does so
    for every layer and is the faster way. The state is a tuple of the cells' states.

    Args:
        cells: The cells, first one first. All of this package, or see `keras.layers.StackedRNNCells`.
    """

    def __init__(self, cells, **kwargs):
        if not cells:
            raise ValueError(f"A stack needs at least one cell. Received: cells={cells!r}")
        cells = list(cells)
        kwargs.setdefault("dtype", getattr(cells[-1], "dtype_policy", None))  # that of the output
        super().__init__(cells, **kwargs)

    @property
    def state_type(self):
        return lambda *states: tuple(
            cell.state_type(*state) for cell, state in zip(self.cells, states, strict=True)
        )

    def read_weights(self, noise=None):
        parts = [c.read_weights(n) for c, n in zip(self.cells, self._split(noise), strict=True)]
        return tuple(parts)

    def project(self, inputs, weights, noise=None):
        first = self.cells[0]
        return first.project(_as_read_by(first, inputs), weights[0], self._split(noise)[0])

    def step(self, z, states, weights, noise=None):
        parts = zip(self.cells, states, weights, self._split(noise), strict=True)
        new_states = []
        for place, (cell, state, cell_weights, cell_noise) in enumerate(parts):
            if place:
                z = cell.project(_as_read_by(cell, z), cell_weights, cell_noise)
            z, state = cell.step(z, state, cell_weights, cell_noise)
            new_states.append(state)
        return z, tuple(new_states)

    def draw(self, batch, timesteps, training=False):
        parts = [cell.draw(batch, timesteps, training) for cell in self.cells]
        if all(part is None for part in parts):
            return None
        parts = [part or Noise() for part in parts]
        return Noise(*zip(*parts, strict=True))

    def _split(self, noise):
        if noise is None:
            return [None] * len(self.cells)
        parts = [Noise(*part) for part in zip(*noise, strict=True)]
        return [None if all(field is None for field in part) else part for part in parts]


def _as_read_by(cell, inputs):
    return keras.ops.cast(inputs, cell.compute_dtype)  # the cells of a stack may differ in dtype


def follows_contract(cell) -> bool:
    """Whether our engines can run the cell: it has the parts that `Cell` lists."""
    if isinstance(cell, StackedCells):
        return all(isinstance(c, Cell) for c in cell.cells)
    return isinstance(cell, Cell)
