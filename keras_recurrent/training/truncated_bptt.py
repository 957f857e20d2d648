"""Truncated backpropagation through time under `fit`."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from keras_recurrent.keras_hooks import all_layers
from keras_recurrent.layers.state import check_batch
from keras_recurrent.training.models import Distributed

_FORM = "{'inputs': what the model reads, 'reset': a flag a row, (batch,)}"


@keras.saving.register_keras_serializable("keras_recurrent")
class TruncatedBPTT(Distributed, keras.Model):
    """A model that trains on long sequences window by window (Williams and Peng 1990).

    h_k(0) = 0 where row i starts a document, else h_{k-1}(T), without its gradient

    Compile and fit it in place of `model`, with batches of `kr.training.windows`; the weights are those
    of `model`, which you save and export afterwards. The windows say themselves where documents start,
    within the graph: epochs start afresh, `steps_per_execution`, `jit_compile` and mixed precision
    work, and every stateful layer inside the model, stacks and wrappers included, is reset.
    `evaluate` and `predict`, and so the validation of `fit`, start from zero states and put those of the
    training back; their windows need the same `batch_size`. Compile with `weighted_metrics`: `metrics`
    count the filling of short windows too.

    On several replicas and workers it is a `kr.training.Distributed` model: the batch of the windows is
    the global one, and each replica's `model` is built for its part of the rows.

    Args:
        model: A model with at least one stateful recurrent layer, all of which go forwards.

    Call arguments:
        inputs: `{"inputs": x, "reset": reset}`: what `model` reads, and a flag a row, `(batch,)`:
            1 or True sets the row's states to zero before the window.
        training: Whether the model is in training.

    Returns:
        What `model` returns.

    Raises:
        ValueError: For a model without stateful layers or with a stateful one that goes backwards; for
            arrays that `fit` would shuffle, and inputs of another form.
    """

    def __init__(self, model: keras.Model, **kwargs):
        if not isinstance(model, keras.layers.Layer):
            raise ValueError(f"`model` must be a Keras model. Received: model={model!r}")
        kwargs.setdefault("dtype", model.dtype_policy)
        super().__init__(autocast=False, **kwargs)
        self.model = model
        self.supports_masking = True
        _check(stateful_layers(model), model)
        self.built = model.built

    def build(self, input_shape=None):
        self.built = True  # the model builds itself when it is called

    def compute_mask(self, inputs, previous_mask=None):
        return None  # the outputs carry the model's own mask

    def call(self, inputs, training=None):
        if not isinstance(inputs, Mapping) or set(inputs) != {"inputs", "reset"}:
            raise ValueError(f"The inputs must be {_FORM}. Received: {_described(inputs)}")
        reset = tf.cast(inputs["reset"], tf.bool)
        if reset.shape.rank != 1:
            raise ValueError(
                f"'reset' must hold one flag a row, (batch,). Received: shape {tuple(reset.shape)}"
            )
        for layer in stateful_layers(self.model):
            if layer.states is not None:  # before its first call a layer has none
                starts = check_batch(layer.states, reset, layer.name)[:, tf.newaxis]
                for state in tf.nest.flatten(layer.states):
                    state.assign(tf.where(starts, tf.zeros_like(state), state))
        return self.model(inputs["inputs"], training=training)

    def fit(self, x=None, *args, **kwargs):
        """`keras.Model.fit`; the order of the batches is kept."""
        given = inspect.signature(keras.Model.fit).bind(self, x, *args, **kwargs).arguments
        given.pop("self")
        leaves = tf.nest.flatten(x)
        if not leaves:
            raise ValueError(f"The inputs must be {_FORM}. Received: x={x!r}")
        in_order = hasattr(x, "element_spec") or not hasattr(leaves[0], "shape")
        shuffle = given.get("shuffle")
        if shuffle or (shuffle is None and not in_order):
            raise ValueError(
                "The order of the batches carries the state: fit a dataset of kr.training.windows, or "
                f"give shuffle=False with arrays in that order. Received: shuffle={shuffle!r}"
            )
        return super().fit(**{**given, "shuffle": False})

    def evaluate(self, *args, **kwargs):
        """`keras.Model.evaluate`, from zero states; those of the training are put back."""
        with states_put_aside(self.model):
            return super().evaluate(*args, **kwargs)

    def predict(self, *args, **kwargs):
        """`keras.Model.predict`, from zero states; those of the training are put back."""
        with states_put_aside(self.model):
            return super().predict(*args, **kwargs)

    def get_config(self) -> dict:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "model": keras.saving.serialize_keras_object(self.model),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        model = keras.saving.deserialize_keras_object(config.pop("model"), custom_objects)
        return cls(model, **config)


def stateful_layers(model) -> list:
    """The stateful recurrent layers inside a model, wherever they are."""
    inside = [layer for layer in all_layers(model) if isinstance(layer, keras.layers.RNN)]
    return [layer for layer in inside if layer.stateful]


def kept_states(model) -> list:
    """The variables that hold the states between batches, of each replica its own.

    A layer has none before its first call.
    """
    copies = model.distribute_strategy.experimental_local_results
    states = tf.nest.flatten([layer.states or [] for layer in stateful_layers(model)])
    return [copy for state in states for copy in copies(state.value)]


@contextmanager
def states_put_aside(model) -> Iterator[None]:
    """Zero states inside the context, the states of before behind it.

    Zero there too if there were none yet: the model is built on its first call.
    """
    before = [(state, state.numpy()) for state in kept_states(model)]
    try:
        for state, _ in before:
            state.assign(tf.zeros_like(state))
        yield
    finally:
        known = {id(state): value for state, value in before}
        for state in kept_states(model):
            state.assign(known.get(id(state), tf.zeros_like(state)))


def _check(layers, model) -> None:
    if not layers:
        raise ValueError(
            "The model must carry a state: give its recurrent layers stateful=True, and its input a "
            f"batch_shape. Received: {model.name!r} without a stateful layer"
        )
    for layer in layers:
        if layer.go_backwards:
            raise ValueError(
                "A layer that goes backwards, in kr.Bidirectional too, starts at the end of the "
                "sequence and cannot carry a state from window to window. Received: the stateful layer "
                f"{layer.name!r} with go_backwards=True"
            )


def _described(inputs: Any):
    return tf.nest.map_structure(lambda t: getattr(t, "shape", type(t).__name__), inputs)
