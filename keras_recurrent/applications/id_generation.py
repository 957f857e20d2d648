"""The encoder and the decoder of a model that generates ids, as its start and its step."""

from typing import Any

import keras
import tensorflow as tf

from keras_recurrent.applications.logits import gives_logits, log_probabilities
from keras_recurrent.applications.one_to_many import Categories
from keras_recurrent.applications.parts import parts_of
from keras_recurrent.keras_hooks import all_layers

NAN = "The decoder gives NaN. Take the model from before its training diverged."


class GeneratingParts:
    """A model's start, `inputs -> states`, and step, `(previous, states) -> (log p, states)`.

    Attributes:
        encoder, decoder: The nested models; there is no encoder without a condition.
        vocabulary: Number of ids that the decoder knows.
        logits: Whether the decoder gives these, or probabilities.
        states: Names of what a step reads and gives anew.
        constants: Names of what the encoder gives and every step reads.

    Raises:
        TypeError: It is no Keras model.
        ValueError: It has no such parts, or generates other things than ids.
    """

    def __init__(self, model):
        if not isinstance(model, keras.Model):
            raise TypeError(f"Decoding takes a Keras model. Received: {type(model).__name__}")
        self.encoder, self.decoder = parts_of(model)
        reads, gives = self.decoder.input, self.decoder.output
        if not keras.backend.is_int_dtype(reads["previous"].dtype):
            raise ValueError(
                "This model generates features, not ids: there is nothing to choose from. Run its "
                "parts step by step: states = parts_of(model).encoder(condition), then again and again "
                "parts_of(model).decoder({'previous': y, **states}), y (batch, 1, features), which "
                "gives 'output' and the new states. Received: 'previous' of shape "
                f"{tuple(reads['previous'].shape)} and dtype {reads['previous'].dtype}"
            )
        self.vocabulary = int(gives["output"].shape[-1])
        self.logits = gives_logits(self.decoder.get_layer("output"))
        self.states = sorted(set(reads) & set(gives))
        self.constants = sorted(set(reads) - set(gives) - {"previous"})

    @property
    def input(self):
        """The symbolic tensor of what the encoder reads: source or condition; None without one."""
        return None if self.encoder is None else keras.tree.flatten(self.encoder.input)[0]

    @property
    def input_sizes(self) -> int | tuple[int, ...] | None:
        """How many ids a source is made of, or how many each column of a condition; None for numbers."""
        for layer in all_layers(self.encoder) if self.encoder is not None else ():
            if isinstance(layer, keras.layers.Embedding):
                return layer.input_dim
            if isinstance(layer, Categories):
                return layer.sizes
        return None

    def start(self, inputs) -> dict[str, Any]:
        """States and constants by name, for what the encoder reads, or for a number of rows."""
        if self.encoder is None:
            # what a step gives goes into the next one: under mixed precision its type is the shorter one
            gives = {name: self.decoder.output[name] for name in self.states}
            return {n: tf.zeros([inputs, *t.shape[1:]], t.dtype) for n, t in gives.items()}
        packed = keras.tree.pack_sequence_as(self.encoder.input, [inputs])
        given = self.encoder(packed, training=False)
        return {name: given[name] for name in (*self.states, *self.constants)}

    def step(self, previous, states: dict, constants: dict) -> tuple[Any, dict]:
        """Log-probabilities `(batch, V)` of the next ids after `previous` `(batch,)`, and new states."""
        read = {"previous": previous[:, tf.newaxis], **states, **constants}
        given = self.decoder(read, training=False)
        log_p = log_probabilities(given["output"][:, 0], self.logits)
        sound = tf.Assert(~tf.reduce_any(tf.math.is_nan(log_p)), [NAN])
        with tf.control_dependencies([sound]):
            log_p = tf.identity(log_p)
        return log_p, {name: given[name] for name in self.states}
