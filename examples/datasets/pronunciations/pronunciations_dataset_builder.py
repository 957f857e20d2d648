"""TFDS builder of English words and the ways to say them."""

import tensorflow_datasets as tfds

from ..splits import part_of
from .cmudict import read_dictionary, without_stress


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example per word."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {"word": tfds.features.Text(), "ways": tfds.features.Text()}
            ),
            homepage="http://www.speech.cs.cmu.edu/cgi-bin/cmudict",
            disable_shuffling=True,  # keeps the order of the alphabet
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        del dl_manager  # pip downloads: it checks the pinned sha256
        parts: dict[str, list] = {"train": [], "validation": [], "test": []}
        for word, ways in read_dictionary().items():
            parts[part_of(word)].append((word, without_stress(ways)))
        return {name: self._generate_examples(part) for name, part in parts.items()}

    def _generate_examples(self, part: list):
        for index, (word, ways) in enumerate(part):
            yield index, {"word": word, "ways": "\n".join(map(" ".join, ways))}
