"""TFDS builder of the verses of the Bible in English and Spanish."""

import re
from collections.abc import Iterable

import numpy as np
import tensorflow_datasets as tfds

from ..splits import part_of
from ..sword import REINA_VALERA, WORLD_ENGLISH, Place, plain, read_bible

MOST_WORDS = 100

Pair = tuple[Place, str, str]


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example per verse that both translations have."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "book": tfds.features.Text(),
                    "chapter": np.int64,
                    "verse": np.int64,
                    "english": tfds.features.Text(),
                    "spanish": tfds.features.Text(),
                }
            ),
            homepage="https://ebible.org",
            disable_shuffling=True,  # keeps the Bible's order
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        del dl_manager  # apt downloads: the pinned sha256 is checked
        return {name: self._generate_examples(part) for name, part in split(read_pairs()).items()}

    def _generate_examples(self, part: list[Pair]):
        for index, (place, english, spanish) in enumerate(part):
            yield index, {**place._asdict(), "english": english, "spanish": spanish}


def read_pairs() -> Iterable[Pair]:
    """Verses in order, with single spaces; the few that differ in what they hold are left out."""
    spanish = read_bible(REINA_VALERA)
    for place, marked in read_bible(WORLD_ENGLISH).items():
        sides = [plain(text).split() for text in (marked, spanish.get(place, ""))]
        if all(sides) and max(map(len, sides)) <= MOST_WORDS:
            yield place, *map(" ".join, sides)


def split(pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
    """The parts; what either side says in `train` is left out of the others."""
    parts: dict[str, list[Pair]] = {"train": [], "validation": [], "test": []}
    for pair in pairs:
        parts[part_of(" ".join(map(str, pair[0])))].append(pair)
    known = {words(side) for _, *sides in parts["train"] for side in sides}
    for name in ("validation", "test"):
        parts[name] = [p for p in parts[name] if known.isdisjoint(map(words, p[1:]))]
    return parts


def words(text: str) -> str:
    """A verse without what its words do not change: marks and capitals."""
    return " ".join(re.findall(r"\w+", text.lower()))
