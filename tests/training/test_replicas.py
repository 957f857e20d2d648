"""Two devices of one machine train as one."""

import subprocess
import sys
from pathlib import Path

TWO_DEVICES = """
import keras
import numpy as np
import tensorflow as tf
from training import kit
import keras_recurrent as kr

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
data = kit.dataset(lengths=(9, 14, 6, 13, 11), batch=4, dtype="float32")
ends = []
for strategy, rows in [
    (tf.distribute.get_strategy(), 4),
    (tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), 2),
]:
    with strategy.scope():
        keras.utils.set_random_seed(1)
        model = kit.model(batch=rows, dtype="float32")
        trainer = kr.training.TruncatedBPTT(model)
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
        trainer.compile(optimizer, kr.losses.SumOverTime("mse"))
    history = trainer.fit(  # the validation comes within documents
        data.repeat(), epochs=3, steps_per_epoch=2, verbose=0, validation_data=data,
        callbacks=[kr.training.GradientNorms()],
    ).history
    logs = [np.array(v) for k, v in sorted(history.items()) if "/" not in k]
    ends.append([*logs, *kit.weights(model)])
kit.close(*ends, 1e-5)
print("same losses, norms and weights")
"""


def test_two_devices_train_as_one():
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {_TESTS!r}){TWO_DEVICES}"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "same losses, norms and weights" in done.stdout, done.stderr[-3000:]


_TESTS = str(Path(__file__).resolve().parents[1])
