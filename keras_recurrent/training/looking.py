"""What the tools that look inside share: which layers a model has, and leaving it as it was."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.keras_hooks import all_layers
from keras_recurrent.layers import RNN


def recurrent_layers(model) -> dict[str, RNN]:
    """The model's recurrent layers of this package by name, however deep; paths where names repeat.

    Raises:
        TypeError: `model` is neither a Keras model nor a layer.
        ValueError: It has no such layers.
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"`model` must be a Keras model or layer. Received: {model!r}")
    inside = list({id(layer): layer for layer in all_layers(model)}.values())
    ours = [layer for layer in inside if isinstance(layer, RNN)]
    if not ours:
        stock = [layer.name for layer in inside if isinstance(layer, keras.layers.RNN)]
        raise ValueError(_nothing_to_see(model, stock))
    names = [layer.name for layer in ours]
    return {
        layer.name if names.count(layer.name) == 1 else layer.path or layer.name: layer
        for layer in ours
    }


def _nothing_to_see(model, stock: list[str]) -> str:
    if not stock:
        return (
            "Only recurrent layers can be looked into, such as kr.LSTM, and there are none in "
            f"{model.name!r}. Received: {type(model).__name__} with the layers "
            f"{[layer.name for layer in getattr(model, 'layers', [])]}"
        )
    return (
        f"Only recurrent layers of this package can be looked into, and those of {model.name!r} are "
        "stock layers of Keras. Use kr.LSTM, kr.GRU, kr.SimpleRNN or kr.RNN in their place: arguments "
        f"and weights are the same, new.set_weights(old.get_weights()). Received: {stock}"
    )


def check_not_empty(x) -> None:
    """Refuse inputs without rows or time steps, which have nothing to show, and whole data sets."""
    if isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
        raise ValueError(
            "`x` must be one batch, in memory: x, y = next(iter(dataset)). "
            f"Received: x={type(x).__name__}"
        )
    shapes = [np.shape(part) for part in _arrays(x)]
    if not shapes or any(0 in shape for shape in shapes):
        raise ValueError(
            "`x` must hold at least one sequence of at least one time step, shape (batch, T, ...). "
            f"Received: shapes {shapes}"
        )


def _arrays(x) -> list[Any]:
    if isinstance(x, tf.RaggedTensor):
        return [x.flat_values]
    if isinstance(x, Mapping):
        return [array for part in x.values() for array in _arrays(part)]
    if isinstance(x, list | tuple) and any(
        hasattr(part, "shape") or isinstance(part, Mapping) for part in x
    ):
        return [array for part in x for array in _arrays(part)]
    return [x]


@contextmanager
def states_kept(model) -> Iterator[None]:
    """Let stateful layers go on afterwards from where they were before."""
    variables = [v for layer in all_layers(model) for v in _state_variables(layer)]
    values = [tf.identity(variable) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


@contextmanager
def left_as_it_was(model) -> Iterator[None]:
    """Put back afterwards whatever a call in training moves: states, seeds, moving means, metrics."""
    metrics = getattr(model, "metrics_variables", []) if getattr(model, "compiled", False) else []
    variables = [*model.non_trainable_variables, *metrics]
    before = [(variable, tf.identity(variable.value)) for variable in variables]
    try:
        with states_kept(model):
            yield
    finally:
        for variable, value in before:
            if not tf.reduce_all(tf.equal(variable.value, value)):
                variable.assign(value)


def _state_variables(layer) -> list:
    if isinstance(layer, keras.layers.RNN):
        return [] if layer.states is None else tf.nest.flatten(layer.states)
    return getattr(layer, "carried_variables", [])
