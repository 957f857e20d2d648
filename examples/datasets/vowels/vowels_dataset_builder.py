"""TFDS builder of the Japanese Vowels data that the package aeon carries."""

import numpy as np
import tensorflow_datasets as tfds

from ..packages import Package, read_package_file

AEON = Package(
    name="aeon",
    version="1.6.0",
    sha256="d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409",
)
FILE = "aeon/datasets/data/JapaneseVowels/JapaneseVowels_{}.ts"
CHANNELS, SPEAKERS = 12, 9


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example per utterance."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "series": tfds.features.Tensor(shape=(None, CHANNELS), dtype=np.float32),
                    "speaker": tfds.features.ClassLabel(num_classes=SPEAKERS),
                }
            ),
            supervised_keys=("series", "speaker"),
            homepage="https://archive.ics.uci.edu/dataset/128/japanese+vowels",
            disable_shuffling=True,  # keeps the package's order
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        del dl_manager  # pip downloads: it checks the pinned sha256
        return {"train": self._generate_examples("TRAIN"), "test": self._generate_examples("TEST")}

    def _generate_examples(self, split: str):
        for index, (series, speaker) in enumerate(
            read_ts(read_package_file(AEON, FILE.format(split)))
        ):
            yield index, {"series": series, "speaker": speaker}


def read_ts(content: bytes):
    """The series `(T, 12)` of a .ts file and their speakers, numbered from 0.

    A line has the values of each channel, separated by commas, and the speaker, 1 to 9; colons
    stand between.
    """
    for number, line in enumerate(content.decode().splitlines(), 1):
        if not line.strip() or line[0] in "#@":
            continue
        *channels, speaker = line.split(":")
        values = [np.array(channel.split(","), np.float32) for channel in channels]
        if len(values) != CHANNELS or len({len(channel) for channel in values}) != 1:
            raise ValueError(
                f"Line {number} should hold {CHANNELS} channels of one length, found the lengths "
                f"{[len(channel) for channel in values]}. Check the package's version."
            )
        yield np.stack(values, axis=1), int(speaker) - 1
