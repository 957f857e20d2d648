"""Files that appear in a folder all together, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced_files(folder, names: Collection[str]) -> Iterator[Path]:
    """A temporary folder; what is put there under `names` is moved into `folder` in the end.

    A new `folder` appears at once. In one that exists, each of the `names` is replaced, those that were
    not written again are removed, and other files stay. After an exception all is as before.

    Raises:
        NotADirectoryError: `folder` is a file.
        IsADirectoryError: One of the names is a folder.
        FileNotFoundError: The folder above it is missing.
        OSError: Of the kind that the system gives, where nothing can be written.
    """
    folder = Path(os.path.realpath(folder))
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"A folder is to be written, this is a file: {str(folder)!r}")
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(folder.parent)!r} to make a new one in")
    for name in names:
        if (folder / name).is_dir():
            raise IsADirectoryError(f"A file is to be written, this is a folder: {folder / name}")
    # Within a folder that exists, which may be the only writable one or a file system of its own.
    beside = folder if folder.exists() else folder.parent
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=beside))
    try:
        made = scratch / "made"  # with the usual permissions, unlike `scratch`
        made.mkdir()
        yield made
        if not folder.exists():
            os.rename(made, folder)
        else:
            _move_each(made, folder, names)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _move_each(made: Path, folder: Path, names: Collection[str]) -> None:
    for name in names:
        if (made / name).exists():
            os.replace(made / name, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
