"""Words in their usage sentences with their senses, prepared once and then read with TFDS."""

import os

import tensorflow_datasets as tfds

from ..archives import cache_folder
from .senses_dataset_builder import Builder
from .usages import Usage

READ_AT_ONCE = 4096  # one by one takes ten times as long


def load_senses(data_dir: str | os.PathLike | None = None) -> list[Usage]:
    """All usages in WordNet's order; prepared under `data_dir` when they are not."""
    data_dir = os.fspath(data_dir or cache_folder() / "tensorflow_datasets")
    Builder(data_dir=data_dir).download_and_prepare()
    dataset, info = tfds.load("senses", split="train", data_dir=data_dir, with_info=True)
    supersenses = info.features["supersense"].names
    columns = ("tokens", "target", "lemma", "sense", "supersense")
    return [
        Usage(
            tuple(tokens.decode().split(" ")),
            int(target),
            lemma.decode(),
            sense.decode(),
            supersenses[supersense],
        )
        for batch in tfds.as_numpy(dataset.batch(READ_AT_ONCE))
        for tokens, target, lemma, sense, supersense in zip(
            *[batch[column] for column in columns], strict=True
        )
    ]
