"""The network that names the exercise in a window, how it is trained, what it is tested on."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

import keras_recurrent as kr
from examples.datasets.windows import cut_windows
from examples.exercises import every_step
from examples.exercises.random_windows import RandomWindows, Variation

WINDOW, TEST_STEP = 128, 64  # samples: 2.56 s, and a test window begins every 1.28 s


class Recordings(NamedTuple):
    """Series `(samples, 6)` and the exercise of each."""

    series: Sequence[np.ndarray]
    labels: np.ndarray


class Fitting(NamedTuple):
    """How to train.

    Attributes:
        variation: What is done to the windows.
        epochs: How many.
        batches: Of an epoch.
        batch_size: Windows of a batch.
        averaged: Whether to take the mean of the last weights (exponential, by Adam).
        every_step: Whether each step of a window's second half is to be right, not the last alone.
        engine: Of the recurrent layer.
    """

    variation: Variation
    epochs: int
    batches: int
    batch_size: int
    averaged: bool = False
    every_step: bool = False
    engine: str = "auto"


class Scale(NamedTuple):
    """One divisor for the three accelerations, one for the three turning rates.

    Shared by the axes, and without a shift: gravity stays what it is, and a turned watch is a turned
    vector.
    """

    divisors: np.ndarray

    @classmethod
    def fit(cls, series: Sequence[np.ndarray]) -> "Scale":
        power = np.mean(np.concatenate(series) ** 2, axis=0).reshape(2, 3).mean(1)
        return cls(np.repeat(np.sqrt(power), 3).astype(np.float32))

    def __call__(self, recordings: Recordings) -> Recordings:
        return Recordings(
            [series / self.divisors for series in recordings.series], recordings.labels
        )


def build(cell: str = "gru", engine: str = "auto") -> keras.Model:
    """Convolutions of past samples alone, so that the same weights can read a stream."""
    layer = {"gru": kr.GRU, "lstm": kr.LSTM}[cell]
    convolution = {"padding": "causal", "activation": "relu"}
    return keras.Sequential(
        [
            keras.Input((WINDOW, 6), name="window"),
            keras.layers.Conv1D(32, 8, strides=2, **convolution),
            keras.layers.Conv1D(64, 6, strides=2, **convolution),
            keras.layers.Dropout(0.3),
            layer(48, engine=engine),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(7, activation="softmax", name="exercise"),
        ]
    )


def train(
    model: keras.Model, recordings: Recordings, fitting: Fitting, seed: int, verbose: int = 1
) -> None:
    """Fit to windows drawn from scaled recordings."""
    rate = keras.optimizers.schedules.CosineDecay(4e-3, fitting.epochs * fitting.batches)
    optimizer = keras.optimizers.Adam(rate, use_ema=fitting.averaged, ema_momentum=0.99)
    size, batches = fitting.batch_size, fitting.batches
    data = RandomWindows(*recordings, WINDOW, size, batches, fitting.variation, seed)
    if fitting.every_step:
        every_step.fit(model, data, optimizer, fitting.epochs, verbose)
        return
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data, epochs=fitting.epochs, verbose=verbose)


def windows_of(recordings: Recordings, step: int = TEST_STEP) -> tuple[np.ndarray, np.ndarray]:
    """Windows `(N, 128, 6)` and labels."""
    x, labels = cut_windows(*recordings, WINDOW, step)
    return x.astype(np.float32), labels
