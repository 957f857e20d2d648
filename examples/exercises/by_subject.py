"""How well a wearer is recognised whom the network was not trained on: each is left out once."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from examples.datasets.watch import Watch
from examples.datasets.windows import split_by_subject
from examples.exercises import classifier
from examples.exercises.classifier import Fitting, Recordings, Scale
from examples.exercises.random_windows import Variation

FITTING = Fitting(
    Variation(tilt=0.15, speed=0.1, mirrored=0.5, noise=0.03),
    epochs=8,
    batches=200,
    batch_size=64,
)
CHOSEN_ON = [1, 2, 3, 4, 5]  # no other subject was looked at before the settings were fixed


class LeftOut(NamedTuple):
    """What was made of the windows of the wearers in turn."""

    subjects: np.ndarray
    predicted: np.ndarray
    labels: np.ndarray

    def share_right(self, subjects=None) -> float:
        """Of the windows of `subjects`, by default of all."""
        chosen = np.isin(self.subjects, self.subjects if subjects is None else list(subjects))
        return float(np.mean(self.predicted[chosen] == self.labels[chosen]))


def leave_out_each(
    watch: Watch, seed: int, subjects: Sequence[int] | None = None, fitting: Fitting = FITTING
) -> LeftOut:
    """Train once for each of `subjects`, by default for all, on all the others' recordings."""
    found = []
    for subject in np.unique(watch.subjects).tolist() if subjects is None else subjects:
        start = time.perf_counter()
        inside, outside = (
            Recordings([watch.recordings[i] for i in part], watch.labels[part])
            for part in split_by_subject(watch.subjects, {subject})
        )
        scale = Scale.fit(inside.series)
        keras.utils.set_random_seed(seed)
        model = classifier.build(engine=fitting.engine)
        classifier.train(model, scale(inside), fitting, seed, verbose=0)
        x, labels = classifier.windows_of(scale(outside))
        predicted = model.predict(x, batch_size=len(x), verbose=0).argmax(1)
        found.append(LeftOut(np.full(len(labels), subject), predicted, labels))
        share = found[-1].share_right()
        print(
            f"without subject {subject}: {share:.1%} of its windows right, "
            f"{time.perf_counter() - start:.0f} s",
            flush=True,
        )
    return LeftOut(*map(np.concatenate, zip(*found, strict=True)))
