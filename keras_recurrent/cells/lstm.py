from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.cells.gated import GatedCell
from keras_recurrent.gates import layer_norm
from keras_recurrent.products import product


class LSTMState(NamedTuple):
    """h: what the cell shows; c: what it remembers."""

    h: Any
    c: Any


def _check_zoneout(name, value):
    """One rate for both states or a pair (c, h), the paper's order."""
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise ValueError(
                f"`{name}` must be a rate or a pair (c, h). Received: {name}={value!r}"
            )
        return tuple(options.check_rate(name, part) for part in value)
    return options.check_rate(name, value)


@keras.saving.register_keras_serializable("keras_recurrent")
class LSTMCell(GatedCell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; Gers et al. 2000), with its variants.

    i, f, o, r = σ(x(t) W + h(t-1) U + b)                 one gate a column block
    c̃ = A(x(t) W_c + h(t-1) U_c + b_c)                    `relevance_gate`: (r * h(t-1)) U_c
    c(t) = f * c(t-1) + i * c̃                             `coupled_gates`: f = 1 - i
    h(t) = o * B(c(t))                                    B is `output_activation`

    Options, all free to combine:
    * `projection_units` P (Sak et al. 2014): h(t) = (o * B(c(t))) V, V `(units, P)`.
    * `peephole` (Gers and Schmidhuber 2000): i and f also see c(t-1), o sees c(t), through a vector
      each. The relevance gate has none.
    * `coupled_gates` (Greff et al. 2017): no forget gate; `unit_forget_bias` is without effect.
    * `normalization="layer"` (Ba et al. 2016, eq. 20-22): LN(x W), LN(h U), and LN(c) inside B only,
      so that the carried c stays raw. With a relevance gate the candidate's recurrent product is
      normalised apart from the gates'.
    * `cell_clip`, `projection_clip`: limits of c and of the projected h; the clipped value is the state.
    * `zoneout` (Krueger et al. 2017), `weight_dropout` (Merity et al. 2018).

    Input `(batch, features)`; states h `(batch, P or units)` and c `(batch, units)` as `LSTMState`.
    Weights in the order and layout of `keras.layers.LSTMCell`: kernel, recurrent_kernel, bias (column
    blocks i, f, c̃, o, r, absent ones left out), then projection_kernel V, peephole
    (rows i, f, o), kernel_gain, recurrent_gain, cell_gain, cell_shift.
    """

    activation = options.activation("tanh", "A.", after="units")
    recurrent_activation = options.activation("sigmoid", "σ.", after="activation")
    unit_forget_bias = options.flag(
        True, "Whether the forget gate's bias starts at 1.", after="bias_initializer"
    )
    implementation = options.choice(
        2, (0, 1, 2), "Accepted for Keras's sake, without effect.", keyword_only=True
    )
    output_activation = options.Option(
        lambda _, value: None if value is None else keras.activations.get(value),
        None,
        "B; None is the same as `activation`.",
        lambda value: None if value is None else keras.activations.serialize(value),
        keyword_only=True,
    )
    projection_units = options.positive_int("P.", None, optional=True, keyword_only=True)
    peephole = options.flag(False, "Whether the gates see the cell.", keyword_only=True)
    relevance_gate = options.flag(False, "Whether the candidate has a gate r.", keyword_only=True)
    coupled_gates = options.flag(False, "Whether f = 1 - i.", keyword_only=True)
    normalization = options.choice(None, (None, "layer"), "None or 'layer'.", keyword_only=True)
    cell_clip = options.positive_float("Largest |c|.", keyword_only=True)
    projection_clip = options.positive_float("Largest |h| after projection.", keyword_only=True)
    zoneout = options.Option(
        _check_zoneout,
        0.0,
        "Share to keep from the step before: a rate or (c, h).",
        keyword_only=True,
    )
    weight_dropout = options.rate("Share of U to drop in training.", keyword_only=True)

    state_type = LSTMState
    cudnn_mode = "lstm"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.projection_clip is not None and self.projection_units is None:
            raise ValueError(
                "`projection_clip` limits the projected output: give `projection_units` too, or use "
                f"`cell_clip`. Received: projection_clip={self.projection_clip}, projection_units=None"
            )
        self.output_size = self.recurrent_width
        self.state_size = [self.recurrent_width, self.units]

    @property
    def gates(self):
        return (
            "input",
            *([] if self.coupled_gates else ["forget"]),
            "candidate",
            "output",
            *(["relevance"] if self.relevance_gate else []),
        )

    def gate_widths(self):
        widths = super().gate_widths()
        if self.relevance_gate:
            widths["relevance"] = self.recurrent_width  # it acts on h, which may be projected
        return widths

    @property
    def recurrent_width(self):
        return self.projection_units or self.units

    def build(self, input_shape):
        super().build(input_shape)
        units = self.units
        if self.projection_units is not None:
            shape = (units, self.projection_units)
            self.add_step_weight("projection_kernel", shape, initializer=self.kernel_initializer)
        if self.peephole:
            rows = 2 if self.coupled_gates else 3
            self.add_step_weight("peephole_kernel", (rows, units), initializer="glorot_uniform")
        if self.normalization is not None:
            self.add_step_weight("cell_gain", (units,), initializer="ones")
            self.add_step_weight("cell_shift", (units,), initializer="zeros")

    def initial_bias(self, shape, dtype=None):
        if not self.unit_forget_bias or self.coupled_gates:
            return self.bias_initializer(shape, dtype=dtype)
        units = self.units
        first = self.bias_initializer((units,), dtype=dtype)
        rest = self.bias_initializer((shape[0] - 2 * units,), dtype=dtype)
        return keras.ops.concatenate([first, keras.ops.ones((units,), dtype=dtype), rest])

    def zoneout_rates(self):
        c, h = self.zoneout if isinstance(self.zoneout, tuple) else (self.zoneout,) * 2
        return (h, c)

    def step(self, z, states, weights, noise=None):
        h, c = states
        gate, named = self.recurrent_activation, self.named
        a = self._preactivations(z, h, weights, noise)
        if self.peephole:
            see = dict(zip(self._peepholes(), tf.unstack(weights.peephole_kernel), strict=True))
            a["input"] += see["input"] * c
            if not self.coupled_gates:
                a["forget"] += see["forget"] * c

        i = named("update", gate(a["input"]))
        f = named("forget", 1 - i if self.coupled_gates else gate(a["forget"]))
        c = f * c + i * named("candidate", self.activation(a["candidate"]))
        if self.cell_clip is not None:
            c = tf.clip_by_value(c, -self.cell_clip, self.cell_clip)

        if self.peephole:
            a["output"] += see["output"] * c
        h = named("output", gate(a["output"])) * self._show(c, weights)
        if self.projection_units is not None:
            h = product(h, weights.projection_kernel)
            if self.projection_clip is not None:
                h = tf.clip_by_value(h, -self.projection_clip, self.projection_clip)

        new = self.zone_out(LSTMState(h, c), states, noise)
        return new.h, new

    def _preactivations(self, z, h, weights, noise) -> dict:
        bank = self.bank
        if not self.relevance_gate:
            total = z + self.recurrent(h, weights, noise)
            return dict(zip(bank.gates, bank.split(total), strict=True))
        gating = bank.others("candidate")
        total = bank.take(z, gating) + self.recurrent(h, weights, noise, gating)
        a = dict(zip(gating, bank.split(total, gating), strict=True))
        r = self.named("relevance", self.recurrent_activation(a["relevance"]))
        inner = self.recurrent(r * h, weights, noise, ["candidate"])
        return {**a, "candidate": bank.take(z, ["candidate"]) + inner}

    def _show(self, c, weights):
        show = self.activation if self.output_activation is None else self.output_activation
        if self.normalization is not None:
            c = layer_norm(c) * weights.cell_gain + weights.cell_shift
        return show(c)

    def _peepholes(self):
        return ("input", "output") if self.coupled_gates else ("input", "forget", "output")
