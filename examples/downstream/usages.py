"""Words in WordNet's usage sentences: what the two tasks on word senses share."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from examples.datasets.senses import Usage, load_senses

from .sentences import Layers, Words

LENGTH = 20  # tokens; one sentence in two hundred is longer and is left out
WORDS = 8000


@cache
def usages() -> tuple[Usage, ...]:
    """WordNet's usages, without the longest sentences."""
    return tuple(usage for usage in load_senses() if len(usage.tokens) <= LENGTH)


def split_words(lemmas: Sequence[str], shares: Sequence[float], seed: int) -> list[np.ndarray]:
    """Indices in parts of about these shares; all that belong to one lemma are in one part.

    Within a part the order is drawn too, so that its beginning is a random choice of it.
    """
    draw = np.random.default_rng(seed)
    distinct, owner = np.unique(lemmas, return_inverse=True)
    borders = np.cumsum(shares)[:-1]
    part_of_lemma = np.searchsorted(borders, draw.permutation(len(distinct)) / len(distinct), "right")
    part = part_of_lemma[owner]
    return [draw.permutation(np.flatnonzero(part == p)) for p in range(len(shares))]


class Reader:
    """Model inputs of usages: word ids, a mark at the target, and layers where there are any."""

    def __init__(self, of: Sequence[Usage], training: Sequence[int], layers: Layers | None):
        words = Words((of[i].tokens for i in training), WORDS)
        self.ids = words([usage.tokens for usage in of], LENGTH)
        self.marks = np.zeros((len(of), LENGTH), np.float32)
        self.marks[np.arange(len(of)), [usage.target for usage in of]] = 1
        self.layers = layers

    def __call__(self, chosen: np.ndarray, suffix: str = "") -> dict[str, np.ndarray]:
        inputs = {f"words{suffix}": self.ids[chosen], f"target{suffix}": self.marks[chosen]}
        if self.layers is not None:
            inputs[f"layers{suffix}"] = self.layers.rows(chosen, LENGTH)
        return inputs
