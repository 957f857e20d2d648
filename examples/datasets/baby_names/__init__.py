"""First names of US children by sex and decade, prepared once and then read with TFDS."""

import os
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from ..archives import cache_folder
from .baby_names_dataset_builder import DECADES, SEXES, SPLITS, Builder

__all__ = ["DECADES", "SEXES", "Names", "load_baby_names"]


class Names(NamedTuple):
    """Distinct names, alphabetical, and how many children got them `(names, sexes, decades)`."""

    names: list[str]
    births: np.ndarray


def load_baby_names(data_dir: str | os.PathLike | None = None) -> dict[str, Names]:
    """`train`, `validation` and `test`: no name is in two; prepared under `data_dir` at need."""
    data_dir = os.fspath(data_dir or cache_folder() / "tensorflow_datasets")
    Builder(data_dir=data_dir).download_and_prepare()
    return {split: _read(split, data_dir) for split in SPLITS}


def _read(split: str, data_dir: str) -> Names:
    # In batches: one by one, 97,310 small examples take long.
    dataset = tfds.load("baby_names", split=split, data_dir=data_dir, batch_size=-1)
    examples = tfds.as_numpy(dataset)
    return Names([name.decode() for name in examples["name"]], examples["births"])
