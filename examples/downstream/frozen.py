"""A biLM's layers for all sentences of a task, computed once: it is frozen, and seeds are many."""

from collections.abc import Sequence

import numpy as np

import keras_recurrent as kr

from .sentences import Layers, Tokens


def embed(bilm: kr.elmo.BiLM, sentences: Sequence[Tokens]) -> Layers:
    """All layers of every token."""
    starts = np.concatenate([[0], np.cumsum([len(tokens) for tokens in sentences])])
    width = bilm.width * len(bilm.directions)
    vectors = np.empty((starts[-1], bilm.num_layers + 1, width), np.float16)
    found = kr.elmo.embed(bilm, sentences, dtype="float16")
    for start, of_one in zip(starts, found, strict=False):
        vectors[start : start + len(of_one)] = of_one
    return Layers(vectors, starts)


def untrained(bilm: kr.elmo.BiLM) -> kr.elmo.BiLM:
    """The same architecture with the random weights it started from: what training it has given."""
    fresh = type(bilm).from_config(bilm.get_config())
    fresh.build()
    return fresh
