"""Encoder and decoder put together, for training with the true sequence."""

from types import SimpleNamespace

import keras
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.applications.logits import gives_logits
from keras_recurrent.applications.scheduled_sampling import ScheduledSampling
from keras_recurrent.options import Declared


class Generating:
    """What generating models have beside their layers."""

    scheduled_sampling = options.rate(
        "Share of the given steps that training replaces by what the model says; see "
        "`ScheduledSampling`. It takes a second pass.",
        keyword_only=True,
    )


@keras.saving.register_keras_serializable("keras_recurrent")
class ZeroStates(Declared, keras.layers.Layer):
    """Zeros `(batch, size)` for each size, as many rows as the input has."""

    sizes = options.Option(lambda _, value: list(value), doc="Widths of the states.")

    def call(self, inputs):
        rows = tf.shape(inputs)[0]
        return [tf.zeros((rows, size), self.compute_dtype) for size in self.sizes]

    def compute_output_spec(self, inputs):
        rows = inputs.shape[0]
        return [keras.KerasTensor((rows, size), self.compute_dtype) for size in self.sizes]


def generate(
    net: SimpleNamespace, encoder: keras.Model | None, decoder: keras.Model
) -> keras.Model:
    """The model that reads the encoder's input, if any, and "previous"."""
    spec = decoder.input["previous"]
    previous = keras.Input(spec.shape[1:], dtype=spec.dtype, name="previous")
    inputs = {"previous": previous}
    if encoder is None:
        sizes = {n: t.shape[-1] for n, t in decoder.input.items() if n.startswith("state_")}
        zeros = ZeroStates(list(sizes.values()), name="initial_states")(previous)
        given = dict(zip(sizes, zeros, strict=True))
    else:
        spec = encoder.input
        source = keras.Input(spec.shape[1:], dtype=spec.dtype, name=spec.name)
        inputs = {spec.name: source, **inputs}
        given = encoder(source)
    if net.scheduled_sampling:
        previous = _mixed(net, decoder, previous, given)
    said = decoder({"previous": previous, **given})["output"]
    return keras.Model(inputs, said, name=net.name)


def _mixed(net, decoder, previous, given):
    if net.vocabulary_size is None:
        raise ValueError(
            "Scheduled sampling draws ids: it needs `vocabulary_size`. Received: scheduled_sampling="
            f"{net.scheduled_sampling}, features={net.features}"
        )
    logits = gives_logits(decoder.get_layer("output"))
    first = decoder({"previous": previous, **given})["output"]
    mix = ScheduledSampling(net.scheduled_sampling, logits, name="scheduled_sampling")
    return mix(previous, first)
