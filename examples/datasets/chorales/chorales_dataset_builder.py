"""TFDS builder of Bach's four-part chorales, from the scores that music21 carries."""

import hashlib

import numpy as np
import tensorflow_datasets as tfds

from .scores import VOICES, Chorale, read_chorales
from .tunes import group_by_tune

SPLITS = {"train": range(0, 8), "validation": range(8, 9), "test": range(9, 10)}


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example per chorale."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        shape = (None, len(VOICES))
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "name": tfds.features.Text(),
                    "pitches": tfds.features.Tensor(shape=shape, dtype=np.int32),
                    "attacks": tfds.features.Tensor(shape=shape, dtype=np.bool_),
                    "sharps": np.int64,
                    "minor": np.bool_,
                    "beats": np.int64,
                    "upbeat": np.int64,
                    "tune": tfds.features.Text(),
                }
            ),
            homepage="https://www.music21.org/",
            disable_shuffling=True,  # by name, so that every preparation gives the same order
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        del dl_manager  # the scores come with an installed package
        chorales = list(read_chorales())
        groups = group_by_tune([chorale.pitches[:, 0] for chorale in chorales])
        tunes = [chorales[number].name for number in groups]
        return {
            split: self._generate_examples(chorales, tunes, own) for split, own in SPLITS.items()
        }

    def _generate_examples(self, chorales: list[Chorale], tunes: list[str], own: range):
        for index, (chorale, tune) in enumerate(zip(chorales, tunes, strict=True)):
            if tenth_of(tune) in own:
                yield index, {**chorale._asdict(), "tune": tune}


def tenth_of(tune: str) -> int:
    """0 to 9, by a hash: which split a tune is in."""
    return int.from_bytes(hashlib.sha256(tune.encode()).digest()[:8]) % 10
