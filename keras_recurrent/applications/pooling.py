"""One vector of a sequence, over its valid time steps."""

import keras

from keras_recurrent import options
from keras_recurrent.layers.masks import dense_mask
from keras_recurrent.options import Declared


@keras.saving.register_keras_serializable("keras_recurrent")
class MaskedPooling(Declared, keras.layers.Layer):
    """The mean or maximum over the valid time steps of a sequence.

    mean: y = Σ_t m(t) x(t) / Σ_t m(t); max: y = max_{t: m(t)} x(t)

    Input `(batch, T, width)`, output `(batch, width)`. A row without a valid step gives zeros. Keras's
    `GlobalMaxPooling1D` knows no masks, its `GlobalAveragePooling1D` gives NaN for such a row.
    """

    mode = options.choice("mean", ("mean", "max"), '"mean" or "max".')

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        return _pooled(self.mode, inputs, mask)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


@keras.saving.register_keras_serializable("keras_recurrent")
class ValidMean(keras.layers.GlobalAveragePooling1D):
    """Keras's layer, which exporters know how to run as a stream; ragged input brings it a mask."""

    def call(self, inputs, mask=None):
        return super().call(inputs) if mask is None else _pooled("mean", inputs, mask)


@keras.saving.register_keras_serializable("keras_recurrent")
class ValidMax(keras.layers.GlobalMaxPooling1D):
    """As `ValidMean`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        return super().call(inputs) if mask is None else _pooled("max", inputs, mask)

    def compute_mask(self, inputs, mask=None):
        return None


def _pooled(mode: str, inputs, mask):
    ops = keras.ops
    if mask is None:
        return ops.mean(inputs, 1) if mode == "mean" else ops.max(inputs, 1)
    valid = ops.expand_dims(ops.cast(dense_mask(mask), "bool"), -1)
    if mode == "mean":
        return _mean(inputs, valid)
    lowest = -3e38 if inputs.dtype in ("float32", "float64") else -6e4
    # `initial` counts where there is no time step at all
    highest = ops.max(ops.where(valid, inputs, ops.cast(lowest, inputs.dtype)), 1, initial=lowest)
    return ops.where(ops.any(valid, 1), highest, ops.zeros_like(highest))


def _mean(inputs, valid):
    """The sums in at least 32 bits: in 16 they overflow, and counts end at 2048."""
    ops = keras.ops
    dtype = "float64" if inputs.dtype == "float64" else "float32"
    chosen = ops.cast(ops.where(valid, inputs, ops.zeros_like(inputs)), dtype)
    count = ops.maximum(ops.sum(ops.cast(valid, dtype), 1), 1)
    return ops.cast(ops.sum(chosen, 1) / count, inputs.dtype)
