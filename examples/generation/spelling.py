"""Names as ids, and the sexes and decades in which they were given."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

LETTERS = "abcdefghijklmnopqrstuvwxyz"
PADDING, BEGIN, END = range(3)
VOCABULARY_SIZE = 3 + len(LETTERS)


def encode(name: str) -> list[int]:
    """An id for each letter, upper and lower case alike: all names are written like Mary."""
    ids = [LETTERS.find(letter) + 3 for letter in name.lower()]
    if not ids or 2 in ids:
        raise ValueError(f"A name is made of the letters a to z. Received: {name!r}")
    return ids


def decode(ids: Iterable[Sequence[int]]) -> list[str]:
    """The name of each row, with a capital; padding, begin and end are left out."""
    return ["".join(LETTERS[i - 3] for i in row if i > END).capitalize() for row in ids]


class Occurrences(NamedTuple):
    """Each sex and decade in which each name was given: where there were births.

    Attributes:
        names: `(occurrences,)`, the number of the name, ascending.
        conditions: `(occurrences, 2)` int32, the numbers of sex and decade.
        weights: `(occurrences,)`, one name's add up to 1.
    """

    names: np.ndarray
    conditions: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, births: np.ndarray) -> "Occurrences":
        """From `births` `(names, sexes, decades)`."""
        found = np.argwhere(births > 0)
        names, conditions = found[:, 0], found[:, 1:].astype(np.int32)
        return cls(names, conditions, 1 / np.bincount(names)[names])

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """One of each name's conditions, all equally likely: `(names, 2)`."""
        numbers = np.bincount(self.names)
        first = np.cumsum(numbers) - numbers
        return self.conditions[first + random.integers(numbers)]

    def prior(self, sizes: tuple[int, int]) -> np.ndarray:
        """How often `draw` gives each condition: `sizes`, adds up to 1."""
        shares = np.zeros(sizes)
        np.add.at(shares, tuple(self.conditions.T), self.weights)
        return shares / shares.sum()
