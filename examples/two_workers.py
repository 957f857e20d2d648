"""Train one model on two workers with plain `model.fit`; here both run on this machine.

Run plainly, it starts two local workers and waits for them. Where the environment variable
TF_CONFIG names a cluster, it is one worker of that cluster: start it so on each machine.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if not __package__:  # run as a file: make `examples` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

WORKERS, STEPS, FEATURES = 2, 20, 2
BATCH, ROWS, QUICK_ROWS, EPOCHS, QUICK_EPOCHS = 64, 8192, 512, 5, 2


def marked_sums(rows: int):
    """The adding problem: sequences of numbers, two of them marked; the target is their sum."""
    import numpy as np

    draw = np.random.default_rng(0)
    numbers = draw.uniform(size=(rows, STEPS)).astype("float32")
    marks = np.zeros((rows, STEPS), "float32")
    for row, places in enumerate(
        draw.permuted(np.tile(np.arange(STEPS), (rows, 1)), axis=1)[:, :2]
    ):
        marks[row, places] = 1
    return np.stack([numbers, marks], axis=-1), (numbers * marks).sum(1, keepdims=True)


def work(folder: Path, quick: bool) -> None:
    """One worker. Every worker runs the same program on the same data."""
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else of TensorFlow

    import keras

    import keras_recurrent as kr

    keras.utils.set_random_seed(1)
    x, y = marked_sums(QUICK_ROWS if quick else ROWS)
    with strategy.scope():
        model = kr.training.Sequential(
            [keras.Input((STEPS, FEATURES)), kr.LSTM(32), keras.layers.Dense(1)]
        )
        model.compile(keras.optimizers.Adam(5e-3, global_clipnorm=1.0), "mse")
    chief = kr.training.is_chief(strategy)
    name = "chief" if chief else "other"
    history = model.fit(
        x,
        y,
        batch_size=BATCH,  # of both workers together
        epochs=QUICK_EPOCHS if quick else EPOCHS,
        callbacks=[kr.training.ChiefOnly(kr.training.BackupAndRestore(folder / "backup"))],
        verbose=0,
    )
    losses = " ".join(f"{loss:.6f}" for loss in history.history["loss"])
    print(f"{name}: loss of each epoch {losses}", flush=True)
    model.save(folder / "model.keras")  # on the chief alone
    if chief:
        print(f"chief: the model is in {folder / 'model.keras'}", flush=True)


def start_workers(arguments: list[str], seconds: float) -> int:
    """Start the workers on this machine; the exit code is the worst of theirs."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(WORKERS)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    children = []
    for index in range(WORKERS):
        cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(cluster)}
        command = [sys.executable, __file__, *arguments]
        children.append(subprocess.Popen(command, env=environment))
    end = time.monotonic() + seconds
    try:
        return max(abs(child.wait(max(1.0, end - time.monotonic()))) for child in children)
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="little data, under a minute")
    parser.add_argument(
        "--folder", type=Path, help="for backup and model; a new temporary one by default"
    )
    parser.add_argument("--seconds", type=float, default=900.0, help="time limit of local workers")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="two_workers_"))
    if "TF_CONFIG" in os.environ:
        work(folder, options.quick)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        print(f"started {WORKERS} workers on this machine; they write into {folder}", flush=True)
        sys.exit(start_workers([*sys.argv[1:], "--folder", str(folder)], options.seconds))


if __name__ == "__main__":
    main()
