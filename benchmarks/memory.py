"""Memory of one training step over long sequences, engine by engine, each in a process of its own.

One LSTM layer; the peak of the process's resident memory during a step, less what the process held
before its first one, and the time of a later step.
"""

import argparse
import os
import subprocess
import sys
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from rich.console import Console
from rich.table import Table

ENGINES = ("keras", "loop", "compiled", "recomputed")


def resident_megabytes() -> float:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Peak:
    """Looks at the resident memory every two milliseconds."""

    def __init__(self):
        self.megabytes, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        while not self._stop.wait(0.002):
            self.megabytes = max(self.megabytes, resident_megabytes())


def measure(engine: str, batch: int, timesteps: int, features: int, units: int) -> None:
    """Prints the peak in megabytes and the milliseconds of a step."""
    import keras
    import tensorflow as tf

    import keras_recurrent as kr

    x = tf.random.normal((batch, timesteps, features))
    layer = keras.layers.LSTM(units) if engine == "keras" else kr.LSTM(units, engine=engine)
    layer.build(x.shape)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x, training=True))
        return tape.gradient(loss, layer.trainable_variables)

    before = resident_megabytes()
    with Peak() as peak:
        step(x)
        start = time.perf_counter()
        step(x)[0].numpy()
    seconds = time.perf_counter() - start
    print(peak.megabytes - before, 1e3 * seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="64,1600,32,256", help="batch,T,features,units")
    parser.add_argument(
        "--engine", choices=ENGINES, help="measure this one here (for the children)"
    )
    options = parser.parse_args()
    shape = [int(size) for size in options.shape.split(",")]
    if options.engine:
        measure(options.engine, *shape)
        return
    table = Table(title=f"A training step of an LSTM, batch, T, D, U = {options.shape}")
    for name in ("engine", "peak, MB", "ms a step"):
        table.add_column(name, justify="right")
    for engine in ENGINES:
        command = [sys.executable, __file__, "--engine", engine, "--shape", options.shape]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        megabytes, milliseconds = map(float, done.stdout.split())
        table.add_row(engine, f"{megabytes:.0f}", f"{milliseconds:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
