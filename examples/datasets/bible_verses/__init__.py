"""The verses of the Bible in English and Spanish, prepared once and then read with TFDS."""

import os
from typing import NamedTuple

import tensorflow_datasets as tfds

from ..archives import cache_folder
from .bible_verses_dataset_builder import Builder

READ_AT_ONCE = 4096  # one by one takes ten times as long


class Verses(NamedTuple):
    """Verses that say the same, by their number, and where they stand, such as "Psalms 23:1"."""

    places: list[str]
    english: list[str]
    spanish: list[str]


class Bible(NamedTuple):
    """No verse of `validation` and `test` has the words of a verse of `train` in either language."""

    train: Verses
    validation: Verses
    test: Verses


def load_bible_verses(
    longest: int | None = None, data_dir: str | os.PathLike | None = None
) -> Bible:
    """The verses of at most `longest` words on both sides; prepared under `data_dir` at need."""
    data_dir = os.fspath(data_dir or cache_folder() / "tensorflow_datasets")
    Builder(data_dir=data_dir).download_and_prepare()
    return Bible(*(_read(split, longest, data_dir) for split in Bible._fields))


def _read(split: str, longest: int | None, data_dir: str) -> Verses:
    verses = Verses([], [], [])
    dataset = tfds.load("bible_verses", split=split, data_dir=data_dir)
    columns = ("book", "chapter", "verse", "english", "spanish")
    for batch in tfds.as_numpy(dataset.batch(READ_AT_ONCE)):
        rows = zip(*(batch[column] for column in columns), strict=True)
        for book, chapter, verse, *sides in rows:
            english, spanish = (side.decode() for side in sides)
            if longest is None or max(len(english.split()), len(spanish.split())) <= longest:
                verses.places.append(f"{book.decode()} {chapter}:{verse}")
                verses.english.append(english)
                verses.spanish.append(spanish)
    return verses
