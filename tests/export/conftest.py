"""What the tests of exports share."""

import importlib.util
import os

import pytest


def missing_runtime(module: str, how: str):
    """A runtime is not here: a failure where the suite must be complete, else a reason to skip."""
    message = f"{module} is not installed: {how}"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def needs_runtime():
    """A function that lets a test go on if a Python package with a runtime is there."""

    def check(module: str, how: str = "pip install 'keras-recurrent[export,micro]'"):
        if importlib.util.find_spec(module) is None:
            missing_runtime(module, how)

    return check


@pytest.fixture
def micro(needs_runtime):
    """For tests that run TFLM."""
    needs_runtime("tflite_micro")
