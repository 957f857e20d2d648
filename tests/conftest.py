import functools
import gc
import importlib.util
import itertools
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest

# A process that has traced hundreds of graphs spends a tenth of its time looking for garbage.
gc.set_threshold(100_000, 50, 100)


def pytest_addoption(parser):
    parser.addoption(
        "--full", action="store_true", help="the full product of the conformance matrix"
    )
    parser.addoption(
        "--gpu", action="store_true", help="also what needs an NVIDIA GPU: cuDNN itself"
    )
    parser.addoption(
        "--examples", action="store_true", help="the quick form of every example, not of one alone"
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
    config.addinivalue_line("markers", "children: waits minutes for child processes; begins first")
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
    _children_first(items)
    if not config.getoption("--gpu"):
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs --gpu and an NVIDIA GPU"))


def _children_first(items) -> None:
    """Files that wait for children to the front of both halves of the list, in turn.

    pytest-xdist's `worksteal` gives each of two workers one half, which it runs in order, and steals
    from the end: so the children of both run beside each other, no worker waits for another to make
    what they share, and only short tests are left to the end.
    """
    files, others = {}, []
    for item in items:
        if item.get_closest_marker("children"):
            files.setdefault(item.path, []).append(item)
        else:
            others.append(item)
    groups = list(files.values())
    first, second = (list(itertools.chain(*groups[start::2])) for start in (0, 1))
    half = max(0, len(items) // 2 - len(first))
    items[:] = [*first, *others[:half], *second, *others[half:]]


@pytest.fixture(autouse=True)
def _same_seed():
    import keras

    keras.utils.set_random_seed(1)


# Elsewhere the steps of `fit` are traced as users have them.
TRACED_ONCE = {"training", "engines", "layers"}


@pytest.fixture(autouse=True)
def _optimizer_is_built_before_fit(request, monkeypatch):
    """Keras traces the first step twice where that step makes the optimizer's variables."""
    if request.path.parent.name not in TRACED_ONCE:
        return
    import keras

    def built_first(train):
        @functools.wraps(train)
        def method(model, *args, **options):
            optimizer = getattr(model, "optimizer", None)
            if optimizer is not None and model.built and not optimizer.built:
                optimizer.build(model.trainable_variables)
            return train(model, *args, **options)

        return method

    for name in ("fit", "train_on_batch"):
        monkeypatch.setattr(keras.Model, name, built_first(getattr(keras.Model, name)))


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
