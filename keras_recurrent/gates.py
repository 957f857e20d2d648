"""Gates: the one equation that recurrent cells are made of, and the bank that fuses them."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import keras
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.finite import FiniteWeights
from keras_recurrent.options import Declared
from keras_recurrent.products import product

NORM_EPSILON = 1e-5


@keras.saving.register_keras_serializable("keras_recurrent")
class Gate(Declared, FiniteWeights, keras.layers.Layer):
    """A gate: how much of something to let through, between 0 and 1.

    Γ(h, x) = σ(W [h, x] + b)

    One layer for the four kinds that gated cells use: update, relevance, forget and output
    (Hochreiter and Schmidhuber 1997; Cho et al. 2014).

    Call it with `gate(h, x)` or `gate([h, x])`: h has shape `(batch, ..., H)`, x `(batch, ..., D)`,
    the result `(batch, ..., units)`. Masks pass through unchanged. A last axis that differs from the
    one the gate was built for raises `ValueError`.
    """

    units = options.positive_int("Number of gate values.")
    activation = options.activation("sigmoid", "The squashing function σ.")
    use_bias = options.flag(True, "Whether to add b.")
    kernel_initializer = options.initializer("glorot_uniform", "Initial weights of x.")
    recurrent_initializer = options.initializer("orthogonal", "Initial weights of h.")
    bias_initializer = options.initializer("zeros", "Initial b.")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.supports_masking = True

    def build(self, h_shape, x_shape=None):
        h_shape, x_shape = self._pair(h_shape, x_shape, "shapes")
        self.kernel = self.add_weight(
            shape=(x_shape[-1], self.units), name="kernel", initializer=self.kernel_initializer
        )
        self.recurrent_kernel = self.add_weight(
            shape=(h_shape[-1], self.units),
            name="recurrent_kernel",
            initializer=self.recurrent_initializer,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(self.units,), name="bias", initializer=self.bias_initializer
            )

    def call(self, h, x=None):
        h, x = self._pair(h, x, "tensors")
        if h.shape[-1] != self.recurrent_kernel.shape[0] or x.shape[-1] != self.kernel.shape[0]:
            raise ValueError(
                f"This gate was built for h of width {self.recurrent_kernel.shape[0]} and x of width "
                f"{self.kernel.shape[0]}. Received: h.shape={h.shape}, x.shape={x.shape}"
            )
        total = keras.ops.matmul(x, self.kernel) + keras.ops.matmul(h, self.recurrent_kernel)
        if self.bias is not None:
            total = total + self.bias
        return self.activation(total)

    def compute_output_shape(self, h_shape, x_shape=None):
        h_shape, _ = self._pair(h_shape, x_shape, "shapes")
        return (*h_shape[:-1], self.units)

    def compute_mask(self, h, mask=None):
        return mask[0] if isinstance(mask, list | tuple) else mask

    @staticmethod
    def _pair(h, x, what):
        if x is not None:
            return h, x
        pair = isinstance(h, list | tuple) and len(h) == 2
        if pair and all(isinstance(part, list | tuple) or hasattr(part, "shape") for part in h):
            return h
        raise ValueError(f"A gate reads two {what}: gate(h, x) or gate([h, x]). Received: {h!r}")


class GateBank:
    """The gates of a cell, side by side in one kernel, so that a step needs one matrix product.

    Column block k of `kernel (D, width)` and `recurrent_kernel (H, width)` belongs to gate k.
    With `normalization="layer"` every product is normalised and scaled by a gain before it is used
    (Ba et al. 2016, eq. 20-22); the gates of one product share one mean and one variance.

    Every recurrent product of a cell goes through `recurrent`: an engine that gathers the weight
    gradients of all steps into one product has a single place to look at.
    """

    def __init__(self, widths: Mapping[str, int], normalization: str | None = None):
        self.gates = tuple(widths)
        self.normalization = normalization
        ends = list(accumulate(widths.values()))
        self._columns = {
            gate: (end - width, end)
            for (gate, width), end in zip(widths.items(), ends, strict=True)
        }
        self.width = ends[-1]

    def others(self, *gates: str) -> tuple[str, ...]:
        """All gates but these, in order."""
        return tuple(g for g in self.gates if g not in gates)

    def project(self, inputs, weights, groups: Sequence[Sequence[str]] = (), bias=None):
        """x W + bias for every gate: `(..., D) -> (..., width)`; groups are normalised apart."""
        if self.normalization is None:
            return _matmul(inputs, weights.kernel, bias)
        result = _matmul(inputs, weights.kernel)
        parts = [
            self._normalize(self.take(result, group), weights.kernel_gain, group)
            for group in (groups or [self.gates])
        ]
        result = tf.concat(parts, -1) if len(parts) > 1 else parts[0]
        return result if bias is None else result + bias

    def recurrent(self, h, weights, gates: Sequence[str] | None = None, bias=None):
        """h U + bias for the named gates (all of them by default), in the order of the bank."""
        gates = self.gates if gates is None else gates
        kernel = self.take(weights.recurrent_kernel, gates)
        if self.normalization is None:
            return product(h, kernel, bias)
        result = self._normalize(product(h, kernel), weights.recurrent_gain, gates)
        return result if bias is None else result + bias

    def split(self, values, gates: Sequence[str] | None = None) -> list:
        """Cut the columns of the named gates (all of them by default) into one tensor a gate."""
        widths = [end - start for start, end in map(self._columns.get, gates or self.gates)]
        equal = len(set(widths)) == 1
        return tf.split(values, len(widths) if equal else widths, axis=-1)

    def take(self, values, gates: Sequence[str]):
        """The columns of the named gates out of a tensor whose last axis holds all gates."""
        runs: list[list[int]] = []
        for gate in gates:
            start, end = self._columns[gate]
            if runs and runs[-1][1] == start:
                runs[-1][1] = end
            else:
                runs.append([start, end])
        if runs == [[0, self.width]]:
            return values
        blocks = [values[..., start:end] for start, end in runs]
        return tf.concat(blocks, -1) if len(blocks) > 1 else blocks[0]

    def _normalize(self, values, gain, gates):
        return layer_norm(values) * self.take(gain, gates)


def layer_norm(values):
    """(v - mean) / sqrt(variance + 1e-5) over the last axis; in float32 for 16-bit values."""
    wide = tf.cast(values, tf.float32) if values.dtype.size < 4 else values
    mean = tf.reduce_mean(wide, -1, keepdims=True)
    centred = wide - mean
    variance = tf.reduce_mean(tf.square(centred), -1, keepdims=True)
    return tf.cast(centred * tf.math.rsqrt(variance + NORM_EPSILON), values.dtype)


def _matmul(inputs, kernel, bias=None):
    """`(..., D) x (D, N)`, plus `bias (N,)`, as one plain matrix product over all leading axes."""
    if len(inputs.shape) == 2:
        return product(inputs, kernel, bias)
    flat = product(tf.reshape(inputs, [-1, kernel.shape[0]]), kernel, bias)
    static = [*inputs.shape[:-1], kernel.shape[1]]
    if static.count(None) <= 1:
        shape = [-1 if size is None else size for size in static]
        # -1 cannot be inferred beside an axis of size 0
        if 0 not in static:
            return tf.reshape(flat, shape)
    dynamic = tf.concat([tf.shape(inputs)[:-1], [kernel.shape[1]]], 0)
    return tf.ensure_shape(tf.reshape(flat, dynamic), static)
