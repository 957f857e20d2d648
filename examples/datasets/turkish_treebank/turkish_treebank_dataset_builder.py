"""TFDS builder of the Turkish Web Treebank that the package turkish-treebanks carries."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from ..packages import Package, read_package_file

TREEBANKS = Package(
    name="turkish-treebanks",
    version="1.0.0",
    sha256="5a009c29a8e96e8f7e25059d59ac293c3baead6d746bf0fa4c9d3349b1e37ba0",
)
SECTIONS = ("web", "wiki")
PLACES = {"train": range(8), "validation": (8,), "test": (9,)}  # among ten sentences in a row
TAGS = [
    *("ADJ", "ADP", "ADV", "AFFIX", "CONJ", "DET", "NOUN"),
    *("NUM", "ONOM", "PRON", "PRT", "PUNCT", "VERB", "X"),
]


def blocks(section: str, split: str) -> list[str]:
    """The sentences of one split of a section, each as its lines of CoNLL-U."""
    stored = read_package_file(TREEBANKS, f"data/{section}.conllu").decode()
    found = stored.strip().split("\n\n")
    return [block for place, block in enumerate(found) if place % 10 in PLACES[split]]


class Builder(tfds.dataset_builders.ConllUDatasetBuilder):
    """One example per sentence."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [
        tfds.dataset_builders.ConllUBuilderConfig(
            name="coarse",
            description="Coarse parts of speech",
            language="tr",
            features=OrderedDict(
                tokens=tfds.features.Sequence(tfds.features.Text()),
                upos=tfds.features.Sequence(tfds.features.ClassLabel(names=TAGS)),
                glued=tfds.features.Sequence(np.int64),
            ),
        )
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=self.builder_config.features_dict,
            homepage="https://github.com/google-research-datasets/turkish-treebanks",
            disable_shuffling=True,  # keeps the package's order
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        del dl_manager  # pip downloads: it checks the pinned sha256
        return {split: self._generate_examples(split) for split in PLACES}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict]]:
        with TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{section}.conllu" for section in SECTIONS]
            for path in paths:
                text = "\n\n".join(blocks(path.stem, split)) + "\n\n"
                path.write_text(text, encoding="utf-8")
            yield from super()._generate_examples(paths, process_example_fn=_example)


def _example(sentence, example_id: int, features) -> dict[str, list]:
    """What is read of a parsed sentence."""
    del example_id, features
    close = [(token["misc"] or {}).get("SpaceAfter") == "No" for token in sentence]
    return {
        "tokens": [token["form"] for token in sentence],
        "upos": [token["upos"] for token in sentence],
        "glued": [int(before) for before in [False, *close[:-1]]],
    }
