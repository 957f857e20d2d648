"""Copies of a functional model for blocks of any length, looked at call by call while they are made."""

from collections import Counter
from typing import Any

import keras

from keras_recurrent.export.adopt import copy_layer, copy_weights, is_graph, view_of
from keras_recurrent.export.keras_layers import shown
from keras_recurrent.export.signature import Signature
from keras_recurrent.export.streaming_layers import SUCCESSORS
from keras_recurrent.export.streaming_rules import Call, refusal, refusal_inside
from keras_recurrent.keras_hooks import all_layers

# A recurrent layer streams whatever engine it was trained with; the stream keeps the state.
_PLAIN = {"stateful": False, "unroll": False, "use_cudnn": "auto", "engine": "auto"}

# Of a recurrent layer's call, where they are given by place.
_SECOND_ARGUMENTS = ("initial_state", "mask")


class Copies:
    """Copies of a graph that share layers and weights and refuse what cannot stream.

    The first copy is made for blocks of unknown length: whatever has an axis of unknown length
    behind the batch is then a sequence. The next one knows how long a block is at each place.

    Attributes:
        own_layers: The user's own layers that are called on sequences.
    """

    def __init__(self, model):
        self.own_layers: list = []
        self._model = model
        self._layers: dict[int, tuple] = {}  # of the original: itself and its copy
        self._sequence_of_call: list[
            int | None
        ] = []  # the place of the first one among the tensors
        self._streamed: dict[int, Any] = {}
        self._begun_anew: dict[int, Any] = {}

    def make(self, signature: Signature, sequences: tuple[bool, ...], length: int | None):
        """A copy for sequences of this length; it also takes others."""
        self._length_unknown = length is None
        self._copied: Counter[int] = Counter()  # how often each model in the model is called
        self._known_calls = iter(list(self._sequence_of_call))
        inputs = [
            keras.Input(
                batch_shape=_with_length(t.shape, length, over_time), dtype=t.dtype, name=t.name
            )
            for t, over_time in zip(signature.inputs, sequences, strict=True)
        ]
        return self._copy(self._model, signature.pack(inputs))

    def copy_weights(self) -> None:
        for original, copy in self._layers.values():
            if isinstance(original, keras.Layer):
                copy_weights(original, copy)

    def begin_anew(self) -> set[int]:
        """Identities of the layers that are called on what has no axis of time."""
        for layer in self._begun_anew.values():
            if id(layer) in self._streamed and any(
                isinstance(part, keras.layers.RNN) for part in all_layers(layer)
            ):
                raise ValueError(
                    f"Layer {layer.name!r} is called on the sequences and on something else, too, so "
                    "it would have to go on and to begin anew. Use two layers."
                )
        return {id(part) for layer in self._begun_anew.values() for part in all_layers(layer)}

    def _copy(self, model, inputs):
        self._copied[id(model)] += 1
        count = self._copied[id(model)]
        name = model.name if count == 1 else f"{model.name}_call_{count}"
        copy = keras.models.clone_model(
            view_of(model, name), inputs, clone_function=self._layer, call_function=self._call
        )
        copy.input_spec = None  # the model's own may fix the number of time steps
        return copy

    def _layer(self, layer):
        if is_graph(layer):
            return layer  # copied where it is called, with the lengths that it has there
        if id(layer) not in self._layers:
            successor = SUCCESSORS.get(type(layer))
            if successor is not None:
                copy = successor.from_config(layer.get_config())
            else:
                copy = copy_layer(layer, self._model, _plain)
            self._layers[id(layer)] = (layer, copy)
        return self._layers[id(layer)][1]

    def _call(self, layer, *args, **kwargs):
        if is_graph(layer):
            inputs = keras.tree.map_structure(_input_like, args[0])
            return self._copy(layer, inputs)(*args, **kwargs)
        tensors = [t for t in keras.tree.flatten((args, kwargs)) if hasattr(t, "shape")]
        place = self._place_of_sequence(tensors)
        kept = self._begun_anew if place is None else self._streamed
        if isinstance(layer, keras.Layer):
            kept[id(layer)] = layer
        if place is not None:
            arguments = dict(zip(_SECOND_ARGUMENTS, args[1:], strict=False)) | kwargs
            self._check(layer, tensors[place].shape, arguments)
        try:
            return layer(*args, **kwargs)
        except Exception as error:
            raise ValueError(
                f"{shown(layer)} cannot stream: it does not take a block of another length than the "
                f"model was built for. Received: {error}"
            ) from error

    def _place_of_sequence(self, tensors) -> int | None:
        if not self._length_unknown:
            return next(self._known_calls)
        shapes = [t.shape for t in tensors]
        places = [p for p, shape in enumerate(shapes) if len(shape) > 1 and shape[1] is None]
        # The one with most axes: masks and ids come beside what they belong to.
        place = max(places, key=lambda p: len(shapes[p]), default=None)
        self._sequence_of_call.append(place)
        return place

    def _check(self, layer, shape, arguments) -> None:
        reason = refusal(Call(layer, tuple(shape), shape[1], arguments))
        if reason is not None:
            raise ValueError(reason)
        if self._length_unknown and _is_the_users(layer):
            self.own_layers.append(layer)
            if (reason := refusal_inside(layer)) is not None:
                raise ValueError(reason)


def _is_the_users(layer) -> bool:
    own = type(layer).__module__.split(".")[0] not in ("keras", "keras_recurrent")
    return isinstance(layer, keras.Layer) and (own or isinstance(layer, keras.layers.Lambda))


def _with_length(shape, length: int | None, over_time: bool) -> tuple:
    return (None, length, *shape[2:]) if over_time else (None, *shape[1:])


def _input_like(tensor):
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)


def _plain(config):
    """Settings of a layer, with all recurrent layers in it neither stateful nor bound to an engine."""
    if isinstance(config, list | tuple):
        return [_plain(part) for part in config]
    if not isinstance(config, dict):
        return config
    recurrent = "return_sequences" in config and "go_backwards" in config
    return {
        key: _PLAIN[key] if recurrent and key in _PLAIN else _plain(value)
        for key, value in config.items()
    }
