"""Words as several ids each, so that words which look alike share what is learnt of them.

A token has K ids: one of its word and others of parts of its spelling. Its vector is the sum of
theirs, as in Bojanowski et al. 2017 (arXiv:1607.04606). A word that training never saw still has parts.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import keras
import numpy as np

PADDING = 0

Pieces = Sequence[Hashable]  # of one token, always as many; None for a place that it leaves empty


class PieceIds:
    """Ids of pieces: of those that training saw at least twice; others share one id a place.

    Attributes:
        places: K, the number of pieces of a token.
        size: Number of ids, padding among them.
    """

    def __init__(self, training: Iterable[Sequence[Pieces]], places: int, least: int = 2):
        counts = [Counter() for _ in range(places)]
        for sentence in training:
            for pieces in sentence:
                for of_place, piece in zip(counts, pieces, strict=True):
                    of_place[piece] += 1
        self.places, self.size = places, PADDING + 1
        self._unknown, self._known = [], []
        for of_place in counts:
            frequent = [p for p, n in of_place.most_common() if n >= least and p is not None]
            self._unknown.append(self.size)
            self._known.append({p: i for i, p in enumerate(frequent, start=self.size + 1)})
            self.size += 1 + len(frequent)

    def __call__(self, sentence: Sequence[Pieces], length: int | None = None) -> np.ndarray:
        """Ids int32 `(T, K)`, padded with 0 to `length`, or cut there.

        A sentence without tokens is one step of padding.
        """
        length = length or max(len(sentence), 1)
        ids = np.full((length, self.places), PADDING, np.int32)
        for row, pieces in zip(ids, sentence, strict=False):
            for place, piece in enumerate(pieces):
                if piece is not None:
                    row[place] = self._known[place].get(piece, self._unknown[place])
        return ids

    def batch(self, sentences: Sequence[Sequence[Pieces]], length: int) -> np.ndarray:
        """Ids int32 `(N, length, K)`."""
        return np.stack([self(sentence, length) for sentence in sentences])


def piece_vectors(ids: PieceIds, width: int, dropout: float) -> keras.Model:
    """From ids `(B, T, K)` to vectors `(B, T, width)`: x(t) = Σ_k E[ids(t, k)].

    Padding becomes zeros: give `mask_value=0.0` to the model that reads them.
    """
    inputs = keras.Input((None, ids.places), dtype="int32", name="ids")
    vectors = keras.layers.Embedding(ids.size, width, name="pieces")(inputs)
    there = keras.ops.cast(keras.ops.not_equal(inputs, PADDING), "float32")
    summed = keras.ops.sum(vectors * keras.ops.expand_dims(there, -1), 2)
    outputs = keras.layers.Dropout(dropout, name="pieces_dropout")(summed)
    return keras.Model(inputs, outputs, name="words")


def read_with(words: keras.Model, reader: keras.Model, name: str) -> keras.Model:
    """`reader`, a model of `kr.applications` with `features`, on the vectors of `words`."""
    inputs = keras.Input(words.input_shape[1:], dtype="int32", name="ids")
    return keras.Model(inputs, reader(words(inputs)), name=name)
