import keras

from keras_recurrent import options
from keras_recurrent.cells.contract import HiddenState
from keras_recurrent.cells.gated import GatedCell


@keras.saving.register_keras_serializable("keras_recurrent")
class MinimalGRUCell(GatedCell):
    """The minimal gated unit: a GRU whose one gate forgets and updates (Zhou et al. 2016).

    f = σ(x(t) W_f + h(t-1) U_f + b_f)
    h̃ = A(x(t) W_h + (f * h(t-1)) U_h + b_h)
    h(t) = (1 - f) * h(t-1) + f * h̃

    Input `(batch, features)`, state and output `(batch, units)`. Column blocks f, h̃.
    """

    gates = ("forget", "candidate")

    activation = options.activation("tanh", "A.", after="units")
    recurrent_activation = options.activation("sigmoid", "σ.", after="activation")

    def step(self, z, states, weights, noise=None):
        h = states.h
        z_f, z_h = self.bank.split(z)
        f = self.recurrent_activation(z_f + self.recurrent(h, weights, noise, ["forget"]))
        f = self.named("update", f)
        candidate = self.activation(z_h + self.recurrent(f * h, weights, noise, ["candidate"]))
        candidate = self.named("candidate", candidate)
        h = h + f * (candidate - h)
        return h, HiddenState(h)
