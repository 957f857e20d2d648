import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--full", action="store_true", help="the full product of the conformance matrix"
    )


@pytest.fixture(autouse=True)
def _same_seed():
    import keras

    keras.utils.set_random_seed(1)
