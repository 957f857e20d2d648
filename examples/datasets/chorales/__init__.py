"""Bach's four-part chorales, prepared once and then read with TFDS."""

import os

import tensorflow_datasets as tfds

from ..archives import cache_folder
from .chorales_dataset_builder import SPLITS, Builder
from .scores import GRID, VOICES, Chorale

__all__ = ["GRID", "VOICES", "Chorale", "load_chorales"]


def load_chorales(data_dir: str | os.PathLike | None = None) -> dict[str, list[Chorale]]:
    """`train`, `validation` and `test`, with different tunes; prepared under `data_dir` at need.

    The first time takes half a minute.

    Raises:
        ImportError: They are to be prepared and music21 is missing.
    """
    data_dir = os.fspath(data_dir or cache_folder() / "tensorflow_datasets")
    Builder(data_dir=data_dir).download_and_prepare()
    return {split: _read(split, data_dir) for split in SPLITS}


def _read(split: str, data_dir: str) -> list[Chorale]:
    examples = tfds.as_numpy(tfds.load("chorales", split=split, data_dir=data_dir))
    return [
        Chorale(
            example["name"].decode(),
            example["pitches"],
            example["attacks"],
            *(example[name].item() for name in Chorale._fields[3:]),
        )
        for example in examples
    ]
