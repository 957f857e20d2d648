"""Vectors of words without their context, each computed once."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from keras_recurrent.elmo.characters import PADDING, word_to_ids
from keras_recurrent.elmo.reader import reader_of

_PLACES = 8192  # characters convolved at once: 64 MB of results with the published filters


class WordVectors:
    """The token encoder behind a cache: a word met again, in any sentence, is not computed again.

    Args:
        bilm: A `BiLM` that is built.
        capacity: Number of words to keep; beyond, those are left out that were not met for longest.
        number: For a biLM of whole words, a function from words to ids.
    """

    def __init__(self, bilm, capacity: int, number: Callable | None = None):
        self.capacity = capacity
        self.computed = 0
        self._bilm, self._number = bilm, number
        self._kept: OrderedDict = OrderedDict()
        self._encode = reader_of(bilm).encode

    def table(self, words: Iterable) -> tuple[dict, np.ndarray]:
        """A matrix with a vector for each different word, and the row of each."""
        rows = {word: row for row, word in enumerate(dict.fromkeys(words))}
        vectors = np.empty((len(rows), self._bilm.width), self._bilm.compute_dtype)
        missing = []
        for word, row in rows.items():
            if (known := self._kept.get(word)) is None:
                missing.append(word)
            else:
                self._kept.move_to_end(word)
                vectors[row] = known
        for some, new in self._new(missing):
            vectors[[rows[word] for word in some]] = new
            self._keep(some, new)
        return rows, vectors

    def _keep(self, words: list, vectors: np.ndarray) -> None:
        for word, vector in zip(words[-self.capacity :], vectors[-self.capacity :], strict=True):
            self._kept[word] = vector.copy()  # a view would hold the others' memory too
        while len(self._kept) > self.capacity:
            self._kept.popitem(last=False)

    def _new(self, words: list) -> Iterator[tuple[list, np.ndarray]]:
        """The words in chunks of bounded memory, words of about one length together."""
        self.computed += len(words)
        if not words:
            return
        if self._number is not None:
            yield words, self._encode(np.asarray(self._number(words), np.int32)).numpy()
            return
        length = self._bilm.max_characters_per_token
        ids = np.stack([word_to_ids(word, length) for word in words])
        lengths = np.count_nonzero(ids != PADDING + 1, axis=1)
        # Of the padding as much as lets each filter see padding alone, as it does in the whole word.
        seen = np.minimum(lengths + max(width for width, _ in self._bilm.filters), length)
        order = np.argsort(seen, kind="stable")
        first = 0
        while first < len(order):
            last = first + 1
            while last < len(order) and (last + 1 - first) * seen[order[last]] <= _PLACES:
                last += 1
            chunk = order[first:last]
            found = self._encode(ids[chunk, : seen[chunk[-1]]])
            yield [words[place] for place in chunk], found.numpy()
            first = last
