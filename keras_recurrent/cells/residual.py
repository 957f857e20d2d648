import keras

from keras_recurrent.cells.noise import Noise
from keras_recurrent.cells.wrapper import CellWrapper, inner


@keras.saving.register_keras_serializable("keras_recurrent")
class Residual(CellWrapper):
    """Adds a cell's input to its output (He et al. 2016; Wu et al. 2016).

    y(t) = cell(x(t), s(t-1)) + x(t); the state stays the cell's own.

    Input and output `(batch, units)` must have the same width, else `build` raises `ValueError`.

    Args:
        cell: The cell to wrap.
    """

    def build(self, input_shape):
        if input_shape[-1] != self.output_size:
            raise ValueError(
                f"Residual adds input and output, so both need the same width: the cell gives "
                f"{self.output_size}. Received: input shape {tuple(input_shape)}"
            )
        super().build(input_shape)

    def project(self, inputs, weights, noise: Noise | None = None):
        z = self.cell.project(inputs, weights, inner(noise))
        return keras.ops.concatenate([z, inputs], -1)

    def step(self, z, states, weights, noise: Noise | None = None):
        width = self.output_size
        output, new_states = self.cell.step(z[:, :-width], states, weights, inner(noise))
        return output + z[:, -width:], new_states
