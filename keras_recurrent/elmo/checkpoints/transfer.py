"""Weights between a `BiLM` and arrays that are named as in `layout`."""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import numpy as np

SETTINGS = (
    "units",
    "projection_units",
    "num_layers",
    "cell_clip",
    "projection_clip",
    "residual",
    "dropout",
    "directions",
    "vocabulary_size",
)
CHARACTER_SETTINGS = (
    "filters",
    "character_dim",
    "highways",
    "activation",
    "max_characters_per_token",
)


def settings_from(bilm) -> dict[str, Any]:
    """The arguments of a model that its options file and the layout tell of."""
    characters = bilm.vocabulary_size is None
    names = SETTINGS + (CHARACTER_SETTINGS if characters else ())
    return {name: getattr(bilm, name) for name in names}


def take(bilm, places: Iterable[str]) -> dict[str, np.ndarray]:
    """The model's weights as float32 arrays."""
    return {place: np.asarray(_variable(bilm, place).numpy(), np.float32) for place in places}


def put(bilm, weights: Mapping[str, np.ndarray]) -> None:
    """Assign all weights, after all shapes were compared."""
    pairs = [(_variable(bilm, place), array, place) for place, array in weights.items()]
    for variable, array, place in pairs:
        if tuple(variable.shape) != array.shape:
            raise ValueError(
                f"The model's weight {place!r} has shape {tuple(variable.shape)}, the one to load has "
                f"{array.shape}. Nothing was loaded."
            )
    for variable, array, _ in pairs:
        variable.assign(array)


def _variable(bilm, place: str):
    """`cells.` belong to the model, all other places to its token encoder."""
    start = bilm if place.startswith("cells.") else bilm.token_encoder
    return reduce(_part, place.split("."), start)


def _part(owner, name: str):
    if name.isdigit():
        return owner[int(name)]
    return owner[name] if isinstance(owner, Mapping) else getattr(owner, name)
