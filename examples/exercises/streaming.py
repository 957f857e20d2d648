"""The classifier as a stream: a `.tflite` file that reads four samples a call and never starts anew."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from examples.exercises.classifier import WINDOW, Recordings
from keras_recurrent import export

BLOCK = 4  # samples of a call: 80 ms


class Followed(NamedTuple):
    """What a stream said, a block at a time, from the first 2.56 s of each recording on."""

    predicted: np.ndarray
    labels: np.ndarray
    milliseconds: float  # of a call

    @property
    def share_right(self) -> float:
        return float(np.mean(self.predicted == self.labels))


def export_stream(model: keras.Model, path: Path) -> export.Report:
    return export.to_tflite(model, path, streaming=True, block=BLOCK)


def follow(path: Path, recordings: Recordings) -> Followed:
    """Push every recording through the file, as a watch would: sample after sample."""
    stream = export.Stream(path)
    predicted: list[Sequence[int]] = []
    calls, start = 0, time.perf_counter()
    for series in recordings.series:
        stream.reset()
        outputs = stream.push(series[None])[0]
        calls += len(outputs)
        predicted.append(outputs[WINDOW // BLOCK - 1 :].argmax(1))
    took = time.perf_counter() - start
    labels = np.repeat(recordings.labels, [len(blocks) for blocks in predicted])
    return Followed(np.concatenate(predicted), labels, 1e3 * took / calls)
