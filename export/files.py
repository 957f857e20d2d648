"""Output paths: checked before any work, written under a temporary name, renamed at the end."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_file(path, suffix: str) -> Iterator[Path]:
    """A temporary file that takes the place of `path` when the block ends without an exception.

    Raises:
        ValueError: The name does not end in `suffix`.
        IsADirectoryError: `path` is a folder.
        FileNotFoundError, NotADirectoryError, PermissionError: The folder of `path` is missing, is
            a file, cannot be written to.
    """
    path = _resolved(path)
    if path.suffix != suffix:
        raise ValueError(f"The file's name must end in {suffix!r}. Received: {str(path)!r}")
    if path.is_dir():
        raise IsADirectoryError(f"A file is to be written, this is a folder: {str(path)!r}")
    temporary = _beside(path)
    _create(temporary, lambda: temporary.touch(exist_ok=False))
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path) -> Iterator[Path]:
    """A temporary folder that takes the place of the SavedModel `path` when the block succeeds.

    Raises:
        FileExistsError: `path` is a folder with other things in it than a SavedModel.
        NotADirectoryError: `path` is a file.
        FileNotFoundError, NotADirectoryError, PermissionError: As in `new_file`.
    """
    path = _resolved(path)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"A folder is to be written, this is a file: {str(path)!r}")
    if path.is_dir() and any(path.iterdir()) and not is_saved_model(path):
        raise FileExistsError(
            "This folder holds something else than a SavedModel, which an export would delete. "
            f"Name another one or empty it first: {str(path)!r}"
        )
    temporary, old = _beside(path), _beside(path)
    _create(temporary, temporary.mkdir)
    try:
        yield temporary
        if path.exists():
            os.rename(path, old)
        try:
            os.rename(temporary, path)
        except BaseException:
            if old.exists():
                os.rename(old, path)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def is_saved_model(path: Path) -> bool:
    return (path / "saved_model.pb").is_file()


def _resolved(path) -> Path:
    """The path a link points to: the link stays, what it names is replaced."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"A path is a string or a pathlib.Path. Received: {path!r}")
    return Path(os.path.realpath(path))


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def _create(temporary: Path, create) -> None:
    folder = temporary.parent
    if not folder.exists():
        raise FileNotFoundError(f"There is no folder {str(folder)!r}. Create it first.")
    if not folder.is_dir():
        raise NotADirectoryError(f"This is a file, not a folder: {str(folder)!r}")
    try:
        create()
    except OSError as error:
        raise PermissionError(
            f"Nothing can be written into the folder {str(folder)!r}: {error.strerror}"
        ) from error
