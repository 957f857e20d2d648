"""Which of WordNet's coarse senses does a noun or verb have in its sentence? With few labels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from examples.datasets.senses import Usage

from . import models
from .sentences import Layers
from .trials import Examples, Parts, Schedule, Score, Trials
from .usages import WORDS, Reader, split_words, usages

SHARES = (0.75, 0.05, 0.20)  # of the words, for training, validation and test
STEPS = 1500  # at most, however few the labels
BATCH = 32


class Supersenses(NamedTuple):
    """Usages of nouns and verbs; `labels` index `names`."""

    usages: list[Usage]
    labels: np.ndarray
    names: list[str]


def load() -> Supersenses:
    """The nouns and verbs of WordNet's usages."""
    chosen = [usage for usage in usages() if usage.supersense.startswith(("noun.", "verb."))]
    names, labels = np.unique([usage.supersense for usage in chosen], return_inverse=True)
    return Supersenses(chosen, labels, names.tolist())


def split(data: Supersenses, seed: int) -> Parts:
    """By word, and no sentence of validation or test is among those of training."""
    train, validation, test = split_words([usage.lemma for usage in data.usages], SHARES, seed)
    held_out = {data.usages[i].tokens for i in (*validation, *test)}
    kept = [i for i in train if data.usages[i].tokens not in held_out]
    return Parts(np.array(kept), validation, test)


def score(
    data: Supersenses, layers: Layers | None, counts: Sequence[int], seeds: Sequence[int]
) -> dict[int, Score]:
    """Test accuracy after training on each number of labels; a split for every seed."""
    classes = len(data.names)
    trial = Trials(lambda: models.of_target(WORDS, layers and layers.shape, classes))
    accuracies = {count: [] for count in counts}
    for seed in seeds:
        parts = split(data, seed)
        for count in counts:
            few = parts._replace(train=parts.train[:count])
            read = Reader(data.usages, few.train, layers)
            steps = -(-count // BATCH)
            schedule = Schedule(epochs=max(1, min(60, STEPS // steps)), patience=4, batch_size=BATCH)
            accuracies[count].append(trial(Examples(read, data.labels), few, schedule, seed))
    return {count: Score(found) for count, found in accuracies.items()}
