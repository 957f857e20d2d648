"""Smart-watch recordings of shoulder exercises, prepared once and then read with TFDS."""

import os
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from ..archives import cache_folder
from .watch_dataset_builder import Builder


class Watch(NamedTuple):
    """One entry per recording, but for `exercises`: the names that the labels index."""

    recordings: list[np.ndarray]
    labels: np.ndarray
    subjects: np.ndarray
    exercises: list[str]


def load_watch(data_dir: str | os.PathLike | None = None) -> Watch:
    """All 140 recordings, in the package's order; prepared under `data_dir` when they are not."""
    data_dir = os.fspath(data_dir or cache_folder() / "tensorflow_datasets")
    Builder(data_dir=data_dir).download_and_prepare()
    dataset, info = tfds.load("watch", split="train", data_dir=data_dir, with_info=True)
    examples = list(tfds.as_numpy(dataset))
    return Watch(
        recordings=[example["series"] for example in examples],
        labels=np.array([example["label"] for example in examples]),
        subjects=np.array([example["subject"] for example in examples]),
        exercises=info.features["label"].names,
    )
