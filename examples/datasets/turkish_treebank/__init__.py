"""Turkish sentences with parts of speech, prepared once and then read with TFDS."""

import os
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from ..archives import cache_folder
from .turkish_treebank_dataset_builder import TAGS, Builder

__all__ = ["TAGS", "Sentence", "load_turkish_treebank"]


class Sentence(NamedTuple):
    """Tokens, which of them stand close to the one before, and the places of their tags in TAGS."""

    tokens: tuple[str, ...]
    glued: np.ndarray
    tags: np.ndarray


def load_turkish_treebank(split: str, data_dir: str | os.PathLike | None = None) -> list[Sentence]:
    """The sentences of "train" (3,881), "validation" or "test" (485 each), in the package's order.

    They are prepared under `data_dir` when they are not there.
    """
    data_dir = os.fspath(data_dir or cache_folder() / "tensorflow_datasets")
    builder = Builder(data_dir=data_dir)
    builder.download_and_prepare()
    return [
        Sentence(
            tuple(token.decode() for token in example["tokens"]), example["glued"], example["upos"]
        )
        for example in tfds.as_numpy(builder.as_dataset(split=split))
    ]
