"""One model in several runtimes: outputs, size and time of each, as a table and a picture."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from examples.plots import Colours

TIMED_CALLS = 200


class Run(NamedTuple):
    """What a runtime made of the test inputs.

    Attributes:
        outputs: Class probabilities `(N, classes)`.
        size: Bytes of the file or folder.
        milliseconds: Median time of a call with one input, after warming up.
    """

    outputs: np.ndarray
    size: int
    milliseconds: float


def of_keras(model: keras.Model, x: np.ndarray, saved: Path) -> Run:
    one = tf.function(lambda sample: model(sample, training=False))
    return Run(model.predict(x, verbose=0), _size(saved), _median_time(one, x))


def of_saved_model(folder: Path, x: np.ndarray) -> Run:
    loaded = tf.saved_model.load(str(folder))

    def serve(batch):
        return loaded.serve(batch)["output_0"]

    return Run(np.asarray(serve(x)), _size(folder), _median_time(serve, x))


def of_tflite(path: Path, x: np.ndarray) -> Run:
    """Runs on one thread."""
    interpreter = Interpreter(str(path), num_threads=1)
    place = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]

    def prepare(batch):
        interpreter.resize_tensor_input(place, batch.shape)
        interpreter.allocate_tensors()

    def call(batch):
        interpreter.set_tensor(place, batch)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    prepare(x)
    outputs = call(x)
    prepare(x[:1])
    return Run(outputs, _size(path), _median_time(call, x))


def _median_time(call: Callable, x: np.ndarray) -> float:
    sample = x[:1]
    for _ in range(10):
        call(sample)
    times = []
    for _ in range(TIMED_CALLS):
        start = time.perf_counter()
        call(sample)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def accuracy(outputs: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(outputs.argmax(1) == labels))


def print_table(runs: dict[str, Run], labels: np.ndarray) -> None:
    """One row a runtime; differences are against the first one."""
    reference = next(iter(runs.values())).outputs
    table = Table(title=f"{len(labels)} test windows")
    table.add_column("runtime", no_wrap=True)
    for name in ("accuracy", "largest difference", "bytes", "ms per window"):
        table.add_column(name, justify="right")
    for name, run in runs.items():
        difference = np.abs(run.outputs - reference).max()
        table.add_row(
            name,
            f"{accuracy(run.outputs, labels):.2%}",
            "-" if run.outputs is reference else f"{difference:.1e}",
            f"{run.size:,}",
            f"{run.milliseconds:.3f}",
        )
    Console().print(table)


def draw_confusion(
    figure: Figure,
    axes: Axes,
    colours: Colours,
    predicted: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
) -> None:
    """Counts of true (rows) against predicted (columns) classes."""
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (labels, predicted), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    picture = axes.imshow(shares, cmap=colours.ramp, vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            shade = picture.cmap(picture.norm(shares[row, column]))
            ink = "black" if np.dot(shade[:3], (0.3, 0.59, 0.11)) > 0.5 else "white"
            axes.text(column, row, count, ha="center", va="center", color=ink)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_title(f"{np.trace(counts)} of {counts.sum()} right")
    figure.colorbar(picture, ax=axes, label="share of the row")
