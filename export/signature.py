"""What a model reads and gives: names, shapes, dtypes, and how to call it with a flat list."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras

from keras_recurrent.export.plan import FROM_THE_MODEL
from keras_recurrent.export.report import Tensor
from keras_recurrent.keras_hooks import all_layers, operation_behind

# The names that Keras gives to what the user did not name, counted over the whole process.
_AUTOMATIC = re.compile(r"(keras_tensor|input_layer)(_\d+)?(CLONE)*")
_WRAP = (
    "Wrap it: inputs = keras.Input(shape, dtype=...); keras.Model(inputs, model(inputs)), and "
    "export the result."
)


@dataclass(frozen=True)
class Signature:
    """A model's inputs, flat.

    Attributes:
        inputs: Name, shape (None where a size is not fixed) and dtype of each.
        pack: From a flat list of tensors to what the model is called with.
        flatten: From what the model is called with to a flat list.
        declared: Whether the model itself fixes the shapes; else they are those of its first call.
    """

    inputs: tuple[Tensor, ...]
    pack: Callable[[list], Any]
    flatten: Callable[[Any], list]
    declared: bool

    def pinned(self, batch_size: int | None, timesteps: int | str | None) -> "Signature":
        """The same with a batch size, and with a length where one is asked for."""
        inputs = [replace(t, shape=(batch_size, *t.shape[1:])) for t in self.inputs]
        if timesteps != FROM_THE_MODEL:
            inputs = self._with_length(inputs, timesteps)
        return replace(self, inputs=tuple(inputs))

    def _with_length(self, inputs: list[Tensor], timesteps: int | None) -> list[Tensor]:
        if not self.declared:
            return [_long(t, timesteps) if len(t.shape) > 2 else t for t in inputs]
        open_ones = [t for t in inputs if len(t.shape) > 1 and t.shape[1] is None]
        if open_ones:
            return [_long(t, timesteps) if t in open_ones else t for t in inputs]
        if timesteps is not None and any(t.shape[1:2] == (timesteps,) for t in inputs):
            return inputs
        raise ValueError(
            "The model's inputs fix the number of time steps. Use timesteps="
            f"{FROM_THE_MODEL!r}, or build the model with keras.Input((None, ...)). Received: "
            f"timesteps={timesteps!r}, inputs {', '.join(map(str, inputs))}"
        )


def _long(tensor: Tensor, timesteps: int | None) -> Tensor:
    return replace(tensor, shape=(tensor.shape[0], timesteps, *tensor.shape[2:]))


def signature_of(model) -> Signature:
    """The inputs of a built model; `ValueError` where it does not say what they are."""
    symbolic = _symbolic_inputs(model)
    if symbolic is not None:
        structure, declared = symbolic, True
        leaf = _from_keras_tensor
    else:
        structure, declared = _recorded_shapes(model), False
        leaf = _from_shape(keras.backend.standardize_dtype(model.compute_dtype))
    paths = keras.tree.flatten_with_path(structure)
    inputs = [leaf(value, path, place) for place, (path, value) in enumerate(paths)]
    return Signature(
        inputs=_unique(inputs),
        pack=lambda flat: keras.tree.pack_sequence_as(structure, list(flat)),
        flatten=lambda data: _flatten_as(structure, data),
        declared=declared,
    )


def name_outputs(outputs) -> dict[str, Any]:
    """Outputs by name: a dictionary keeps its keys, all else is output_0, output_1, ..."""
    paths = keras.tree.flatten_with_path(outputs)
    if isinstance(outputs, dict):
        return {_identifier("_".join(map(str, path))): value for path, value in paths}
    return {f"output_{place}": value for place, (_, value) in enumerate(paths)}


def _symbolic_inputs(model):
    if isinstance(model, keras.Sequential):
        try:
            return model.inputs[0]
        except AttributeError:  # built from several inputs, which Keras does not record
            raise ValueError(
                f"The Sequential model {model.name!r} does not record its inputs. {_WRAP}"
            ) from None
    return getattr(model, "input", None) if getattr(model, "inputs", None) else None


def _recorded_shapes(model):
    shapes = (model.get_build_config() or {}).get("input_shape")
    required = [
        parameter.name
        for parameter in inspect.signature(model.call).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if shapes is None or len(required) > 1:
        raise ValueError(
            f"Keras does not record the inputs of the subclassed model {model.name!r}, whose call "
            f"takes {required}. {_WRAP}"
        )
    if any(isinstance(layer, keras.layers.Embedding) for layer in all_layers(model)):
        raise ValueError(
            f"The subclassed model {model.name!r} has an Embedding, and Keras does not record which "
            f"of its inputs are whole numbers. {_WRAP}"
        )
    return _shapes_as_leaves(shapes)


@dataclass(frozen=True)
class _Shape:
    """A shape as one leaf of a structure, which a plain tuple is not."""

    sizes: tuple


def _shapes_as_leaves(shapes):
    if isinstance(shapes, dict):
        return {key: _shapes_as_leaves(value) for key, value in shapes.items()}
    if all(size is None or isinstance(size, int) for size in shapes):
        return _Shape(tuple(shapes))
    return [_shapes_as_leaves(value) for value in shapes]


def _from_keras_tensor(tensor, path, place: int) -> Tensor:
    """Named by its key, by the user, or by its place: the same in every process and copy."""
    name = operation_behind(tensor).name
    if path and isinstance(path[-1], str):
        name = "_".join(map(str, path))
    elif _AUTOMATIC.fullmatch(name):
        name = f"input_{place + 1}" if place else "input"
    return Tensor(_identifier(name), tuple(tensor.shape), tensor.dtype)


def _from_shape(dtype):
    def leaf(shape: _Shape, path, place: int) -> Tensor:
        name = "_".join(["inputs", *map(str, path)])
        if path and isinstance(path[-1], str):
            name = "_".join(map(str, path))
        return Tensor(_identifier(name), shape.sizes, dtype)

    return leaf


def _identifier(name: str) -> str:
    """A name that a signature may carry."""
    name = re.sub(r"\W", "_", name, flags=re.ASCII)
    return name if name[:1].isalpha() else f"input_{name.lstrip('_')}"


def _unique(inputs: list[Tensor]) -> tuple[Tensor, ...]:
    names: set[str] = set()
    unique = []
    for tensor in inputs:
        name, count = tensor.name, 1
        while name in names:
            count += 1
            name = f"{tensor.name}_{count}"
        names.add(name)
        unique.append(replace(tensor, name=name))
    return tuple(unique)


def _flatten_as(structure, data) -> list:
    """Data in the model's structure to a flat list; a list also serves where tensors are named."""
    leaves = keras.tree.flatten(structure)
    if isinstance(structure, dict) and isinstance(data, dict):
        missing = set(structure) ^ set(data)
        if missing:
            raise ValueError(
                f"The model reads {sorted(structure)}. Received: data for {sorted(data)}"
            )
        return [part for key in sorted(structure) for part in keras.tree.flatten(data[key])]
    flat = [data] if len(leaves) == 1 and hasattr(data, "shape") else list(_parts(data))
    if len(flat) != len(leaves):
        raise ValueError(
            f"The model has {len(leaves)} inputs. Received: data for {len(flat)}: give a list or a "
            "dictionary of arrays with a batch axis each"
        )
    return flat


def _parts(data):
    if isinstance(data, dict):
        return data.values()
    return data if isinstance(data, list | tuple) else [data]
