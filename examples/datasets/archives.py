"""Archives of packages: downloaded once, checked against a pinned sha256, read in place."""

import fnmatch
import hashlib
import os
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

LIMIT_SECONDS = 300  # the clients' own time-outs are per connection: a slow link needs an end


def cache_folder() -> Path:
    """Where data is kept: $KERAS_RECURRENT_DATA, else ~/.cache/keras_recurrent."""
    chosen = os.environ.get("KERAS_RECURRENT_DATA")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "keras_recurrent"


def fetch(folder: Path, sha256: str, download: Callable[[Path], None]) -> Path:
    """The only archive in `folder`, verified; `download` puts it there when `folder` is missing.

    It is downloaded and checked beside `folder` and renamed at the end, so that nothing
    half-written or wrong is ever found there.
    """
    if folder.is_dir():
        archive = _only_file(folder)
        _verify(archive, sha256, "Delete its folder and run this again to download it afresh.")
        return archive
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as workplace:
        downloads = Path(workplace) / "downloads"
        downloads.mkdir()
        download(downloads)
        advice = "Use another package index, or correct the pinned version and sha256."
        _verify(_only_file(downloads), sha256, advice)
        try:
            downloads.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first: as good as ours
                raise
    return _only_file(folder)


def run_client(command: list[str], what: str, **options) -> subprocess.CompletedProcess:
    """Run a package client without input until it ends, at most `LIMIT_SECONDS`."""
    options |= {"stdin": subprocess.DEVNULL, "capture_output": True}
    options |= {"text": True, "errors": "replace", "timeout": LIMIT_SECONDS}
    try:
        return subprocess.run(command, **options)
    except subprocess.TimeoutExpired:
        raise TimeoutError(
            f"{Path(command[0]).name} did not finish downloading {what} within {LIMIT_SECONDS} s. "
            "Check the network connection and run this again."
        ) from None


def network_advice() -> str:
    """What to do where a client reached nothing."""
    return (
        "Check the network and the client's index settings, or point KERAS_RECURRENT_DATA at a "
        f"folder that already holds the package (now {cache_folder()})."
    )


def read_file(archive: Path, path: str) -> bytes:
    """The content of the file at `path` inside a zip or tar archive."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                return opened.read(path)
        with tarfile.open(archive) as opened:
            return opened.extractfile(path).read()
    except (KeyError, AttributeError):  # AttributeError: a folder in a tar archive has no reader
        raise FileNotFoundError(
            f"{archive.name} holds no file {path!r}. Check the path against the archive's listing."
        ) from None


def read_files(archive: Path, pattern: str) -> dict[str, bytes]:
    """Every file whose path matches a shell pattern (`*` goes over slashes too), by its path.

    The archive is gone through once. The paths are sorted.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            names = [info.filename for info in opened.infolist() if not info.is_dir()]
            found = {name: opened.read(name) for name in fnmatch.filter(names, pattern)}
    else:
        with tarfile.open(archive) as opened:
            found = {
                member.name: opened.extractfile(member).read()
                for member in opened
                if member.isfile() and fnmatch.fnmatchcase(member.name, pattern)
            }
    if not found:
        raise FileNotFoundError(
            f"{archive.name} holds no file like {pattern!r}. "
            "Check the pattern against the archive's listing."
        )
    return dict(sorted(found.items()))


def _only_file(folder: Path) -> Path:
    files = [path for path in folder.iterdir() if path.is_file()]
    if len(files) != 1:
        raise FileNotFoundError(
            f"{folder} should hold exactly one archive, found {sorted(p.name for p in files)}. "
            "Delete that folder and run this again to download the package."
        )
    return files[0]


def _verify(archive: Path, sha256: str, advice: str) -> None:
    with archive.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != sha256:
        raise ValueError(f"{archive} should have sha256 {sha256}, found {found}. {advice}")
