"""Probabilities and logits, whichever a model gives."""

import keras
import tensorflow as tf


def log_probabilities(outputs: tf.Tensor, logits: bool) -> tf.Tensor:
    """log p over the last axis, in 32 bits; of a probability of 0 about -88, which stays finite."""
    outputs = tf.cast(outputs, tf.float32)
    if logits:
        return tf.nn.log_softmax(outputs)
    return tf.math.log(tf.maximum(outputs, 1e-38))


def gives_logits(dense: keras.layers.Layer) -> bool:
    """Whether an output layer over ids gives logits; a refusal if neither these nor softmax.

    Raises:
        ValueError: Its activation is another one.
    """
    activation = getattr(dense, "activation", None)
    if activation is keras.activations.softmax:
        return False
    if activation is keras.activations.linear:
        return True
    said = getattr(activation, "__name__", activation)
    raise ValueError(
        "Ids are drawn from probabilities or logits: build the model with output_activation='softmax' "
        f"or None. Received: output_activation={said!r}"
    )
