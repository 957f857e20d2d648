"""Training time of our layers beside `keras.layers`, interleaved in one process, as ratios.

One figure is the time of a step of `model.fit` (forward, backward, Adam) of a model with one recurrent
layer and a Dense(1) on its last output. Both models take turns, round by round; the ratio of a round is
ours by Keras's, and the table shows the median of the rounds.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

import keras_recurrent as kr

SHAPES = [(32, 50, 64, 64), (64, 100, 128, 256), (128, 20, 512, 512), (16, 400, 64, 128)]
KINDS = ["SimpleRNN", "GRU", "LSTM"]


def build(layer: keras.Layer, timesteps: int, features: int) -> keras.Model:
    model = keras.Sequential([keras.Input((timesteps, features)), layer, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def seconds_per_step(model: keras.Model, x: np.ndarray, y: np.ndarray, batch: int) -> float:
    start = time.perf_counter()
    model.fit(x, y, batch_size=batch, verbose=0)
    return (time.perf_counter() - start) / (len(x) // batch)


def compare(
    kind: str, shape: tuple, engine: str, rounds: int, steps: int
) -> tuple[float, float, float]:
    """Median milliseconds of Keras and of ours, and the median ratio of a round."""
    batch, timesteps, features, units = shape
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch * steps, timesteps, features)).astype("float32")
    y = rng.normal(size=(batch * steps, 1)).astype("float32")
    layers = [getattr(keras.layers, kind)(units), getattr(kr, kind)(units, engine=engine)]
    models = [build(layer, *x.shape[1:]) for layer in layers]
    for model in models:  # tracing and warming up
        seconds_per_step(model, x[: 2 * batch], y[: 2 * batch], batch)
    times = np.array([[seconds_per_step(m, x, y, batch) for m in models] for _ in range(rounds)])
    stock, ours = 1e3 * np.median(times, axis=0)
    return stock, ours, float(np.median(times[:, 1] / times[:, 0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12, help="training steps of a round")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--engine", choices=["auto", "loop", "compiled"], default="auto")
    options = parser.parse_args()

    table = Table(title=f"model.fit, milliseconds a step, engine {options.engine!r}")
    for name in ("layer", "batch, T, D, U", "Keras", "ours", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    ratios = []
    for kind in options.kinds:
        for shape in SHAPES:
            stock, ours, ratio = compare(kind, shape, options.engine, options.rounds, options.steps)
            ratios.append(ratio)
            table.add_row(kind, str(shape), f"{stock:.1f}", f"{ours:.1f}", f"{ratio:.2f}")
    mean = float(np.exp(np.mean(np.log(ratios))))
    table.add_row("geometric mean", "", "", "", f"{mean:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
