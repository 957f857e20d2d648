"""The encoder and the decoder of a model that generates, as its start and its step."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.keras_hooks import all_layers, operation_behind

_WHICH = "kr.applications.one_to_many and sequence_to_sequence make such models."
_TINY = np.finfo("float32").tiny  # a probability of 0 is one of 1e-38: log p = -87.3


class GeneratingParts:
    """A model's start, `inputs -> states`, and step, `(previous, states) -> (log p, states)`.

    Args:
        model: With nested models "decoder", and "encoder" unless it is unconditioned.

    Raises:
        TypeError: It is no Keras model.
        ValueError: It has no such parts, or generates other things than ids.
    """

    def __init__(self, model):
        if not isinstance(model, keras.Model):
            raise TypeError(f"A decoder takes a Keras model. Received: {type(model).__name__}")
        nested = {la.name: la for la in model.layers if isinstance(la, keras.Model)}
        if "decoder" not in nested:
            raise ValueError(
                f"The model holds no nested model named 'decoder' to run step by step. {_WHICH} "
                f"Received: model {model.name!r} with layers {[la.name for la in model.layers]}"
            )
        self.encoder, self.decoder = nested.get("encoder"), nested["decoder"]
        reads, gives = self.decoder.input, self.decoder.output
        if not isinstance(reads, dict) or not isinstance(gives, dict) or "output" not in gives:
            raise ValueError(
                "The nested model 'decoder' must read a dictionary with 'previous' and the states, and "
                f"give one with 'output' and the states. {_WHICH}"
            )
        if not keras.backend.is_int_dtype(reads["previous"].dtype):
            raise ValueError(
                "This model generates features, not ids: there is nothing to search or to choose from. "
                "Run its parts step by step: states = model.get_layer('encoder')(condition), then "
                "again and again model.get_layer('decoder')({'previous': y, **states}), y (batch, 1, "
                "features), which gives 'output' and the new states. Received: 'previous' of shape "
                f"{tuple(reads['previous'].shape)} and dtype {reads['previous'].dtype}"
            )
        self.vocabulary = int(gives["output"].shape[-1])
        self.states = sorted(set(reads) & set(gives))
        self.constants = sorted(set(reads) - set(gives) - {"previous"})
        if self.encoder is None and self.constants:
            raise ValueError(
                f"The decoder reads {self.constants}, which a nested model named 'encoder' must give."
            )
        self.output_kind = _output_kind(gives["output"])

    @property
    def input(self):
        """The symbolic tensor of what the encoder reads: source or condition; None without one."""
        return None if self.encoder is None else keras.tree.flatten(self.encoder.input)[0]

    @property
    def number_of_ids(self) -> int | None:
        """How many ids the encoder knows; None where it reads features, or its layers do not say."""
        if self.encoder is None or not keras.backend.is_int_dtype(self.input.dtype):
            return None
        tables = [la for la in all_layers(self.encoder) if isinstance(la, keras.layers.Embedding)]
        return int(tables[0].input_dim) if len(tables) == 1 else None

    def start(self, inputs) -> dict[str, Any]:
        """States and constants by name, for what the encoder reads, or for a number of rows."""
        if self.encoder is None:
            shapes = {name: self.decoder.input[name].shape[1:] for name in self.states}
            dtypes = {name: self.decoder.input[name].dtype for name in self.states}
            return {n: tf.zeros([inputs, *shapes[n]], dtypes[n]) for n in self.states}
        packed = keras.tree.pack_sequence_as(self.encoder.input, [inputs])
        given = self.encoder(packed, training=False)
        return {name: given[name] for name in (*self.states, *self.constants)}

    def step(self, previous, states: dict, constants: dict) -> tuple[Any, dict]:
        """Log-probabilities `(batch, V)` of the next ids after `previous` `(batch,)`, and new states."""
        read = {"previous": previous[:, tf.newaxis], **states, **constants}
        given = self.decoder(read, training=False)
        output = tf.cast(given["output"][:, 0], tf.float32)
        if self.output_kind == "probabilities":
            log_p = tf.math.log(tf.maximum(output, _TINY))
        else:
            log_p = tf.nn.log_softmax(output)
        sound = tf.Assert(
            ~tf.reduce_any(tf.math.is_nan(log_p)),
            ["The decoder gives NaN. Take the model from before its training diverged."],
        )
        with tf.control_dependencies([sound]):
            log_p = tf.identity(log_p)
        return log_p, {name: given[name] for name in self.states}


def _output_kind(output) -> str:
    """"probabilities" or "logits", by the activation of the layer that gives the output."""
    layer = operation_behind(output)
    if isinstance(layer, keras.layers.TimeDistributed):
        layer = layer.layer
    activation = getattr(layer, "activation", None)
    if isinstance(layer, keras.layers.Softmax) or activation is keras.activations.softmax:
        return "probabilities"
    if activation is keras.activations.linear:
        return "logits"
    name = getattr(activation, "__name__", type(layer).__name__)
    raise ValueError(
        "The decoder's output must be probabilities or logits of the ids: use "
        f"output_activation='softmax' or None. Received: output of {layer.name!r} with {name!r}"
    )
