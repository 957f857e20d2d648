"""Encoder and decoder: a sequence to another one, of any other length."""

from types import SimpleNamespace
from typing import Any

import keras

from keras_recurrent import options
from keras_recurrent.applications import body, decoding_step
from keras_recurrent.applications.arguments import (
    UNKNOWN_IDS,
    Body,
    Head,
    ReadsSequences,
    application,
    only_one,
)
from keras_recurrent.applications.cross_attention import KINDS
from keras_recurrent.applications.generating import Generating, generate
from keras_recurrent.layers.masks import dense_mask
from keras_recurrent.options import Option


def _check_initializer(name: str, value: Any) -> keras.initializers.Initializer:
    if value is None:
        return keras.initializers.RandomNormal(stddev=1.0)
    return keras.initializers.get(value)


class _Languages:
    target_vocabulary = options.positive_int(
        "Number of ids of the output, with 0 (padding), begin and end."
    )
    source_vocabulary = options.positive_int(
        "Number of ids of the source, 0, which is padding and masked, among them; or give "
        f"`source_features`. {UNKNOWN_IDS}",
        None,
        optional=True,
        keyword_only=True,
    )
    source_features = options.positive_int(
        "Numbers in a time step of a raw source.", None, optional=True, keyword_only=True
    )
    mask_value = ReadsSequences.mask_value
    source_timesteps = options.positive_int(
        "Length of the sources; None for any.", None, optional=True, keyword_only=True
    )
    embedding_dim = options.positive_int(
        "Width of the vectors that ids become; None for `units`.",
        None,
        optional=True,
        keyword_only=True,
    )
    embeddings_initializer = Option(
        _check_initializer,
        None,
        "Of the vectors that ids become; None for a normal distribution of deviation 1. Keras's own "
        "vectors, within 0.05 of zero, leave encoder and decoder at the frequencies of the ids for "
        "long.",
        keyword_only=True,
    )
    bidirectional = options.flag(
        True,
        "Whether the encoder reads the source in both directions; a layer for each part of the state "
        "then makes the decoder's first states of its last ones.",
        keyword_only=True,
    )
    attention = options.choice(
        "dot",
        (*KINDS, None),
        '"dot", "additive", "multi_head" (see `CrossAttention`), or None: the decoder then knows the '
        "source by its first state alone.",
        keyword_only=True,
    )


@application(_Languages, Body, Generating, Head)
def sequence_to_sequence(net) -> keras.Model:
    """A model for T_x ≠ T_y, such as translation (Sutskever et al. 2014; Luong et al. 2015).

    encoder: m(s) = layers(x)(s); decoder: h(t) = layers(y(t-1), h(t-1)), h(0) from the encoder's end
    context(t) = attention(h(t), m); p(y(t) | y(<t), x) = A2(W tanh(W_c [h(t), context(t)]))

    Without attention: A2(W h(t)). The recurrent layers do not read the context, so that training runs
    over all steps at once. For `fit` the model reads the true output one step late, see
    `teacher_forcing`; `Decoder` lets it go on by itself.

    Inputs by name: "source", ids `(batch, T_x)` or numbers `(batch, T_x, source_features)`, and
    "previous", ids `(batch, T_y)`; output `(batch, T_y, target_vocabulary)` with the mask of "previous".

    Returns:
        A functional Keras model, not compiled. `parts_of` gives its encoder and decoder.

    Raises:
        ValueError: An argument is out of range; both or none of the kinds of source.
        TypeError: An argument is unknown or missing.
    """
    only_one(source_features=net.source_features, source_vocabulary=net.source_vocabulary)
    source = _with(
        net,
        features=net.source_features,
        vocabulary_size=net.source_vocabulary,
        timesteps=net.source_timesteps,
        embedding_dim=net.embedding_dim if net.source_vocabulary else None,
    )
    target = _with(
        net, features=None, vocabulary_size=net.target_vocabulary, timesteps=None, mask_value=None
    )
    encoder = _encoder(source)
    decoder = decoding_step.decoder(target, net.target_vocabulary, net.attention, net.units)
    return generate(target, encoder, decoder)


def _with(net: SimpleNamespace, **changed) -> SimpleNamespace:
    return SimpleNamespace(**{**vars(net), **changed})


def _encoder(net: SimpleNamespace) -> keras.Model:
    source = body.sequence_input(net, "source")
    x = read = body.read(net, source)
    states: dict = {}
    for place in range(1, net.depth + 1):
        layer = body.directed_layer(net, f"encoder_{place}", sequences=True, states=True)
        new, *after = layer(x)
        states |= _first_states(net, place, after)
        x = body.connect(net, new, x, place)
    if net.attention is None:
        return keras.Model(source, states, name="encoder")
    memory = Memory(net.units, use_bias=False, name="memory")(x)
    valid = ValidSteps(name="memory_mask")(read)
    outputs = {**states, "memory": memory, "memory_mask": valid}
    return keras.Model(source, outputs, name="encoder")


def _first_states(net, place: int, after: list) -> dict:
    """The decoder's states of this layer, from the encoder's last ones."""
    names = [f"state_{place}_{part}" for part in body.state_names(net)]
    if not net.bidirectional:
        return dict(zip(names, after, strict=True))
    half = len(after) // 2
    states = {}
    for name, forward, backward in zip(names, after[:half], after[half:], strict=True):
        both = keras.layers.Concatenate(name=f"{name}_both")([forward, backward])
        bound = "tanh" if name.endswith("_h") else None
        states[name] = keras.layers.Dense(forward.shape[-1], bound, name=name)(both)
    return states


@keras.saving.register_keras_serializable("keras_recurrent")
class Memory(keras.layers.Dense):
    """What the decoder looks up; its mask is an output of its own, so that it also reaches exports."""

    def compute_mask(self, inputs, mask=None):
        return None


@keras.saving.register_keras_serializable("keras_recurrent")
class ValidSteps(keras.layers.Layer):
    """The mask that travels with a sequence `(batch, T, D)`, as booleans `(batch, T)`; else all True."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return keras.ops.ones(keras.ops.shape(inputs)[:2], "bool")
        return keras.ops.cast(dense_mask(mask), "bool")

    def compute_output_spec(self, inputs, mask=None):
        return keras.KerasTensor(inputs.shape[:2], "bool")

    def compute_mask(self, inputs, mask=None):
        return None
