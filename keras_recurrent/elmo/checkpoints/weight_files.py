"""Open a file of weights of either kind, compare it with a layout, read it."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np

from keras_recurrent.elmo.checkpoints.errors import CheckpointError
from keras_recurrent.elmo.checkpoints.hdf5_file import open_hdf5
from keras_recurrent.elmo.checkpoints.layout import Entry
from keras_recurrent.elmo.checkpoints.tf1_file import Tf1Weights, tf1_prefix

_SHOWN = 3


class Weights(Protocol):
    """An open file: the shape of every dataset by name (None where it has none), and its values."""

    source: str
    shapes: dict[str, tuple[int, ...] | None]

    def read(self, name: str) -> np.ndarray: ...


@contextmanager
def open_weights(path) -> Iterator[Weights]:
    """An HDF5 file, or a checkpoint of TensorFlow 1 by its prefix or folder.

    Raises:
        FileNotFoundError: There is neither.
        CheckpointError: The file is not of that kind, is damaged, or refers to other files.
    """
    path = Path(path)
    prefix = tf1_prefix(path)
    if prefix is not None:
        yield Tf1Weights(prefix)
    elif path.is_file():
        if not h5py.is_hdf5(path):
            raise CheckpointError(
                f"{path} is neither an HDF5 file nor belongs to a checkpoint of TensorFlow 1 "
                "(PREFIX.index beside PREFIX.data-00000-of-00001)"
            )
        with open_hdf5(path) as weights:
            yield weights
    else:
        raise FileNotFoundError(
            f"There is no file {str(path)!r}, nor a checkpoint of TensorFlow 1 with that prefix or in "
            "that folder"
        )


def read_entries(
    weights: Weights, entries: Iterable[Entry], ignored: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Dataset -> values of a whole layout, checked before the first is read.

    Args:
        ignored: First parts of names that may be in the file without being in the layout.

    Raises:
        CheckpointError: A dataset is missing, has another shape, is not in the layout, or holds other
            things than finite floating-point numbers. The message names it and both shapes.
    """
    entries = list(entries)
    problems = _some(_mismatches(weights, entries)) + _some(_strangers(weights, entries, ignored))
    if problems:
        raise CheckpointError(
            f"{weights.source} does not fit the options: {'; '.join(problems)}. Nothing was loaded. "
            "Check that both files belong together."
        )
    return {entry.name: _finite(weights, entry.name) for entry in entries}


def _some(problems: Iterator[str]) -> list[str]:
    found = list(problems)
    more = len(found) - _SHOWN
    return [*found[:_SHOWN], f"and {more} more of this kind"] if more > 0 else found


def _mismatches(weights, entries) -> Iterator[str]:
    for entry in entries:
        if entry.name not in weights.shapes:
            yield f"there is no dataset {entry.name!r} of shape {entry.shape}"
        elif weights.shapes[entry.name] != entry.shape:
            found = weights.shapes[entry.name]
            yield f"dataset {entry.name!r} must have shape {entry.shape}, it has {found}"


def _strangers(weights, entries, ignored) -> Iterator[str]:
    known = {entry.name for entry in entries}
    for name, shape in sorted(weights.shapes.items()):
        if name not in known and name.partition("/")[0] not in ignored:
            yield f"dataset {name!r} of shape {shape} is in no place of this model"


def _finite(weights, name) -> np.ndarray:
    values = weights.read(name)
    with np.errstate(over="ignore"):  # what float32 cannot hold is not finite below
        finite = np.isfinite(values.astype(np.float32, copy=False))
    if not finite.all():
        bad = ~finite
        raise CheckpointError(
            f"{weights.source}: dataset {name!r} of shape {values.shape} holds {int(bad.sum())} values "
            f"that float32 has no finite number for. First at {tuple(np.argwhere(bad)[0].tolist())}: "
            f"{values[bad][0]}"
        )
    return values
