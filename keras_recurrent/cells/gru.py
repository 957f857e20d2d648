import keras

from keras_recurrent import options
from keras_recurrent.cells.contract import HiddenState
from keras_recurrent.cells.gated import GatedCell


@keras.saving.register_keras_serializable("keras_recurrent")
class GRUCell(GatedCell):
    """The gated recurrent unit (Cho et al. 2014).

    z = σ(x(t) W_z + h(t-1) U_z + b_z)
    r = σ(x(t) W_r + h(t-1) U_r + b_r)
    h̃ = A(x(t) W_h + (r * h(t-1)) U_h + b_h)              `reset_after=False`
    h̃ = A(x(t) W_h + b_h + r * (h(t-1) U_h + b'_h))       `reset_after=True`, the cuDNN form
    h(t) = z * h(t-1) + (1 - z) * h̃

    z is Keras's update gate: the share of the past that is kept. The update gate Γu of the
    literature, the share of the new, is 1 - z.

    Input `(batch, features)`, state and output `(batch, units)`. Weights in the order and layout of
    `keras.layers.GRUCell`: kernel, recurrent_kernel (column blocks z, r, h̃), bias `(3*units,)` or,
    with `reset_after`, `(2, 3*units)`: row 0 for the inputs, row 1 for h(t-1).

    `normalization="layer"` (Ba et al. 2016): the products of z and r are normalised together, those
    of h̃ apart, the input and the recurrent part each for itself, scaled by kernel_gain and
    recurrent_gain; the biases are the shifts.
    """

    gates = ("update", "relevance", "candidate")
    gating = ("update", "relevance")
    cudnn_mode = "gru"

    activation = options.activation("tanh", "A.", after="units")
    recurrent_activation = options.activation("sigmoid", "σ.", after="activation")
    reset_after = options.flag(
        True, "Whether r acts after the recurrent product.", after="recurrent_dropout"
    )
    implementation = options.choice(
        2, (0, 1, 2), "Accepted for Keras's sake, without effect.", keyword_only=True
    )
    normalization = options.choice(None, (None, "layer"), "None or 'layer'.", keyword_only=True)
    zoneout = options.rate("Share of h to keep from the step before.", keyword_only=True)
    weight_dropout = options.rate("Share of U to drop in training.", keyword_only=True)

    def bias_shape(self):
        return (2, self.bank.width) if self.reset_after else (self.bank.width,)

    def normalization_groups(self):
        return [self.gating, ("candidate",)]

    def input_bias(self, weights):
        return weights.bias[0] if self.reset_after else weights.bias

    def zoneout_rates(self):
        return (self.zoneout,)

    def step(self, z, states, weights, noise=None):
        h = states.h
        candidate, keep = (self._after if self.reset_after else self._before)(z, h, weights, noise)
        new = HiddenState(candidate + keep * (h - candidate))
        new = self.zone_out(new, states, noise)
        return new.h, new

    def _after(self, z, h, weights, noise):
        inner = self._recurrent_of_all(h, weights, noise)
        x_z, x_r, x_h = self.bank.split(z)
        h_z, h_r, h_h = self.bank.split(inner)
        keep = self._keep(x_z + h_z)
        reset = self._reset(x_r + h_r)
        return self._candidate(x_h + reset * h_h), keep

    def _before(self, z, h, weights, noise):
        x_z, x_r, x_h = self.bank.split(z)
        h_z, h_r = self.bank.split(self.recurrent(h, weights, noise, self.gating), self.gating)
        keep = self._keep(x_z + h_z)
        reset = self._reset(x_r + h_r)
        inner = self.recurrent(reset * h, weights, noise, ["candidate"])
        return self._candidate(x_h + inner), keep

    def _keep(self, total):
        return self.named("update", self.recurrent_activation(total), complement=True)

    def _reset(self, total):
        return self.named("relevance", self.recurrent_activation(total))

    def _candidate(self, total):
        return self.named("candidate", self.activation(total))

    def _recurrent_of_all(self, h, weights, noise):
        bias = weights.bias[1] if self.use_bias else None
        if self.normalization is None:
            return self.recurrent(h, weights, noise, bias=bias)
        groups = self.normalization_groups()
        parts = [self.recurrent(h, weights, noise, group) for group in groups]
        inner = keras.ops.concatenate(parts, -1)
        return inner if bias is None else inner + bias
