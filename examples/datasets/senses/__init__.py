"""Words in their usage sentences with their senses, prepared once and then read with TFDS."""

import os

import tensorflow_datasets as tfds

from ..archives import cache_folder
from .senses_dataset_builder import Builder
from .usages import Usage


def load_senses(data_dir: str | os.PathLike | None = None) -> list[Usage]:
    """All usages in WordNet's order; prepared under `data_dir` when they are not."""
    data_dir = os.fspath(data_dir or cache_folder() / "tensorflow_datasets")
    Builder(data_dir=data_dir).download_and_prepare()
    dataset, info = tfds.load("senses", split="train", data_dir=data_dir, with_info=True)
    supersenses = info.features["supersense"].names
    return [
        Usage(
            tokens=tuple(example["tokens"].decode().split(" ")),
            target=int(example["target"]),
            lemma=example["lemma"].decode(),
            sense=example["sense"].decode(),
            supersense=supersenses[example["supersense"]],
        )
        for example in tfds.as_numpy(dataset)
    ]
