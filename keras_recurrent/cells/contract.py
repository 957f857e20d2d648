"""What a cell is: everything a recurrent layer needs to know about one time step."""

from abc import abstractmethod
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_recurrent.cells.naming import named
from keras_recurrent.cells.noise import Noise
from keras_recurrent.finite import FiniteWeights
from keras_recurrent.keras_hooks import DropoutRNNCell


class HiddenState(NamedTuple):
    """State of a cell that carries its output and nothing else."""

    h: Any


class Cell(FiniteWeights, keras.layers.Layer, DropoutRNNCell):
    """One time step of a recurrent layer, in parts that an engine can run each at its best place.

    * `read_weights(noise)`: the cell's variables as a named tuple, cast to the compute dtype.
    * `project(inputs, weights, noise)`: the work that depends on the inputs only, for any number of
      leading axes; a layer calls it once for all time steps.
    * `draw(batch, timesteps, training)`: all the randomness of a sequence, or None.
    * `step(z_t, states, weights, noise_t)`: the formula, pure: `(output, new_states)`. It draws nothing
      at random, since an engine may run it again for the pass back: that belongs in `draw`.

    `call(inputs, states)` chains the four, so that a cell also works inside `keras.layers.RNN`.

    A subclass sets `state_type` (a `NamedTuple` class), `state_size` and `output_size`.
    """

    state_type: type = HiddenState
    state_size: int | list
    output_size: int

    # cuDNN's name of the recurrence, in the cells that `cudnn_rules` may let it run.
    cudnn_mode: str | None = None

    @abstractmethod
    def read_weights(self, noise: Noise | None = None) -> tuple:
        """The variables as a named tuple in the compute dtype (dropped weights applied)."""

    def mask_inputs(self, inputs, noise: Noise | None = None):
        """The inputs as `project` uses them: with their dropout mask, if the cell has one."""
        return inputs

    @abstractmethod
    def project(self, inputs, weights, noise: Noise | None = None):
        """`(..., features)` to what `step` reads at every time step, `(..., width)`."""

    @abstractmethod
    def step(self, z, states, weights, noise: Noise | None = None) -> tuple:
        """One time step: `z (batch, width)` and the states to `(output, new_states)`."""

    def named(self, gate: str, value, complement: bool = False):
        """`value`, seen under the gate's name by whoever looks inside; nothing else happens.

        For gates inside `step`: `f = self.named("forget", tf.sigmoid(...))`. The literature's names are
        update, relevance, forget, output and candidate; with `complement` the gate is 1 - `value`.
        """
        return named(self, gate, value, complement)

    def draw(self, batch, timesteps, training: bool | None = False) -> Noise | None:
        """The random masks of a sequence; None when there is nothing to draw."""
        return None

    def get_initial_state(self, batch_size=None):
        """Zeros, `(batch, width)` for every part of the state, as the cell's named tuple."""
        sizes = self.state_size if isinstance(self.state_size, list | tuple) else [self.state_size]
        zeros = [tf.zeros((batch_size, size), self.compute_dtype) for size in sizes]
        return self.state_type(*zeros)

    def call(self, inputs, states, training=False):
        """One step on `inputs (batch, features)`; returns `(output, new_states)` as Keras does."""
        nested = isinstance(states, list | tuple)
        states = self.state_type(*states) if nested else self.state_type(states)
        noise = self._noise_of_step(inputs, training)
        weights = self.read_weights(noise)
        z = self.project(inputs, weights, noise)
        output, new_states = self.step(z, states, weights, noise)
        return output, list(new_states) if nested else new_states[0]

    # keras.layers.RNN calls the next four around its loop, see `keras_hooks`.

    def get_dropout_mask(self, step_input):
        self._keras_rnn_noise = self.draw(tf.shape(step_input)[0], 1, training=True)

    def get_recurrent_dropout_mask(self, step_input):
        """Nothing to do: `get_dropout_mask` draws all masks."""

    def reset_dropout_mask(self):
        self._keras_rnn_noise = None

    def reset_recurrent_dropout_mask(self):
        """Nothing to do: `reset_dropout_mask` drops all masks."""

    _keras_rnn_noise: Noise | None = None

    def _noise_of_step(self, inputs, training) -> Noise | None:
        if not training:
            return None
        noise = self.draw(tf.shape(inputs)[0], 1, training)
        if noise is None:
            return None
        noise = noise.at(lambda row: row[0])
        if self._keras_rnn_noise is None:
            return noise
        return self._keras_rnn_noise._replace(steps=noise.steps)
