"""What ours and the peers all read: a model of random weights in the published layout, and a text."""

import json
from pathlib import Path

import h5py
import numpy as np

UNITS, WIDTH, LAYERS = 1024, 128, 2
CHARACTERS, CHARACTER_DIM, LONGEST_WORD = 261, 16, 50
FILTERS = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024))
SPECIAL = ("<S>", "</S>", "<UNK>")
OPTIONS, WEIGHTS, VOCABULARY, TEXT = "options.json", "model.hdf5", "vocab.txt", "text.txt"
ROWS, WINDOW, SAMPLES, DROPOUT = 128, 20, 8192, 0.1  # of training, as the published models had it


def options(highways: int = 1, characters: int = CHARACTERS + 1) -> dict:
    """The published configuration "small"; `characters` counts the padding for inference only."""
    return {
        "lstm": {
            "dim": UNITS,
            "projection_dim": WIDTH,
            "n_layers": LAYERS,
            "cell_clip": 3,
            "proj_clip": 3,
            "use_skip_connections": True,
        },
        "char_cnn": {
            "activation": "relu",
            "embedding": {"dim": CHARACTER_DIM},
            "filters": [list(pair) for pair in FILTERS],
            "n_highway": highways,
            "n_characters": characters,
            "max_characters_per_token": LONGEST_WORD,
        },
    }


def write(folder: Path, words: list[str], sentences: list[list[str]], seed: int = 0) -> None:
    """Options, weights spread as those of a new model, the vocabulary, and a text to train on."""
    (folder / TEXT).write_text("".join(f"{' '.join(words)}\n" for words in sentences))
    (folder / OPTIONS).write_text(json.dumps(options()))
    (folder / VOCABULARY).write_text("\n".join([*SPECIAL, *words]) + "\n")
    with h5py.File(folder / WEIGHTS, "w") as file:
        for name, values in _weights(np.random.default_rng(seed)):
            file[name] = values.astype("float32")


def _weights(rng):
    features = sum(number for _, number in FILTERS)
    yield "char_embed", rng.uniform(-1, 1, (CHARACTERS, CHARACTER_DIM))
    for place, (width, number) in enumerate(FILTERS):
        yield f"CNN/W_cnn_{place}", rng.uniform(-0.05, 0.05, (1, width, CHARACTER_DIM, number))
        yield f"CNN/b_cnn_{place}", rng.uniform(-0.05, 0.05, number)
    square = (features, features)
    for part, bias in (("carry", -2.0), ("transform", 0.0)):
        yield f"CNN_high_0/W_{part}", rng.normal(0, features**-0.5, square)
        yield f"CNN_high_0/b_{part}", np.full(features, bias)
    yield "CNN_proj/W_proj", rng.normal(0, features**-0.5, (features, WIDTH))
    yield "CNN_proj/b_proj", np.zeros(WIDTH)
    for direction in range(2):
        for layer in range(LAYERS):
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
            yield f"{cell}/W_0", _glorot(rng, 2 * WIDTH, 4 * UNITS)
            yield f"{cell}/B", rng.uniform(-0.05, 0.05, 4 * UNITS)
            yield f"{cell}/W_P_0", _glorot(rng, UNITS, WIDTH)


def _glorot(rng, rows: int, columns: int):
    limit = (6 / (rows + columns)) ** 0.5
    return rng.uniform(-limit, limit, (rows, columns))
