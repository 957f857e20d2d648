"""The weighted mean of a biLM's layers that a task learns."""

import functools
import math

import keras
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.options import Declared, is_number

NORM_EPSILON = 1e-12


def check_mix_weights(name: str, value) -> tuple[float, ...] | None:
    if value is None:
        return None
    numbers = value if isinstance(value, list | tuple) else []
    if not numbers or not all(is_number(n) and math.isfinite(n) for n in numbers):
        raise ValueError(
            f"`{name}` must be a finite number a layer, or None. Received: {name}={value!r}"
        )
    return tuple(map(float, numbers))


@keras.saving.register_keras_serializable("keras_recurrent")
class ScalarMix(Declared, keras.layers.Layer):
    """The mix of a biLM's layers (Peters et al. 2018, eq. 1).

    y = γ Σ_j s_j a_j, s = softmax(w); w starts at 0 and γ at 1

    Call: `mix(activations, mask=None)`, a list of tensors `(batch, T, width)` and where there are words,
    `(batch, T)`; the result has the tensors' shape.

    With `layer_norm` a_j becomes (a_j - m_j) / sqrt(v_j + 1e-12), m_j and v_j being one mean and one
    variance of the whole batch's words, as published: results then depend on the batch. Boundaries do
    not count (as in bilm-tf; AllenNLP counts them).
    """

    layer_norm = options.flag(False, "Whether to normalise the layers over the batch.")
    l2 = options.Option(
        lambda name, value: 0.0 if value == 0 else options.positive_float("").check(name, value),
        0.0,
        "Weight of Σ w², which pulls s towards equal shares.",
    )
    mix_weights = options.Option(
        check_mix_weights,
        None,
        "Fixed w, not trained, as γ then is; (-9e10, 1, -9e10) takes layer 1 alone.",
    )

    def build(self, activations_shape):
        layers = len(activations_shape)
        if self.mix_weights is not None and len(self.mix_weights) != layers:
            raise ValueError(
                f"`mix_weights` must be {layers} numbers, one a layer, the words' own vectors first. "
                f"Received: mix_weights={self.mix_weights}"
            )
        trained = self.mix_weights is None
        self.scalars = self.add_weight(
            (layers,),
            "zeros",
            name="scalars",
            trainable=trained,
            regularizer=keras.regularizers.L2(self.l2) if self.l2 and trained else None,
        )
        if not trained:
            self.scalars.assign(self.mix_weights)
        self.gamma = self.add_weight((), "ones", name="gamma", trainable=trained)
        self.built = True

    def call(self, activations, mask=None):
        shares = tf.unstack(tf.nn.softmax(tf.convert_to_tensor(self.scalars)))
        if self.layer_norm:
            activations = [_normalized(a, mask) for a in activations]
        weighted = [s * a for s, a in zip(shares, activations, strict=True)]
        return self.gamma * functools.reduce(tf.add, weighted)  # tf.add_n has no form in integers

    def compute_mask(self, activations, mask=None):
        return None

    def compute_output_shape(self, activations_shape):
        return activations_shape[0]


def _normalized(values, mask):
    dtype = values.dtype
    values = tf.cast(values, keras.backend.result_type(dtype.name, "float32"))  # half cannot count
    if mask is None:
        mask = tf.ones(tf.shape(values)[:2], tf.bool)
    here = tf.cast(tf.expand_dims(mask, -1), values.dtype)
    count = tf.maximum(tf.reduce_sum(here) * values.shape[-1], 1)
    mean = tf.reduce_sum(values * here) / count
    variance = tf.reduce_sum(tf.square((values - mean) * here)) / count
    return tf.cast((values - mean) * here / tf.sqrt(variance + NORM_EPSILON), dtype)
