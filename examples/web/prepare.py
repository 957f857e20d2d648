"""Make what the page needs: train a model that names the exercise at every frame, export it as a step.

Data: the smart-watch recordings of `examples/watch.py`, split in time in the same way. The page streams
the last quarter of each recording, which the model has not seen.
"""

import argparse
import base64
import json
import os
import sys
from pathlib import Path

if not __package__:  # run as a file: make `examples` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[2])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import keras_recurrent as kr
from examples.datasets.watch import load_watch
from examples.datasets.windows import cut_windows, split_in_time
from keras_recurrent import export

PAGE = Path(__file__).resolve().parent
if (PAGE / "node_modules").is_dir():  # the export is checked in the page's LiteRT.js too
    os.environ.setdefault("KERAS_RECURRENT_LITERTJS", str(PAGE))
RATE = 50  # frames a second
WINDOW, STEP = 128, 32  # frames
BATCH, EPOCHS, QUICK_EPOCHS = 64, 5, 1
GOAL = 0.85  # of a session's frames
SESSIONS = {"Subject 1": 1, "Subject 4": 4, "Subject 8": 8}
FRAMES_OF_EACH = 6 * RATE  # at most, of each exercise in a session
NAMES = {
    "PEN": "Pendulum",
    "ABD": "Abduction",
    "FEL": "Forward elevation",
    "IR": "Internal rotation",
    "ER": "External rotation",
    "TRAP": "Trapezius extension",
    "ROW": "Upright row",
}
CHANNELS = ["acceleration x", "acceleration y", "acceleration z", "turn x", "turn y", "turn z"]


def training_data(recordings: list[np.ndarray], labels: np.ndarray):
    """Frames `(N, 256, 6)` and a label for each: two windows joined, so that exercises change."""
    first, of_first = cut_windows(recordings, labels, WINDOW, STEP)
    other = np.random.default_rng(7).permutation(len(first))
    frames = np.concatenate([first, first[other]], axis=1)
    return frames, np.repeat(np.stack([of_first, of_first[other]], axis=1), WINDOW, axis=1)


def build(frames: np.ndarray) -> keras.Model:
    """Raw frames in, the probabilities of the seven exercises after each of them out."""
    mean, variance = frames.mean((0, 1)), frames.var((0, 1))
    return keras.Sequential(
        [
            keras.Input(frames.shape[1:], name="frames"),
            keras.layers.Normalization(mean=mean, variance=variance),
            keras.layers.Conv1D(32, 8, padding="causal", activation="relu"),
            kr.GRU(48, return_sequences=True),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(len(NAMES), activation="softmax", name="exercise"),
        ]
    )


def train(model: keras.Model, frames: np.ndarray, labels: np.ndarray, epochs: int) -> None:
    rate = keras.optimizers.schedules.CosineDecay(8e-3, epochs * -(-len(frames) // BATCH))
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(frames, labels, BATCH, epochs, verbose=2)


def session(watch, unseen: list[np.ndarray], subject: int) -> tuple[np.ndarray, np.ndarray]:
    """One subject's seven exercises in a row: frames `(T, 6)` and their labels `(T,)`."""
    parts, labels = [], []
    for label in range(len(watch.exercises)):
        index = np.flatnonzero((watch.subjects == subject) & (watch.labels == label))[0]
        parts.append(unseen[index][:FRAMES_OF_EACH])
        labels.append(np.full(len(parts[-1]), label, np.uint8))
    return np.concatenate(parts), np.concatenate(labels)


def packed(array: np.ndarray, dtype: str) -> str:
    """The bytes of an array, little-endian, in base64."""
    return base64.b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=PAGE / "model", help="folder for the page to read"
    )
    parser.add_argument(
        "--quick", action="store_true", help="trains little: the page works, the model errs"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(7)
    watch = load_watch()
    seen, _, unseen = split_in_time(watch.recordings)
    frames, labels = training_data(seen, watch.labels)
    model = build(frames)
    used = slice(None, None, 4 if options.quick else 1)
    frames, labels = frames[used], labels[used]
    print(f"Trains on {len(frames):,} sequences of {frames.shape[1]} frames.", flush=True)
    train(model, frames, labels, QUICK_EPOCHS if options.quick else EPOCHS)
    model.save(options.out / "exercises.keras")
    print(export.to_tflite(model, options.out / "step.tflite", target="web", streaming=True))

    sessions, right = [], []
    for name, subject in SESSIONS.items():
        frames, labels = session(watch, unseen, subject)
        probabilities = np.asarray(model(frames[None], training=False))[0]
        right.append(np.mean(probabilities.argmax(1) == labels))
        print(f"{name}: {len(frames)} frames, {right[-1]:.1%} named rightly")
        sessions.append(
            {
                "name": name,
                "frames": packed(frames, "<f4"),
                "labels": packed(labels, "u1"),
                "keras": packed(probabilities, "<f4"),
            }
        )
    exercises = [NAMES[code] for code in watch.exercises]
    content = {"rate": RATE, "channels": CHANNELS, "exercises": exercises, "sessions": sessions}
    (options.out / "sessions.json").write_text(json.dumps(content))
    print(f"Wrote step.tflite, sessions.json and exercises.keras to {options.out}.")
    if not options.quick and min(right) < GOAL:
        sys.exit(f"MISSED: at least {GOAL:.0%} of the frames of every session named rightly")


if __name__ == "__main__":
    main()
