"""Files that the authors of ELMo published: a tiny checkpoint and the vectors it gives.

Some lie inside a wheel of the Python Package Index, which is read as an archive. The vectors of all
layers are in no package: they are read from the folder `shared/data/elmo` beside the checkout, or
from the folder that $KERAS_RECURRENT_ELMO_DATA names.
"""

import io
import json
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from elmo.wheels import wheel_of

from examples.datasets.packages import Package

ALLENNLP = Package(
    "allennlp", "0.9.0", "353752e7b78e48c450e27889d80a3000c4a9af34f70ff9091b3031ad01320940"
)
FIXTURES = "allennlp/tests/fixtures/elmo/"
FOLDER_VARIABLE = "KERAS_RECURRENT_ELMO_DATA"
CHECKOUT = Path(__file__).resolve().parents[2]


class Files:
    """Published files by name: {name: bytes}."""

    def __init__(self, contents: dict[str, bytes]):
        self.contents = contents

    def text(self, name: str) -> str:
        return self.contents[name].decode("utf-8")

    def json(self, name: str):
        return json.loads(self.text(name))

    def write_model(self, folder: Path) -> list[Path]:
        """The paths of the options and of the weights, written into `folder`."""
        paths = [folder / name for name in ("options.json", "lm_weights.hdf5")]
        for path in paths:
            path.write_bytes(self.contents[path.name])
        return paths

    def datasets(self, name: str) -> dict[str, np.ndarray]:
        """Every dataset of an hdf5 file, by its path."""
        found = {}

        def keep(path, item):
            if isinstance(item, h5py.Dataset):
                found[path] = item[()]

        with h5py.File(io.BytesIO(self.contents[name]), "r") as file:
            file.visititems(keep)
        return found


def wheel_files() -> Files:
    """Out of the pinned wheel."""
    with zipfile.ZipFile(wheel_of(ALLENNLP)) as wheel:
        names = [n for n in wheel.namelist() if n.startswith(FIXTURES) and not n.endswith("/")]
        return Files({name.removeprefix(FIXTURES): wheel.read(name) for name in names})


def folder_files() -> Files:
    """Out of the folder with the vectors of all layers; a skip where there is none."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    folder = Path(chosen) if chosen else CHECKOUT.parent / "shared" / "data" / "elmo"
    if not folder.is_dir():
        pytest.skip(f"the published vectors of all layers are not here: set {FOLDER_VARIABLE}")
    return Files({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})
