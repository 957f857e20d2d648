"""One vector of a sequence, over its valid time steps."""

import keras

from keras_recurrent import options
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
        ops = keras.ops
        if mask is None:
            return ops.mean(inputs, 1) if self.mode == "mean" else ops.max(inputs, 1)
        valid = ops.expand_dims(ops.cast(mask, inputs.dtype), -1)
        count = ops.sum(valid, 1)
        if self.mode == "mean":
            return ops.sum(inputs * valid, 1) / ops.maximum(count, 1)
        lowest = ops.cast(-3e38 if inputs.dtype in ("float32", "float64") else -6e4, inputs.dtype)
        highest = ops.max(inputs * valid + (1 - valid) * lowest, 1)
        return highest * ops.cast(count > 0, inputs.dtype)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])
