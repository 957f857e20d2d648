"""Chorales as training data: of voices as ids, of piano rolls; and how likely models find them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from examples.datasets.chorales import Chorale
from examples.generation import voices
from examples.generation.batches import Sequences
from examples.generation.likelihood import nats_of_each
from examples.generation.voices import BEGIN, END
from examples.references import kneser_ney
from keras_recurrent.applications import teacher_forcing

Predict = Callable[[dict[str, np.ndarray]], np.ndarray]
PADDED = -1.0  # in piano rolls: keys behind the end
SURE = 1e-7  # the least probability of a key


class Chorales:
    """Some chorales on a grid, with the keys in which the voices can sing them.

    Args:
        chorales: As `load_chorales` gives them.
        per_quarter: Frames in a quarter note, 1 or 2.
    """

    def __init__(self, chorales: Sequence[Chorale], per_quarter: int):
        self.chorales = list(chorales)
        self.frames = [voices.frames_of(chorale, per_quarter) for chorale in chorales]
        self.lengths = np.array([len(frames.pitches) for frames in self.frames])
        self._shifts = [voices.shifts(frames) for frames in self.frames]

    def voices(self, random: np.random.Generator | None = None) -> Sequences:
        """Ids voice by voice, each chorale in a key drawn from its own, or as it is without `random`."""
        moved = list(zip(self.frames, self._drawn(random), strict=True))
        previous, targets = teacher_forcing([voices.encode(*each) for each in moved], BEGIN, END)
        pairs = zip(self.chorales, [shift for _, shift in moved], strict=True)
        conditions = np.array([voices.condition_of(*pair) for pair in pairs], np.int32)
        inputs = {"previous": previous, "condition": conditions}
        return Sequences(inputs, targets, np.count_nonzero(targets, axis=1))

    def rolls(self, random: np.random.Generator | None = None) -> Sequences:
        """Piano rolls `(N, T, 88)`, each behind a frame of silence; keys as in `voices`."""
        previous = np.full((len(self.frames), self.lengths.max(), 88), PADDED, np.float32)
        targets = np.zeros_like(previous)
        moved = zip(self.frames, self._drawn(random), strict=True)
        for row, (frames, shift) in enumerate(moved):
            roll = voices.piano_roll(frames, shift)
            targets[row, : len(roll)] = roll
            previous[row, 0], previous[row, 1 : len(roll)] = 0, roll[:-1]
        return Sequences({"previous": previous}, targets, self.lengths)

    def lines(self, every_key: bool = False) -> list[str]:
        """A text for the n-grams: a line of numbers for each chorale, in each of its keys."""
        pairs = zip(self.frames, self._shifts, strict=True)
        return [
            " ".join(map(str, voices.encode(frames, shift)))
            for frames, shifts in pairs
            for shift in (shifts if every_key else [0])
        ]

    def _drawn(self, random: np.random.Generator | None) -> list[int]:
        if random is None:
            return [0] * len(self.frames)
        return [int(random.choice(shifts)) for shifts in self._shifts]


def voice_nats(predict: Predict, chorales: Chorales) -> float:
    """Nats per frame, of what all four voices do in it: the end of a chorale is counted, too."""
    inputs, targets, _ = chorales.voices()
    return float(nats_of_each(predict, inputs, targets).sum() / chorales.lengths.sum())


def roll_nats(predict: Predict, chorales: Chorales) -> float:
    """Nats per frame: of 88 keys, each on or off by itself."""
    inputs, targets, lengths = chorales.rolls()
    on = np.clip(predict(inputs).astype(float), SURE, 1 - SURE)
    nats = -np.where(targets > 0, np.log(on), np.log1p(-on)).sum(2)
    return float(nats[np.arange(nats.shape[1]) < lengths[:, np.newaxis]].sum() / lengths.sum())


def n_gram_nats(
    training: Chorales, held_out: Sequence[Chorales], order: int, folder: Path
) -> list[float] | None:
    """`voice_nats` of a Kneser-Ney model of the same ids in all keys; None where it cannot run."""
    texts = [training.lines(every_key=True), *(chorales.lines() for chorales in held_out)]
    known = set(" ".join(texts[0]).split())
    unknown = set(" ".join(line for text in texts[1:] for line in text).split()) - known
    if unknown:
        print(f"No n-gram model to compare with: ids that it never saw, {sorted(unknown)}.")
        return None
    paths = [folder / f"chorales-{number}.txt" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text("".join(f"{line}\n" for line in text))
    try:
        found = kneser_ney.perplexities(paths[0], paths[1:], order)
    except (OSError, RuntimeError) as error:
        print(f"No n-gram model to compare with. {error}")
        return None
    ids = [sum(len(line.split()) + 1 for line in text) for text in texts[1:]]
    return [
        float(np.log(perplexity) * number / chorales.lengths.sum())
        for perplexity, number, chorales in zip(found, ids, held_out, strict=True)
    ]
