"""Which dataset holds which weight: the published layout as data, without any file or model.

A weight is named by where a `BiLM` keeps it: "convolution_kernels.0" is
`bilm.token_encoder.convolution_kernels[0]`, "cells.backward.1.bias" is `bilm.cells["backward"][1].bias`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from keras_recurrent.elmo.checkpoints import gates

CHARACTERS = 261  # rows of `char_embed`: there is none for padding
RUNS = {"forward": 0, "backward": 1}


class Entry(NamedTuple):
    """One dataset: its name and shape, the weights it holds, and the conversion both ways."""

    name: str
    shape: tuple[int, ...]
    weights: tuple[str, ...]
    from_file: Callable[[np.ndarray], tuple[np.ndarray, ...]]
    to_file: Callable[..., np.ndarray]


class CellNames(NamedTuple):
    """How a file calls the weights of a cell: the group, with {run} and {layer}, and its datasets."""

    group: str
    kernel: str
    bias: str
    projection: str

    def name(self, part: str, direction: str, layer: int) -> str:
        group = self.group.format(run=RUNS[direction], layer=layer)
        return group + getattr(self, part)


def layout(settings: Mapping[str, Any], cells: CellNames) -> list[Entry]:
    """The datasets of a model with these settings (arguments of `BiLM`, all of them present)."""
    return [*token_layout(settings), *cell_layout(settings, cells)]


def token_layout(settings) -> list[Entry]:
    """The token encoder: characters -> convolutions -> highways -> projection, or a table."""
    width = width_of(settings)
    if settings["vocabulary_size"] is not None:
        return [_same("embedding", (settings["vocabulary_size"], width), "embedding")]
    filters, depth = settings["filters"], settings["character_dim"]
    entries = [_same("char_embed", (CHARACTERS, depth), "character_embedding")]
    for i, (span, number) in enumerate(filters):
        entries += [
            Entry(
                f"CNN/W_cnn_{i}",
                (1, span, depth, number),
                (f"convolution_kernels.{i}",),
                lambda array: (array[0],),
                lambda kernel: kernel[None],
            ),
            _same(f"CNN/b_cnn_{i}", (number,), f"convolution_biases.{i}"),
        ]
    features = sum(number for _, number in filters)
    for k in range(settings["highways"]):
        for gate in ("carry", "transform"):
            group, place = f"CNN_high_{k}", f"highway_weights.{k}"
            entries += [
                _same(f"{group}/W_{gate}", (features, features), f"{place}.{gate}_kernel"),
                _same(f"{group}/b_{gate}", (features,), f"{place}.{gate}_bias"),
            ]
    if features != width:
        entries += [
            _same("CNN_proj/W_proj", (features, width), "projection_kernel"),
            _same("CNN_proj/b_proj", (width,), "projection_bias"),
        ]
    return entries


def cell_layout(settings, cells: CellNames) -> list[Entry]:
    units, width = settings["units"], width_of(settings)
    entries = []
    for direction in settings["directions"]:
        for layer in range(settings["num_layers"]):
            place = f"cells.{direction}.{layer}"
            entries += [
                Entry(
                    cells.name("kernel", direction, layer),
                    (2 * width, 4 * units),
                    (f"{place}.kernel", f"{place}.recurrent_kernel"),
                    gates.kernels_from_file,
                    gates.kernels_to_file,
                ),
                Entry(
                    cells.name("bias", direction, layer),
                    (4 * units,),
                    (f"{place}.bias",),
                    lambda array: (gates.bias_from_file(array),),
                    gates.bias_to_file,
                ),
            ]
            if settings["projection_units"] is not None:
                name = cells.name("projection", direction, layer)
                entries.append(_same(name, (units, width), f"{place}.projection_kernel"))
    return entries


def width_of(settings) -> int:
    """Width of a token vector and of one direction's output."""
    return settings["projection_units"] or settings["units"]


def weights_from_arrays(entries: Iterable[Entry], arrays: Mapping[str, np.ndarray]) -> dict:
    """Weight -> array, from dataset -> array."""
    weights = {}
    for entry in entries:
        weights |= zip(entry.weights, entry.from_file(arrays[entry.name]), strict=True)
    return weights


def arrays_from_weights(entries: Iterable[Entry], weights: Mapping[str, np.ndarray]) -> dict:
    """Dataset -> array, from weight -> array."""
    return {
        entry.name: entry.to_file(*(weights[place] for place in entry.weights)) for entry in entries
    }


def _same(name: str, shape: tuple[int, ...], weight: str) -> Entry:
    return Entry(name, shape, (weight,), lambda array: (array,), lambda array: array)
