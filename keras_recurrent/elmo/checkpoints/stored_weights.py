"""All weights of a stored model, without the model: checked, converted, in memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_recurrent.elmo.checkpoints.cell_names import names_used, runs_forward_only
from keras_recurrent.elmo.checkpoints.errors import CheckpointError
from keras_recurrent.elmo.checkpoints.layout import (
    cell_layout,
    token_layout,
    weights_from_arrays,
)
from keras_recurrent.elmo.checkpoints.weight_files import Weights, open_weights, read_entries

SOFTMAX = ("softmax",)  # may be in the same file, as it is in a checkpoint of TensorFlow 1
CHARACTER_ENCODER = ("char_embed", "CNN", "CNN_proj", "embedding")


class StoredModel(NamedTuple):
    """Arguments of a `BiLM` and its weights by the names of `layout`."""

    settings: dict[str, Any]
    weights: dict[str, np.ndarray]


def read_model(settings: Mapping[str, Any], weights_file, embedding_file=None) -> StoredModel:
    """Read what `settings` describe; what they leave open (see `completed`) the file tells.

    Args:
        embedding_file: HDF5 file with the table `embedding` (V, P) of token vectors, as
            `dump_token_embeddings` of bilm-tf writes it: the model takes token ids, and the character
            encoder in `weights_file` is not read.
    """
    with open_weights(weights_file) as file:
        if embedding_file is None:
            settings = completed(settings, file, file)
            tokens, ignored = token_layout(settings), SOFTMAX
            cells = cell_layout(settings, names_used(settings, file.shapes))
            arrays = read_entries(file, tokens + cells, ignored)
        else:
            with open_weights(embedding_file) as table:
                settings = completed(settings, file, table)
                tokens = token_layout(settings)
                ignored = {*SOFTMAX, *CHARACTER_ENCODER, *_highways(file)}
                cells = cell_layout(settings, names_used(settings, file.shapes))
                arrays = read_entries(table, tokens) | read_entries(file, cells, ignored)
    return StoredModel(settings, weights_from_arrays(tokens + cells, arrays))


def completed(settings: Mapping[str, Any], file: Weights, table: Weights) -> dict[str, Any]:
    """Settings with a vocabulary (None: characters) and directions, from the files where not given.

    Published options do not tell the directions, which are two; those of bilm-tf's training say
    nothing where there is one.
    """
    settings = dict(settings)
    if "directions" not in settings:
        one = runs_forward_only(file.shapes)
        settings["directions"] = ("forward",) if one else ("forward", "backward")
    if "vocabulary_size" not in settings:
        characters = "filters" in settings
        settings["vocabulary_size"] = None if characters else _rows(table)
    return settings


def _rows(table: Weights) -> int:
    shape = table.shapes.get("embedding")
    if shape is None or len(shape) != 2 or shape[0] < 1:
        raise CheckpointError(
            f"{table.source} must hold a dataset 'embedding' of shape (tokens, width), since the model "
            f"takes token ids. Received: shape {shape} (the file has {sorted(table.shapes)[:10]})"
        )
    return shape[0]


def _highways(file: Weights) -> set[str]:
    groups = {Path(name).parts[0] for name in file.shapes}
    return {group for group in groups if group.startswith("CNN_high_")}
