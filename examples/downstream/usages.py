"""Words in WordNet's usage sentences: what the two tasks on word senses share."""

from collections.abc import Sequence

import numpy as np

from examples.datasets.senses import Usage, load_senses

from .sentences import Layers, Words

LENGTH = 12  # tokens; one sentence in twenty is longer and is left out
WORDS = 8000  # ids of words


def load(share: float = 1.0) -> list[Usage]:
    """WordNet's usages of all words, or of a share of them, without the longest sentences."""
    found = [usage for usage in load_senses() if len(usage.tokens) <= LENGTH]
    chosen, _ = split_words([usage.lemma for usage in found], (share, 1 - share), seed=0)
    return [found[i] for i in sorted(chosen)]


def split_words(lemmas: Sequence[str], shares: Sequence[float], seed: int) -> list[np.ndarray]:
    """Indices in parts of about these shares; all that belong to one lemma are in one part.

    Within a part the order is drawn too, so that its beginning is a random choice of it.
    """
    draw = np.random.default_rng(seed)
    distinct, owner = np.unique(lemmas, return_inverse=True)
    borders = np.cumsum(shares)[:-1]
    part_of_lemma = np.searchsorted(
        borders, draw.permutation(len(distinct)) / len(distinct), "right"
    )
    part = part_of_lemma[owner]
    return [draw.permutation(np.flatnonzero(part == p)) for p in range(len(shares))]


class Reader:
    """Model inputs of usages: word ids, a mark at the target, and layers where there are any."""

    def __init__(self, of: Sequence[Usage], training: Sequence[int], layers: Layers | None):
        words = Words((of[i].tokens for i in training), WORDS)
        self.ids = words([usage.tokens for usage in of], LENGTH)
        self.lengths = np.array([len(usage.tokens) for usage in of])
        self.marks = np.zeros((len(of), LENGTH), np.float32)
        self.marks[np.arange(len(of)), [usage.target for usage in of]] = 1
        self.layers = layers

    def __call__(self, chosen: np.ndarray, suffix: str = "") -> dict[str, np.ndarray]:
        """The inputs of some usages, padded to the longest; names end in `suffix`."""
        longest = self.lengths[chosen].max()
        inputs = {"words": self.ids[chosen, :longest], "target": self.marks[chosen, :longest]}
        if self.layers is not None:
            inputs["layers"] = self.layers.rows(chosen, longest)
        return {f"{name}{suffix}": values for name, values in inputs.items()}
