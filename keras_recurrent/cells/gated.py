"""What the gated cells share: options, the fused weights, dropout."""

from collections import namedtuple
from typing import Any, NamedTuple

import keras

from keras_recurrent import options
from keras_recurrent.cells.contract import Cell
from keras_recurrent.cells.noise import Noise, apply_mask, drop_mask, hold_mask, zone_out
from keras_recurrent.gates import GateBank
from keras_recurrent.options import Declared


class FixedMasks(NamedTuple):
    """Dropout masks that hold for a whole sequence; None where the rate is 0."""

    inputs: Any = None
    recurrent: Any = None


class GatedCell(Declared, Cell):
    """Base of the cells whose gates share one fused kernel.

    z(t) = x(t) W + b for all gates and all time steps at once; the step adds h(t-1) U.

    A subclass names its `gates` in the order of their columns and writes `step`. It reads
    `weights.kernel (D, G*units)`, `weights.recurrent_kernel (H, G*units)`, `weights.bias` and what it
    adds itself in `build` with `add_step_weight`; recurrent products go through
    `self.recurrent(h, weights, noise)`. Gates that it passes through `self.named("forget", f)` are
    seen by `kr.training.gate_activations`.

    Dropout (Gal and Ghahramani 2016): one mask for the inputs and one for h(t-1), drawn once a
    sequence and shared by all time steps and all gates (`keras.layers` draws one a gate when
    `recurrent_dropout` is set).
    """

    gates: tuple[str, ...] = ()

    units = options.positive_int("Width of the state and the output.")
    use_bias = options.flag(True, "Whether to add a bias.")
    kernel_initializer = options.initializer("glorot_uniform", "Initial `kernel`.")
    recurrent_initializer = options.initializer("orthogonal", "Initial `recurrent_kernel`.")
    bias_initializer = options.initializer("zeros", "Initial `bias`.")
    kernel_regularizer = options.regularizer("Penalty on `kernel`.")
    recurrent_regularizer = options.regularizer("Penalty on `recurrent_kernel`.")
    bias_regularizer = options.regularizer("Penalty on `bias`.")
    kernel_constraint = options.constraint("Constraint on `kernel`.")
    recurrent_constraint = options.constraint("Constraint on `recurrent_kernel`.")
    bias_constraint = options.constraint("Constraint on `bias`.")
    dropout = options.rate("Share of the inputs to drop in training.")
    recurrent_dropout = options.rate("Share of h(t-1) to drop in training.")
    seed = options.seed()

    normalization: str | None = None
    weight_dropout = 0.0

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.state_size = self.units
        self.output_size = self.units
        self.bank = GateBank(self.gate_widths(), self.normalization)

    def gate_widths(self) -> dict[str, int]:
        """Columns of every gate, in the order of the kernel."""
        return dict.fromkeys(self.gates, self.units)

    @property
    def recurrent_width(self) -> int:
        """Width H of the h(t-1) that the gates read."""
        return self.units

    def build(self, input_shape):
        if input_shape[-1] is None:
            raise ValueError(
                f"The last axis of the input of {type(self).__name__} must have a fixed size, it "
                f"decides the shape of the weights. Received: input shape {tuple(input_shape)}"
            )
        self._step_weights: list[str] = []
        self.add_step_weight(
            "kernel",
            (input_shape[-1], self.bank.width),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.add_step_weight(
            "recurrent_kernel",
            self.recurrent_kernel_shape(),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.add_step_weight(
                "bias",
                self.bias_shape(),
                initializer=self.initial_bias,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        if self.normalization is not None:
            self.add_step_weight("kernel_gain", (self.bank.width,), initializer="ones")
            self.add_step_weight("recurrent_gain", (self.bank.width,), initializer="ones")
        self.built = True

    def recurrent_kernel_shape(self) -> tuple[int, ...]:
        return (self.recurrent_width, self.bank.width)

    def bias_shape(self) -> tuple[int, ...]:
        return (self.bank.width,)

    def initial_bias(self, shape, dtype=None):
        return self.bias_initializer(shape, dtype=dtype)

    def add_step_weight(self, name: str, shape: tuple[int, ...], **kwargs) -> None:
        """Create the variable `self.<name>`; `step` finds it, cast, as `weights.<name>`."""
        setattr(self, name, self.add_weight(shape=shape, name=name, **kwargs))
        self._step_weights.append(name)

    def read_weights(self, noise=None):
        values = {
            n: keras.ops.cast(getattr(self, n), self.compute_dtype) for n in self._step_weights
        }
        if noise is not None:
            kernel = values["recurrent_kernel"]
            values["recurrent_kernel"] = apply_mask(kernel, noise.weights)
        return namedtuple(f"{type(self).__name__}Weights", values)(**values)

    def mask_inputs(self, inputs, noise=None):
        if noise is None or noise.fixed is None:
            return inputs
        return apply_mask(inputs, noise.fixed.inputs)

    def project(self, inputs, weights, noise=None):
        inputs = self.mask_inputs(inputs, noise)
        bias = self.input_bias(weights) if self.use_bias else None
        return self.bank.project(inputs, weights, self.normalization_groups(), bias)

    def normalization_groups(self) -> list[tuple[str, ...]]:
        """Gates whose input parts are normalised together."""
        return [self.gates]

    def input_bias(self, weights):
        return weights.bias

    def recurrent(self, h, weights, noise=None, gates=None, bias=None):
        """h(t-1) U + bias for the named gates (default all), h dropped out in training."""
        return self.bank.recurrent(self.drop_recurrent(h, noise), weights, gates, bias)

    def drop_recurrent(self, h, noise):
        if noise is None or noise.fixed is None:
            return h
        return apply_mask(h, noise.fixed.recurrent)

    def draw(self, batch, timesteps, training=False):
        if not training:
            return None
        fixed = FixedMasks(
            self._drop_mask((batch, self.kernel.shape[0]), self.dropout),
            self._drop_mask((batch, self.recurrent_width), self.recurrent_dropout),
        )
        weights = self._drop_mask(self.recurrent_kernel.shape, self.weight_dropout)
        steps = [
            hold_mask((timesteps, batch, size), rate, self.seed_generator, self.compute_dtype)
            for rate, size in zip(self.zoneout_rates(), self._state_sizes(), strict=False)
        ]
        if not any(m is not None for m in [*fixed, *steps, weights]):
            return None
        return Noise(fixed, self.state_type(*steps) if steps else None, weights)

    def _drop_mask(self, shape, rate):
        return drop_mask(shape, rate, self.seed_generator, self.compute_dtype)

    def _state_sizes(self) -> list[int]:
        return self.state_size if isinstance(self.state_size, list) else [self.state_size]

    def zoneout_rates(self) -> tuple[float, ...]:
        """One rate for each part of the state, in the order of `state_type`; empty for none."""
        return ()

    def zone_out(self, new, old, noise):
        """Zoneout (Krueger et al. 2017) of every part of the state."""
        rates = self.zoneout_rates()
        if not any(rates):
            return new
        holds = noise.steps if noise is not None else [None] * len(rates)
        return self.state_type(*map(zone_out, new, old, rates, holds))
