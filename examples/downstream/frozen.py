"""A biLM's layers for all sentences of a task, computed once: it is frozen, and seeds are many."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

import keras_recurrent as kr

from .sentences import Layers, Tokens

AT_ONCE = 64  # sentences


def embed(bilm: kr.elmo.BiLM, sentences: Sequence[Tokens]) -> Layers:
    """All layers of every token."""
    read = tf.function(lambda ids: tf.stack(bilm(ids).activations, 2), reduce_retracing=True)
    lengths = np.array([len(tokens) for tokens in sentences])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    width = bilm.width * len(bilm.directions)
    vectors = np.empty((starts[-1], bilm.num_layers + 1, width), np.float16)
    order = np.argsort(lengths, kind="stable")
    for begin in range(0, len(order), AT_ONCE):
        chosen = order[begin : begin + AT_ONCE]
        found = read(kr.elmo.batch_to_ids([sentences[i] for i in chosen])).numpy()
        for i, of_one in zip(chosen, found, strict=True):
            vectors[starts[i] : starts[i + 1]] = of_one[: lengths[i]]
    return Layers(vectors, starts)


def untrained(bilm: kr.elmo.BiLM) -> kr.elmo.BiLM:
    """The same architecture with the random weights it started from: what training it has given."""
    fresh = type(bilm).from_config(bilm.get_config())
    fresh.build()
    return fresh
