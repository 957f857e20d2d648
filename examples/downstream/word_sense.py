"""Does a word have the same sense in two sentences?"""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from examples.datasets.senses import Usage

from . import models
from .sentences import Layers
from .trials import Examples, Parts, Schedule, Score, Trials
from .usages import WORDS, Reader, split_words

PAIRS_A_WORD = 3  # of each kind, at most
SHARES = (0.7, 0.1, 0.2)  # of the words, for training, validation and test
SCHEDULE = Schedule(epochs=6, patience=2, batch_size=128)


class Pairs(NamedTuple):
    """Pairs of usages of one word.

    Attributes:
        usages: Every usage that stands in a pair.
        first: `(N,)`, index of each pair's first usage.
        second: `(N,)`, index of its second.
        same: `(N,)`, 1 where both have the same sense, 0 where the senses differ.
    """

    usages: list[Usage]
    first: np.ndarray
    second: np.ndarray
    same: np.ndarray

    @property
    def lemmas(self) -> list[str]:
        return [self.usages[i].lemma for i in self.first]


def make_pairs(of: Sequence[Usage], seed: int = 0) -> Pairs:
    """As many pairs of the same sense as of different senses for every word and part of speech.

    Same: the same synset, another sentence. Different: synsets of different lexicographer files,
    as WordNet's finest distinctions are beyond what its readers agree on.
    """
    draw = np.random.default_rng(seed)
    words = defaultdict(list)
    for index, usage in enumerate(of):
        words[usage.lemma, usage.sense.split(".")[0]].append(index)
    chosen = []
    for indices in words.values():
        same, different = [], []
        for a, b in combinations(indices, 2):
            if of[a].tokens == of[b].tokens:
                continue
            if of[a].sense == of[b].sense:
                same.append((a, b, 1))
            elif of[a].supersense != of[b].supersense:
                different.append((a, b, 0))
        count = min(len(same), len(different), PAIRS_A_WORD)
        for kind in (same, different):
            chosen += [kind[i] for i in draw.permutation(len(kind))[:count]]
    table = np.array(chosen)
    used, places = np.unique(table[:, :2], return_inverse=True)
    first, second = places.reshape(-1, 2).T
    return Pairs([of[i] for i in used], first, second, table[:, 2])


def split(pairs: Pairs, seed: int) -> Parts:
    """By word; training pairs with a sentence that stands in validation or test are left out."""
    train, validation, test = split_words(pairs.lemmas, SHARES, seed)
    held_out = {
        pairs.usages[side[i]].tokens
        for side in (pairs.first, pairs.second)
        for i in (*validation, *test)
    }
    kept = [
        i
        for i in train
        if pairs.usages[pairs.first[i]].tokens not in held_out
        and pairs.usages[pairs.second[i]].tokens not in held_out
    ]
    return Parts(np.array(kept), validation, test)


def score(
    pairs: Pairs, layers: Layers | None, seeds: Sequence[int], schedule: Schedule = SCHEDULE
) -> Score:
    """Test accuracy of the small model, with ELMo if there are layers; a split for every seed."""
    trial = Trials(partial(models.of_pair, WORDS, layers and layers.shape))

    def accuracy(seed: int) -> float:
        parts = split(pairs, seed)
        read = Reader(pairs.usages, [*pairs.first[parts.train], *pairs.second[parts.train]], layers)

        def inputs(chosen: np.ndarray) -> dict[str, np.ndarray]:
            return read(pairs.first[chosen], "_a") | read(pairs.second[chosen], "_b")

        return trial(Examples(inputs, pairs.same), parts, schedule, seed)

    return Score([accuracy(seed) for seed in seeds])


def score_cosines(cosines: np.ndarray, pairs: Pairs, seeds: Sequence[int]) -> Score:
    """Test accuracy of logistic regression on some `cosines` (N, K): with K = 1 a threshold."""

    def accuracy(seed: int) -> float:
        parts = split(pairs, seed)
        model = LogisticRegression(C=100).fit(cosines[parts.train], pairs.same[parts.train])
        return float(model.score(cosines[parts.test], pairs.same[parts.test]))

    return Score([accuracy(seed) for seed in seeds])


def cosines(pairs: Pairs, layers: Layers) -> np.ndarray:
    """Cosine of the word's two vectors `(N, L + 1)`, in every layer."""
    targets = np.array([usage.target for usage in pairs.usages])
    vectors = layers.at(np.arange(len(targets)), targets).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return np.sum(vectors[pairs.first] * vectors[pairs.second], axis=-1)
