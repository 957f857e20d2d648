import keras

from keras_recurrent import options
from keras_recurrent.cells.activations import RELU
from keras_recurrent.cells.contract import HiddenState
from keras_recurrent.cells.gated import GatedCell


@keras.saving.register_keras_serializable("keras_recurrent")
class SimpleRNNCell(GatedCell):
    """The vanilla recurrent cell (Elman 1990).

    h(t) = A(x(t) W + h(t-1) U + b)

    Input `(batch, features)`, state and output `(batch, units)`. Weights in the order of
    `keras.layers.SimpleRNNCell`: kernel W, recurrent_kernel U, bias b.
    """

    gates = ("candidate",)

    activation = options.activation("tanh", "A.", after="units")

    @property
    def cudnn_mode(self):
        return "rnn_relu" if self.activation in RELU else "rnn_tanh"

    def step(self, z, states, weights, noise=None):
        h = self.activation(z + self.recurrent(states.h, weights, noise))
        return h, HiddenState(h)
