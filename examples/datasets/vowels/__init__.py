"""Speakers saying two vowels, series of different lengths, prepared once and then read with TFDS."""

import os
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from ..archives import cache_folder
from .vowels_dataset_builder import CHANNELS, SPEAKERS, Builder

__all__ = ["CHANNELS", "SPEAKERS", "Part", "load_vowels"]


class Part(NamedTuple):
    """The series `(T, 12)` of a split, T from 7 to 29, and the speaker of each, 0 to 8."""

    series: list[np.ndarray]
    speakers: np.ndarray


def load_vowels(data_dir: str | os.PathLike | None = None) -> tuple[Part, Part]:
    """The 270 training and the 370 test series; prepared under `data_dir` when they are not."""
    data_dir = os.fspath(data_dir or cache_folder() / "tensorflow_datasets")
    Builder(data_dir=data_dir).download_and_prepare()
    return _read("train", data_dir), _read("test", data_dir)


def _read(split: str, data_dir: str) -> Part:
    examples = list(tfds.as_numpy(tfds.load("vowels", split=split, data_dir=data_dir)))
    speakers = np.array([example["speaker"] for example in examples])
    return Part([example["series"] for example in examples], speakers)
