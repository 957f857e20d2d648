"""Rated sentences from film reviews, prepared once and then read with TFDS."""

import os
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from ..archives import cache_folder
from .snippets_dataset_builder import Builder


class Snippets(NamedTuple):
    """Sentences, their words and marks, and their mean ratings, from -4, bad, to 4, good."""

    texts: list[str]
    tokens: list[tuple[str, ...]]
    ratings: np.ndarray


def load_snippets(data_dir: str | os.PathLike | None = None) -> Snippets:
    """All 10,605 in the package's order, good films first; prepared under `data_dir` at need."""
    data_dir = os.fspath(data_dir or cache_folder() / "tensorflow_datasets")
    Builder(data_dir=data_dir).download_and_prepare()
    examples = list(tfds.as_numpy(tfds.load("snippets", split="train", data_dir=data_dir)))
    return Snippets(
        texts=[example["text"].decode() for example in examples],
        tokens=[tuple(example["tokens"].decode().split(" ")) for example in examples],
        ratings=np.array([example["rating"] for example in examples]),
    )
