"""Which of WordNet's coarse senses does a noun or verb have in its sentence? With few labels."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from examples.datasets.senses import Usage

from . import models
from .sentences import Layers
from .trials import Examples, Parts, Schedule, Score, Trials
from .usages import WORDS, Reader, split_words

SHARES = (0.78, 0.02, 0.20)  # of the words, for training, validation and test
EPOCHS, PATIENCE = 15, 2


def schedule(count: int) -> Schedule:
    """How to train on some number of labels."""
    return Schedule(EPOCHS, PATIENCE, batch_size=32 if count < 500 else 128)


class Supersenses(NamedTuple):
    """Usages of nouns and verbs; `labels` index `names`."""

    usages: list[Usage]
    labels: np.ndarray
    names: list[str]


def nouns_and_verbs(of: Sequence[Usage]) -> Supersenses:
    """Those of the usages whose supersense says something: adjectives have but three, adverbs one."""
    chosen = [usage for usage in of if usage.supersense.startswith(("noun.", "verb."))]
    names, labels = np.unique([usage.supersense for usage in chosen], return_inverse=True)
    return Supersenses(chosen, labels, names.tolist())


def split(data: Supersenses, seed: int) -> Parts:
    """By word, and no sentence of validation or test is among those of training."""
    train, validation, test = split_words([usage.lemma for usage in data.usages], SHARES, seed)
    held_out = {data.usages[i].tokens for i in (*validation, *test)}
    kept = [i for i in train if data.usages[i].tokens not in held_out]
    return Parts(np.array(kept), validation, test)


def score(
    data: Supersenses,
    layers: Layers | None,
    counts: Sequence[int],
    seeds: Sequence[int],
    schedule: Callable[[int], Schedule] = schedule,
) -> dict[int, Score]:
    """Test accuracy after training on each number of labels; a split for every seed.

    The fewer labels are among the more. Training ends by the validation part, which is always the
    same size, for every input.
    """
    build = partial(models.of_target, WORDS, layers and layers.shape, len(data.names))
    trial = Trials(build)
    accuracies = {count: [] for count in counts}
    for seed in seeds:
        parts = split(data, seed)
        for count in counts:
            few = parts._replace(train=parts.train[:count])
            examples = Examples(Reader(data.usages, few.train, layers), data.labels)
            accuracies[count].append(trial(examples, few, schedule(count), seed))
    return {count: Score(found) for count, found in accuracies.items()}
