"""`MirroredStrategy` with two logical devices against one device, in a child process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import json, sys
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import numpy as np
import keras_recurrent as kr

draw = np.random.default_rng(0)
x = draw.normal(size=(12, 5, 3)).astype("float32")
x[::3, 3:] = 0
y = draw.normal(size=(12, 5, 1)).astype("float32")

def train(strategy, engine, base, **options):
    keras.utils.set_random_seed(1)
    with strategy.scope():
        lstm = kr.LSTM(4, return_sequences=True, engine=engine, **options)
        model = base([keras.Input((5, 3)), keras.layers.Masking(), lstm, keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.1, global_clipnorm=0.5 if own(base) else None), "mse")
    rows = 10 if own(base) else 12  # 10: parts of unlike size at the end
    y_part = y[:rows] if own(base) else y[:rows, :1].repeat(5, 1)
    history = model.fit(x[:rows], y_part, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return [np.asarray(history.history["loss"]).tolist(), [w.tolist() for w in model.get_weights()]]

def own(base):
    return base is kr.training.Sequential

one = tf.distribute.get_strategy()
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
result = {}
for engine in ("loop", "compiled"):
    result[engine] = [train(s, engine, kr.training.Sequential) for s in (one, two)]
x[::3, 3:] = 1  # Keras weighs the halves of a batch alike, whatever their masks
result["stock"] = [train(s, "loop", keras.Sequential) for s in (one, two)]
dropped = train(two, "compiled", kr.training.Sequential, dropout=0.3, recurrent_dropout=0.2)
result["dropout"] = [dropped, train(two, "loop", kr.training.Sequential, dropout=0.3,
    recurrent_dropout=0.2)]
json.dump(result, open(sys.argv[1], "w"))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    file = tmp_path_factory.mktemp("mirrored") / "result.json"
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    child = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert child.returncode == 0, child.stderr[-3000:]
    return json.loads(file.read_text())


@pytest.mark.parametrize("name", ["loop", "compiled", "stock"])
def test_two_devices_are_one(trained, name):
    one, two = trained[name]
    for a, b in zip([one[0], *one[1]], [two[0], *two[1]], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-6)


def test_dropout_draws_alike_in_both_engines(trained):
    compiled, loop = trained["dropout"]
    for a, b in zip([compiled[0], *compiled[1]], [loop[0], *loop[1]], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-6)
    assert compiled[0] != trained["compiled"][1][0]
