"""Recognise exercises from a smart watch: train with `model.fit`, export, compare the runtimes.

Data: 140 recordings of seven shoulder exercises, six channels at 50 Hz. Each recording is split in time,
then cut into windows of 2.56 s, so that no test sample is near a training sample.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import NamedTuple

if not __package__:  # run as a file: make `examples` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import keras_recurrent as kr
from examples import comparison
from examples.datasets.watch import load_watch
from examples.datasets.windows import Standardizer, cut_windows, split_in_time
from keras_recurrent import export

WINDOW, STEP = 128, 10  # samples; 64 between the windows of validation and test
BATCH, EPOCHS, QUICK_EPOCHS = 128, 15, 1
GOAL = 0.97


class Data(NamedTuple):
    """Windows `(N, 128, 6)` and labels of each part, and the names of the labels."""

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    exercises: list[str]


def windows(quick: bool) -> Data:
    watch = load_watch()
    steps = (STEP * 4 if quick else STEP, WINDOW // 2, WINDOW // 2)
    parts = [
        cut_windows(part, watch.labels, WINDOW, step)
        for part, step in zip(split_in_time(watch.recordings), steps, strict=True)
    ]
    standardize = Standardizer.fit(parts[0][0])
    return Data(*[(standardize(x), y) for x, y in parts], watch.exercises)


def build(cell: str) -> keras.Model:
    layer = {"gru": kr.GRU, "lstm": kr.LSTM}[cell]
    return keras.Sequential(
        [
            keras.Input((WINDOW, 6), name="window"),
            keras.layers.Conv1D(48, 9, strides=4, padding="same", activation="relu"),
            keras.layers.Dropout(0.3),
            layer(48),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(7, activation="softmax", name="exercise"),
        ]
    )


def train(model: keras.Model, data: Data, epochs: int) -> None:
    steps = epochs * -(-len(data.train[0]) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(6e-3, steps)
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(*data.train, BATCH, epochs, validation_data=data.validation)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one epoch on fewer windows")
    parser.add_argument("--cell", choices=["gru", "lstm"], default="gru")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("outputs/watch"), help="folder of results")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(options.seed)
    data = windows(options.quick)
    model = build(options.cell)
    model.summary()
    train(model, data, QUICK_EPOCHS if options.quick else EPOCHS)

    x, labels = data.test
    saved_model, small, tiny = (options.out / n for n in ("saved_model", "f32.tflite", "dr.tflite"))
    export.to_saved_model(model, saved_model)
    print(export.to_tflite(model, small, batch_size=None))
    refused = _export_small(model, tiny)

    keras_file = options.out / "model.keras"
    model.save(keras_file)
    runs = {
        "Keras": comparison.of_keras(model, x, keras_file),
        "SavedModel": comparison.of_saved_model(saved_model, x),
        "TFLite float32": comparison.of_tflite(small, x),
    }
    if refused is None:
        runs["TFLite dynamic-range"] = comparison.of_tflite(tiny, x)
    comparison.print_table(runs, labels)
    if refused is not None:
        print(f"TFLite dynamic-range was refused: {refused}")
    picture = options.out / "confusion.png"
    predicted = runs["TFLite float32"].outputs.argmax(1)
    comparison.draw_confusion(predicted, labels, data.exercises, picture)
    print(f"Confusion matrix: {picture}")
    return _verdict(runs, labels, goal=0.0 if options.quick else GOAL)


def _export_small(model: keras.Model, path: Path) -> export.VerificationError | None:
    """Write the file with 8-bit weights; the reason if it differs too much from the model.

    It depends on the training: 0.02 to 0.09 were measured, 0.05 is allowed.
    """
    try:
        export.to_tflite(model, path, batch_size=None, quantize="dynamic")
    except export.VerificationError as error:
        path.unlink(missing_ok=True)  # of an earlier run
        return error
    return None


def _verdict(runs: dict, labels: np.ndarray, goal: float) -> int:
    reference, lite = runs["Keras"].outputs, runs["TFLite float32"].outputs
    checks = {
        f"at least {goal:.0%} of the test windows right": comparison.accuracy(lite, labels) >= goal,
        "TFLite float32 within 1e-5 of Keras": np.abs(lite - reference).max() <= 1e-5,
        "the same predictions": np.array_equal(lite.argmax(1), reference.argmax(1)),
    }
    for what, reached in checks.items():
        print(f"{'reached' if reached else 'MISSED '}  {what}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
