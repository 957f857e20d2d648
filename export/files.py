"""Output paths: checked before any work, which is done elsewhere, and filled at the very end.

Until then nothing lies beside the target, so that a process that is ended leaves nothing there.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """What an exported folder holds, so that one that is there is known for what it is."""

    name: str
    mark: str
    parts: frozenset[str]


SAVED_MODEL = Kind(
    "a SavedModel",
    "saved_model.pb",
    frozenset(  # as TensorFlow and Keras have written them
        {
            "assets",
            "assets.extra",
            "debug",
            "fingerprint.pb",
            "keras_metadata.pb",
            "saved_model.cpb",
            "saved_model.pb",
            "saved_model.pbtxt",
            "variables",
        }
    ),
)
DECODER = Kind(
    "an exported decoder",
    "decoder.tflite",
    frozenset({"decoder.py", "decoder.tflite", "encoder.tflite", "stream.py"}),
)


@contextmanager
def new_file(path, suffix: str) -> Iterator[Path]:
    """A temporary file that takes the place of `path` when the block ends without an exception.

    Raises:
        ValueError: The name does not end in `suffix`.
        IsADirectoryError: `path` is a folder.
        FileNotFoundError, NotADirectoryError: The folder of `path` is missing, is a file.
        OSError: The folder takes no new files, of the kind that the system gives (PermissionError).
    """
    path = _resolved(path)
    if path.suffix != suffix:
        raise ValueError(f"The file's name must end in {suffix!r}. Received: {str(path)!r}")
    if path.is_dir():
        raise IsADirectoryError(f"A file is to be written, this is a folder: {str(path)!r}")
    _check_writable(path)
    with _scratch() as folder:
        made = folder / f"made{suffix}"
        yield made
        new = _beside(path)
        try:
            shutil.copyfile(made, new)
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)


@contextmanager
def new_folder(path, kind: Kind = SAVED_MODEL) -> Iterator[Path]:
    """A temporary folder that takes the place of `path` when the block succeeds.

    Raises:
        ValueError: `path` is the current working directory.
        FileExistsError: `path` is a folder with other things in it than what `kind` says.
        NotADirectoryError: `path` is a file.
        OSError: As in `new_file`.
    """
    path = _resolved(path)
    _check_replaceable(path, kind)
    _check_writable(path)
    with _scratch() as folder:
        made = folder / "made"
        made.mkdir()
        yield made
        new = _beside(path)
        try:
            shutil.copytree(made, new)
            _exchange(path, new)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def is_saved_model(path: Path) -> bool:
    return (path / SAVED_MODEL.mark).is_file()


def _check_replaceable(path: Path, kind: Kind) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise NotADirectoryError(f"A folder is to be written, this is a file: {str(path)!r}")
    if path.samefile("."):
        raise ValueError(
            "An export replaces the whole folder, which the current working directory must not be. "
            f"Name a new folder in it: {str(path / 'model')!r}"
        )
    entries = sorted(entry.name for entry in path.iterdir())
    known = kind.parts if kind.mark in entries else ()
    foreign = [name for name in entries if name not in known]
    if foreign:
        raise FileExistsError(
            f"This folder holds {foreign[0]!r}, which is no part of {kind.name} and would be "
            f"deleted by an export. Name another folder or empty it first: {str(path)!r}"
        )


def _exchange(path: Path, new: Path) -> None:
    """Put the folder `new` where `path` is; `path` stays as it is if that fails."""
    old = _beside(path)
    try:
        if path.exists():
            os.rename(path, old)
        os.rename(new, path)
    except BaseException:
        if old.exists() and not path.exists():
            os.rename(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _resolved(path) -> Path:
    """The path a link points to: the link stays, what it names is replaced."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"A path is a string or a pathlib.Path. Received: {path!r}")
    return Path(os.path.realpath(path))


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder to work in, where the system keeps its temporary files."""
    with tempfile.TemporaryDirectory(prefix="keras_recurrent-") as folder:
        yield Path(folder)


def _beside(path: Path) -> Path:
    """A new name in the same folder, short however long that of `path` is."""
    return path.with_name(f".{uuid.uuid4().hex[:8]}.tmp")


def _check_writable(path: Path) -> None:
    folder, probe = path.parent, _beside(path)
    if not folder.exists():
        raise FileNotFoundError(f"There is no folder {str(folder)!r}. Create it first.")
    if not folder.is_dir():
        raise NotADirectoryError(f"This is a file, not a folder: {str(folder)!r}")
    with suppress(FileNotFoundError):
        path.lstat()  # a name that is too long
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        # OSError makes the kind that belongs to the number: PermissionError, ...
        raise OSError(
            error.errno, f"The folder {str(folder)!r} takes no new files: {error.strerror}"
        ) from error
