"""How well names are predicted, in nats per character: the letters and the end of each name count.

nats per character = Σ_names -log p(letters, end) / Σ_names (letters + 1), which is what the program of
the n-gram model calls the logarithm of the perplexity.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from examples.datasets.baby_names import Names
from examples.generation.likelihood import log_of_mixture, nats_of_each
from examples.generation.spelling import Occurrences, encode
from examples.references import kneser_ney
from keras_recurrent.applications import teacher_forcing

Predict = Callable[[dict[str, np.ndarray]], np.ndarray]


class Scores(NamedTuple):
    """Nats per character.

    Attributes:
        overall: Each name counts once; under several sexes and decades it has their mean.
        by_condition: `(sexes, decades)`: each name once that was given to that sex in that decade; NaN
            where there is none.
    """

    overall: float
    by_condition: np.ndarray


def of_model(predict: Predict, names: Names, conditioned: bool = True) -> Scores:
    """Given the sex and the decade, or of a model without a condition."""
    previous, targets = teacher_forcing([encode(name) for name in names.names])
    occurrences = Occurrences.of(names.births)
    rows = occurrences.names
    if conditioned:
        inputs = {"previous": previous[rows], "condition": occurrences.conditions}
        nats = nats_of_each(predict, inputs, targets[rows])
    else:
        nats = nats_of_each(predict, {"previous": previous}, targets)[rows]
    lengths = np.count_nonzero(targets, axis=1)
    overall = (nats * occurrences.weights).sum() / lengths.sum()
    sums = np.zeros((2, *names.births.shape[1:]))
    cells = tuple(occurrences.conditions.T)
    np.add.at(sums[0], cells, nats)
    np.add.at(sums[1], cells, lengths[rows])
    with np.errstate(invalid="ignore"):
        return Scores(float(overall), sums[0] / sums[1])


def without_condition(predict: Predict, names: Sequence[str], prior: np.ndarray) -> float:
    """Of a conditioned model that is not told the condition: p(name) = Σ_c prior_c p(name | c)."""
    previous, targets = teacher_forcing([encode(name) for name in names])
    log_p = []
    for condition in np.argwhere(prior > 0).astype(np.int32):
        conditions = np.tile(condition, (len(names), 1))
        inputs = {"previous": previous, "condition": conditions}
        log_p.append(-nats_of_each(predict, inputs, targets))
    mixed = log_of_mixture(np.stack(log_p, axis=1), prior[prior > 0])
    return float(-mixed.sum() / np.count_nonzero(targets))


def of_n_grams(training: Sequence[str], held_out: Names, folder: Path) -> Scores | None:
    """Of a Kneser-Ney 5-gram model of the same letters, without conditions; None where it cannot run."""
    names = np.array(held_out.names)
    cells = np.argwhere(held_out.births.any(0))
    texts = [names, *(names[held_out.births[:, sex, decade] > 0] for sex, decade in cells)]
    found = n_gram_nats(training, texts, folder)
    if found is None:
        return None
    by_condition = np.full(held_out.births.shape[1:], np.nan)
    by_condition[tuple(cells.T)] = found[1:]
    return Scores(found[0], by_condition)


def n_gram_nats(
    training: Sequence[str], held_out: Sequence[Sequence[str]], folder: Path
) -> list[float] | None:
    """Nats per character of some lists of names, by the 5-gram model of others."""
    paths = [folder / f"{number}.txt" for number in range(len(held_out) + 1)]
    for path, names in zip(paths, [training, *held_out], strict=True):
        path.write_text("".join(" ".join(name.lower()) + "\n" for name in names))
    try:
        return np.log(kneser_ney.perplexities(paths[0], paths[1:])).tolist()
    except (OSError, RuntimeError) as error:
        print(f"No 5-gram model to compare with. {error}")
        return None
