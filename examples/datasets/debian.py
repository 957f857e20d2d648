"""Files that live inside packages of the Debian archive, unpacked without installing them."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from .archives import cache_folder, fetch, network_advice, run_client

UNREACHABLE = ("Could not resolve", "Could not connect", "Connection", "Temporary failure")


class DebianPackage(NamedTuple):
    """A pinned version of a package and the sha256 of its .deb archive."""

    name: str
    version: str
    sha256: str


def unpack_debian_package(package: DebianPackage, folder: Path) -> None:
    """Put the package's files below `folder`, as they would lie below / when installed."""
    archive = fetch_debian_package(package)
    command = [_tool("dpkg-deb"), "--extract", str(archive), str(folder)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def fetch_debian_package(package: DebianPackage) -> Path:
    """The package's archive in the cache, verified; apt-get downloads it when it is not there."""
    folder = cache_folder() / "debian" / f"{package.name}-{package.version}"
    return fetch(folder, package.sha256, lambda downloads: _run_apt_get(package, downloads))


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(
            f"This data comes in a Debian package, and {name} is not on the PATH: it can be read on "
            "Debian and its relatives only."
        )
    return found


def _run_apt_get(package: DebianPackage, downloads: Path) -> None:
    pinned = f"{package.name}={package.version}"
    command = [_tool("apt-get"), "download", pinned, "-o", "Acquire::Retries=0"]
    command += ["-o", "Acquire::http::Timeout=15", "-o", "Acquire::https::Timeout=15"]
    command += ["-o", "APT::Sandbox::User=root"]  # else a warning: `downloads` is ours alone
    done = run_client(command, pinned, cwd=downloads)
    if done.returncode:
        error, advice = _failure(done.stderr)
        raise error(
            f"apt-get could not download {pinned} (exit status {done.returncode}). "
            f"It said:\n{done.stderr.strip()[-1500:]}\n{advice}"
        )


def _failure(said: str) -> tuple[type[Exception], str]:
    """The exception and the advice that fit what apt-get said."""
    if any(words in said for words in UNREACHABLE):
        return ConnectionError, network_advice()
    if "Unable to locate package" in said or "not found" in said:
        return FileNotFoundError, (
            "Run `apt-get update` first, or take a release of Debian that has this version."
        )
    return RuntimeError, "Check that `apt-get download` works on this machine."
