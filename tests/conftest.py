import importlib.util
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--full", action="store_true", help="the full product of the conformance matrix"
    )
    parser.addoption(
        "--gpu", action="store_true", help="also what needs an NVIDIA GPU: cuDNN itself"
    )
    parser.addoption(
        "--web", action="store_true", help="also tests/web: needs node, @litertjs/core and Chromium"
    )


def pytest_ignore_collect(collection_path, config):
    """Without --web not even a skipped test of these: `make test` needs nothing but pip."""
    in_web = collection_path == Path(__file__).parent / "web"
    return True if in_web and not config.getoption("--web") else None


def pytest_configure(config):
    config.addinivalue_line("markers", "gpu: needs an NVIDIA GPU; runs with --gpu")
    if not config.getoption("--gpu"):
        return
    import tensorflow as tf

    from keras_recurrent.engines import cudnn

    if not cudnn.visible_gpus():
        raise pytest.UsageError(
            "--gpu needs an NVIDIA GPU that TensorFlow can see, and there is none: check nvidia-smi, "
            "CUDA_VISIBLE_DEVICES and that tensorflow[and-cuda] is installed (make test-gpu does so)."
        )
    # Tensor cores would round every product to 10 bits.
    tf.config.experimental.enable_tensor_float_32_execution(False)


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--gpu"):
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs --gpu and an NVIDIA GPU"))


@pytest.fixture(autouse=True)
def _same_seed():
    import keras

    keras.utils.set_random_seed(1)


def _missing_runtime(module: str, how: str):
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
            _missing_runtime(module, how)

    return check


@pytest.fixture
def micro(needs_runtime):
    """For tests that run TFLM."""
    needs_runtime("tflite_micro")
