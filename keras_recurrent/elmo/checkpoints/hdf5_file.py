"""Weights in an HDF5 file, read with suspicion: such files are passed on from person to person.

HDF5 can point to other files (external links, virtual datasets, external storage), run plug-ins
(filters), and declare terabytes in a few bytes. Nothing of it occurs in published weights; all of it is
refused before a value is read.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from keras_recurrent.elmo.checkpoints.errors import CheckpointError

MOST_OBJECTS = 10_000
DEEPEST = 16
COMPRESSION_LIMIT = 64  # declared size over stored size; trained weights hardly compress at all
SMALL = 4096  # bytes; below, compression may be as good as it likes
_FILTERS = {  # that come with h5py
    h5py.h5z.FILTER_DEFLATE,
    h5py.h5z.FILTER_SHUFFLE,
    h5py.h5z.FILTER_FLETCHER32,
    h5py.h5z.FILTER_LZF,
}
_FAILURES = (OSError, RuntimeError, KeyError, ValueError, TypeError)  # h5py's, on damaged files


class Hdf5Weights:
    """The datasets of an open file: `shapes` of all, and `read` of one, float32 or float64."""

    def __init__(self, path: Path, file: h5py.File):
        self.source = str(path)
        self._file = file
        with self._damage("its list of datasets"):
            self.shapes = dict(self._datasets())

    def read(self, name: str) -> np.ndarray:
        """The values; the caller has compared the shape with what is expected.

        Raises:
            CheckpointError: The values are not stored in this file as plain numbers, or are damaged.
        """
        with self._damage(f"dataset {name!r} of shape {self.shapes[name]}"):
            dataset = self._file[name]
            problem = _problem(dataset)
            if problem:
                raise CheckpointError(f"{self.source}: dataset {name!r} {problem}")
            values = dataset[...]
        native = values.dtype.newbyteorder("=")
        return values.astype(np.promote_types(native, np.float32), copy=False)

    def _datasets(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        waiting, seen = [(self._file, "")], 0
        while waiting:
            group, prefix = waiting.pop()
            for name in group:
                seen += 1
                path = prefix + name
                if seen > MOST_OBJECTS or path.count("/") > DEEPEST:
                    raise CheckpointError(
                        f"{self.source} has more than {MOST_OBJECTS} objects, or a group inside "
                        f"itself, at {path[:200]!r}. Published weights have a few dozen datasets."
                    )
                found = self._object(group, name, path)
                if isinstance(found, h5py.Group):
                    waiting.append((found, path + "/"))
                else:
                    yield path, found.shape

    def _object(self, group, name, path):
        """What the name stands for, if it is a group or a dataset of this very file."""
        link = group.get(name, getlink=True)
        if link is None:
            raise KeyError(f"{path!r} stands for nothing")
        if not isinstance(link, h5py.HardLink):
            raise CheckpointError(
                f"{self.source}: {path!r} is a link ({type(link).__name__}), which weights have no need "
                "of and which may lead to another file. Write the values themselves."
            )
        found = group[name]
        if not isinstance(found, h5py.Group | h5py.Dataset):
            raise CheckpointError(
                f"{self.source}: {path!r} is a {type(found).__name__}, no dataset of weights"
            )
        return found

    @contextmanager
    def _damage(self, what: str):
        """What h5py raises on a damaged file, as an error that names the file and the place."""
        try:
            yield
        except CheckpointError:
            raise
        except _FAILURES as error:
            raise CheckpointError(f"{self.source} is damaged at {what}: {error}") from None


@contextmanager
def open_hdf5(path: Path) -> Iterator[Hdf5Weights]:
    """Open the file for reading.

    Raises:
        CheckpointError: It is no HDF5 file, is cut off, or holds what weights do not need.
    """
    try:
        file = h5py.File(os.fspath(path), "r")
    except _FAILURES as error:
        raise CheckpointError(
            f"{path} is no HDF5 file that can be read, or is cut off: {error}"
        ) from None
    with file:
        yield Hdf5Weights(path, file)


def write_hdf5(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write float32 datasets as bilm-tf does: contiguous, without compression or attributes."""
    with h5py.File(os.fspath(path), "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=np.asarray(array, np.float32))


def _problem(dataset: h5py.Dataset) -> str | None:
    """What keeps a dataset from being read."""
    dtype = dataset.dtype
    if dtype.kind != "f" or dtype.itemsize not in (2, 4, 8):
        return f"of shape {dataset.shape} must hold float32 numbers. Received: {dtype}"
    if dataset.is_virtual:
        return "is virtual: its values lie in other files. Write the values themselves."
    if dataset.external:
        return "keeps its values in another file. Write the values themselves."
    creation = dataset.id.get_create_plist()
    used = {creation.get_filter(i)[0] for i in range(creation.get_nfilters())}
    if not used <= _FILTERS:
        return f"is stored through filters {sorted(used - _FILTERS)}. Use gzip, lzf or none."
    stored = dataset.id.get_storage_size()
    declared = dataset.size * dtype.itemsize
    chunk = 0 if dataset.chunks is None else int(np.prod(dataset.chunks, dtype=object))
    limit = max(stored, SMALL) * COMPRESSION_LIMIT if used else stored
    if declared > limit or (used and chunk * dtype.itemsize > limit):
        return (
            f"of shape {dataset.shape} declares {declared} bytes and stores {stored}: the file is cut "
            "off, was never filled, or unpacks to something absurd"
        )
    return None
