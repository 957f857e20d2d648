"""Sentences as the small models take them: word ids, and the layers of a frozen biLM beside them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

PADDING, UNKNOWN = 0, 1

Tokens = Sequence[str]


class Words:
    """Ids below `size` of lower-cased words: the training part's most frequent, none seen once.

    `size` counts padding and the unknown word too; the attribute is what there are, at most as many.
    """

    def __init__(self, training: Iterable[Tokens], size: int):
        counts = Counter(token.lower() for tokens in training for token in tokens)
        known = [word for word, count in counts.most_common(size - 2) if count > 1]
        self.ids = {word: index for index, word in enumerate(known, start=UNKNOWN + 1)}
        self.size = UNKNOWN + 1 + len(known)

    def __call__(self, sentences: Sequence[Tokens], length: int) -> np.ndarray:
        """Ids int32 `(N, length)`, padded with 0 and cut at `length`."""
        ids = np.full((len(sentences), length), PADDING, np.int32)
        for row, tokens in zip(ids, sentences, strict=True):
            found = [self.ids.get(token.lower(), UNKNOWN) for token in tokens[:length]]
            row[: len(found)] = found
        return ids


class Layers(NamedTuple):
    """The layers of a biLM for many sentences, laid end to end.

    Attributes:
        vectors: `(tokens of all sentences, L + 1, width)`, float16 to save memory.
        starts: `(N + 1,)`, where each sentence begins; the last entry is the number of tokens.
    """

    vectors: np.ndarray
    starts: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """What one token has: `(L + 1, width)`."""
        return self.vectors.shape[1:]

    def rows(self, indices: np.ndarray, length: int) -> np.ndarray:
        """Layers `(B, length, L + 1, width)` of some sentences, padded with 0, cut at `length`."""
        steps = np.arange(length)
        places = self.starts[indices][:, None] + steps
        valid = places < self.starts[np.asarray(indices) + 1][:, None]
        found = self.vectors[np.where(valid, places, 0)]
        found[~valid] = 0
        return found

    def at(self, sentences: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Layers `(N, L + 1, width)` of one token of each sentence."""
        return self.vectors[self.starts[sentences] + tokens]
