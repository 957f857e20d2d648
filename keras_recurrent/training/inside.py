"""What the views into a model share: which layers they look at, and leaving the model as it was."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from keras_recurrent.keras_hooks import all_layers
from keras_recurrent.layers import RNN


def recurrent_layers(model, what: str) -> list[RNN]:
    """This package's recurrent layers inside a model, wherever they are.

    Args:
        model: The model.
        what: Name of the view, for the errors.

    Raises:
        TypeError: For what is no Keras model.
        ValueError: For a model without such layers.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"{what} looks into a Keras model. Received: model={model!r}")
    layers = all_layers(model)
    own = [layer for layer in layers if isinstance(layer, RNN)]
    if own:
        return own
    stock = [layer.name for layer in layers if isinstance(layer, keras.layers.RNN)]
    if stock:
        raise ValueError(
            f"{what} looks into recurrent layers of this package, and those of {model.name!r} are "
            f"stock layers of Keras: {stock}. Use kr.LSTM, kr.GRU, kr.SimpleRNN or kr.RNN in their "
            "place; the weights carry over with set_weights(other.get_weights())."
        )
    raise ValueError(
        f"{what} looks into recurrent layers, such as kr.LSTM, and there is none in the model. "
        f"Received: {model.name!r} with the layers {[layer.name for layer in layers[1:]]}"
    )


def unique_names(layers) -> dict[int, str]:
    """For each layer (its id) its name, or its path where two have the same name."""
    distinct = {id(layer): layer for layer in layers}
    count = Counter(layer.name for layer in distinct.values())
    return {
        key: layer.name if count[layer.name] == 1 else layer.path for key, layer in distinct.items()
    }


@contextmanager
def left_as_it_was(model) -> Iterator[None]:
    """Put back afterwards what a call of the model moves: states, seeds, moving means, metrics."""
    stateful = [layer for layer in all_layers(model) if isinstance(layer, keras.layers.RNN)]
    states = tf.nest.flatten([layer.states or [] for layer in stateful if layer.stateful])
    before = [(v, tf.identity(v.value)) for v in _moving(model) + states]
    try:
        yield
    finally:
        for variable, value in before:
            if not _same(variable.value, value):
                variable.assign(value)


def _moving(model) -> list:
    metrics = model.metrics_variables if model.compiled else []
    return [*model.non_trainable_variables, *metrics]


def _same(a, b) -> bool:
    return bool(tf.reduce_all(tf.equal(a, b)))  # a NaN is put back once more
