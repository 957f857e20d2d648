"""Small biLMs of every layout that published checkpoints and bilm-tf's programs have."""

import numpy as np

from keras_recurrent.elmo import BiLM

_FILTERS = ((1, 4), (2, 6), (3, 2))  # 12 features
_PLAIN = {
    "units": 10,
    "projection_units": 5,
    "num_layers": 2,
    "filters": _FILTERS,
    "character_dim": 3,
    "highways": 1,
    "max_characters_per_token": 12,
}

VARIANTS = {
    "published": _PLAIN | {"highways": 2},
    "no residual, no clips": _PLAIN
    | {"residual": False, "cell_clip": None, "projection_clip": None},
    "tight clips": _PLAIN | {"cell_clip": 0.3, "projection_clip": 0.2},
    "no highway, tanh": _PLAIN | {"highways": 0, "activation": "tanh"},
    "no LSTM projection": _PLAIN | {"units": 5, "projection_units": None},
    "no encoder projection": _PLAIN | {"units": 14, "projection_units": 12},
    "no projection at all": _PLAIN
    | {"units": 12, "projection_units": None, "highways": 0, "activation": "tanh"},
    "one layer": _PLAIN | {"num_layers": 1},
    "three layers": _PLAIN | {"num_layers": 3},
    "forward": _PLAIN | {"directions": ("forward",)},
    "forward, one layer": _PLAIN | {"directions": ("forward",), "num_layers": 1},
    "token ids": {"units": 10, "projection_units": 5, "vocabulary_size": 9},
}


def random_bilm(variant: str, seed: int = 0, **kwargs) -> BiLM:
    """A model whose every weight matters: no biases of zero."""
    bilm = BiLM(**VARIANTS[variant], **kwargs)
    bilm.build()
    rng = np.random.default_rng(seed)
    for weight in bilm.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return bilm


def some_ids(variant: str, seed: int = 0, padded: bool = True) -> np.ndarray:
    """Two sentences, the second one shorter if `padded`."""
    rng = np.random.default_rng(seed)
    if "vocabulary_size" in VARIANTS[variant]:
        ids = rng.integers(1, VARIANTS[variant]["vocabulary_size"] + 1, (2, 3))
    else:
        ids = rng.integers(1, 262, (2, 3, VARIANTS[variant]["max_characters_per_token"]))
    if padded:
        ids[1, 2:] = 0
    return ids.astype(np.int32)


def activations(bilm, ids) -> list[np.ndarray]:
    return [np.asarray(layer) for layer in bilm(ids).activations]
