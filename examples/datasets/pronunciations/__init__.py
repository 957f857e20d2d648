"""English words and the ways to say them, prepared once and then read with TFDS."""

import os
from typing import NamedTuple

import tensorflow_datasets as tfds

from ..archives import cache_folder
from .pronunciations_dataset_builder import Builder

READ_AT_ONCE = 4096  # one by one takes ten times as long

Way = tuple[str, ...]


class Part(NamedTuple):
    """Words, and for each the ways to say it, every way a tuple of phonemes without stress."""

    words: list[str]
    ways: list[list[Way]]


class Pronunciations(NamedTuple):
    """No word stands in two of the parts."""

    train: Part
    validation: Part
    test: Part


def load_pronunciations(
    percent: int = 100, data_dir: str | os.PathLike | None = None
) -> Pronunciations:
    """All 117,493 words, or the first of each part in the alphabet; prepared in `data_dir` at need."""
    data_dir = os.fspath(data_dir or cache_folder() / "tensorflow_datasets")
    Builder(data_dir=data_dir).download_and_prepare()
    return Pronunciations(
        *(_read(f"{part}[:{percent}%]", data_dir) for part in Pronunciations._fields)
    )


def _read(split: str, data_dir: str) -> Part:
    part = Part([], [])
    dataset = tfds.load("pronunciations", split=split, data_dir=data_dir)
    for batch in tfds.as_numpy(dataset.batch(READ_AT_ONCE)):
        part.words.extend(word.decode() for word in batch["word"])
        part.ways.extend(
            [tuple(way.split(" ")) for way in ways.decode().split("\n")] for ways in batch["ways"]
        )
    return part
