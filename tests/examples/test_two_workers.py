"""The example of two workers runs, and both report the same losses."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

pytestmark = pytest.mark.children

ROOT = Path(__file__).resolve().parents[2]


def test_two_workers(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "TF_CONFIG"}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "examples/two_workers.py", "--quick", "--seconds", "200"]
    run = subprocess.run(
        [*command, "--folder", str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    said = sorted(line for line in run.stdout.splitlines() if "loss of each epoch" in line)
    assert [line.split(":")[0] for line in said] == ["chief", "other"]
    losses = {line.split("epoch ")[1] for line in said}
    assert len(losses) == 1
    values = [float(v) for v in losses.pop().split()]
    assert values[-1] < values[0]
    assert run.stdout.startswith("started 2 workers")
    assert f"chief: the model is in {tmp_path / 'model.keras'}" in run.stdout
    assert keras.models.load_model(tmp_path / "model.keras").count_params() > 0
