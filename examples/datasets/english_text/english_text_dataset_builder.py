"""TFDS builder of English texts that packages carry, split into sentences of words."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from ..english import tokenized_sentences
from .sources import SOURCES

VALID_FROM, TEST_FROM = 1996, 2006  # years of speeches


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example per document with words: its title, its year (0: not known) and its sentences."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=name, description=source.__doc__)
        for name, source in SOURCES.items()
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "title": tfds.features.Text(),
                    "year": np.int64,
                    "sentences": tfds.features.Sequence(tfds.features.Text()),
                }
            ),
            disable_shuffling=True,  # keeps the texts in order
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        del dl_manager  # the packages' own clients download: their sha256 is pinned
        if self.builder_config.name != "speeches":
            return {"train": self._generate_examples()}
        return {
            "train": self._generate_examples(lambda year: year < VALID_FROM),
            "validation": self._generate_examples(lambda year: VALID_FROM <= year < TEST_FROM),
            "test": self._generate_examples(lambda year: year >= TEST_FROM),
        }

    def _generate_examples(self, wanted: Callable[[int], bool] = lambda year: True):
        documents = SOURCES[self.builder_config.name]()
        for index, (title, year, text) in enumerate(documents):
            if wanted(year) and (sentences := tokenized_sentences(text)):
                yield index, {"title": title, "year": year, "sentences": sentences}
