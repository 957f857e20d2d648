"""Whether a table of words' vectors begins with those of the boundaries, as it must."""

import warnings
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from keras_recurrent.elmo.characters import BOUNDARIES, word_to_ids
from keras_recurrent.elmo.checkpoints.layout import token_layout, weights_from_arrays, width_of
from keras_recurrent.elmo.checkpoints.transfer import put
from keras_recurrent.elmo.checkpoints.weight_files import open_weights, read_entries
from keras_recurrent.elmo.token_encoder import TokenEncoder

NEAR = 0.02  # of the largest number; other words are as far away as numbers are large


def warn_of_other_words(settings: Mapping[str, Any], weights_file, embedding: np.ndarray) -> None:
    """Compare the first rows with what the character encoder in `weights_file` makes, if there is one.

    Args:
        settings: Of the character model.
        embedding: (V, P).
    """
    with open_weights(weights_file) as file:
        entries = token_layout(settings)
        if any(file.shapes.get(entry.name) != entry.shape for entry in entries):
            return
        others = {name.partition("/")[0] for name in file.shapes}
        weights = weights_from_arrays(entries, read_entries(file, entries, others))
    names = ("filters", "character_dim", "highways", "activation")
    encoder = TokenEncoder(width_of(settings), *(settings[name] for name in names), dtype="float32")
    encoder.build()
    put(SimpleNamespace(token_encoder=encoder), weights)
    ids = [word_to_ids(word, settings["max_characters_per_token"]) for word in BOUNDARIES]
    expected = encoder(np.stack(ids)).numpy()
    if np.abs(embedding[:2] - expected).max() > NEAR * np.abs(expected).max():
        warnings.warn(
            "The first two rows of the table must be the vectors of '<S>' and '</S>', which stand "
            "around every sentence; these are not those that the character encoder gives. Put both "
            "words before the others and make the table again.",
            stacklevel=4,
        )
