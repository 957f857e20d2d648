import keras

from keras_recurrent import options
from keras_recurrent.cells.contract import HiddenState
from keras_recurrent.cells.gated import GatedCell

# A dictionary, not an instance: an initializer object would give every layer the same numbers.
_UNIT_INTERVAL = {"class_name": "RandomUniform", "config": {"minval": 0.0, "maxval": 1.0}}


@keras.saving.register_keras_serializable("keras_recurrent")
class IndRNNCell(GatedCell):
    """The independently recurrent cell: every unit remembers only itself (Li et al. 2018).

    h(t) = A(x(t) W + u * h(t-1) + b), u a vector

    Input `(batch, features)`, state and output `(batch, units)`. Weights: kernel W
    `(features, units)`, recurrent_kernel u `(units,)`, bias b. The paper keeps |u| at most 2^(1/T)
    for sequences of T steps: pass such a `recurrent_constraint` for long ones.
    """

    gates = ("candidate",)

    activation = options.activation("relu", "A.", after="units")
    recurrent_initializer = options.initializer(_UNIT_INTERVAL, "Initial `recurrent_kernel`.")

    def recurrent_kernel_shape(self):
        return (self.units,)

    def step(self, z, states, weights, noise=None):
        h = self.drop_recurrent(states.h, noise)
        h = self.activation(z + weights.recurrent_kernel * h)
        return h, HiddenState(h)
