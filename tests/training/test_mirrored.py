"""`MirroredStrategy` with two logical devices against one device, in a child process."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training import kit
from training.once import made_once

TESTS = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.children


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return made_once(tmp_path_factory, "mirrored", _train)[1]


def _train(folder):
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    paths = [str(TESTS.parent), str(TESTS), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    child = subprocess.run(
        [sys.executable, str(TESTS / "training/two_devices.py"), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert child.returncode == 0, child.stderr[-3000:]
    return pickle.loads((folder / "result.pickle").read_bytes())


@pytest.mark.parametrize("name", ["loop", "compiled", "stock"])
def test_two_devices_are_one(trained, name):
    one, two = trained[name]
    kit.close(two, one, 1e-6)
    assert one[0][-1] < one[0][0]


def test_dropout_draws_alike_in_both_engines(trained):
    compiled, loop = trained["dropout"]
    kit.close(compiled, loop, 1e-6)
    assert not np.array_equal(compiled[0], trained["compiled"][1][0])


def test_windows_with_validation_loss_scaling_and_norms(trained):
    kit.close(*trained["truncated"], 1e-5)


def test_a_language_model_on_windows_of_text(trained):
    kit.close(*trained["language_model"], 1e-6)


@pytest.mark.parametrize("name", ["norms", "norms, scaled", "norms, stock"])
def test_gradient_norms_leave_the_devices_alike(trained, name):
    (one, _), (two, copies) = trained[name]
    kit.close(two, one, 1e-5)
    np.testing.assert_array_equal(*copies)


def test_a_resumed_training_ends_as_a_whole_one(trained):
    kit.close(*trained["backup"], 0)


def test_losses_of_one_number_a_row_are_refused(trained):
    assert len(trained["refused"]) == 4
    assert all("one number, not one a row" in text for text in trained["refused"])
