"""Tell nine speakers by two vowels: short series of different lengths, masked where they are padded.

Trains `kr.applications.many_to_one` on padded series, writes a `.tflite` file for any length, and
scores that file on the test series one by one, each at its own length and without padding.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

if not __package__:  # run as a file: make `examples` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from matplotlib.figure import Figure

import keras_recurrent as kr
from examples import comparison
from examples.datasets.vowels import CHANNELS, SPEAKERS, Part, load_vowels
from examples.datasets.windows import Standardizer
from examples.outcome import Outcome, verdict, write_outcome
from examples.padding import padded
from examples.plots import Colours, draw_both
from examples.tflite_files import open_tflite
from examples.time_warping import nearest
from keras_recurrent import export

LONGEST = 29
BATCH, EPOCHS = 27, 40  # 270 series: all batches are of one size
RATE = 4e-3
NOISE, SHIFT = 0.2, 0.2  # of every number, and of a channel's level in a whole series
SEEDS, FOLDS = 5, 5
QUICK_EPOCHS, QUICK_EVERY = 1, 5  # every so-manieth series
GOAL = 0.97


def standardizer(series: Sequence[np.ndarray]) -> Callable[[Sequence[np.ndarray]], list]:
    """A function that standardizes series by the mean and deviation of all frames of these."""
    standardize = Standardizer.fit(np.concatenate(series)[None])
    return lambda others: [standardize(x) for x in others]


def pad(series: Sequence[np.ndarray]) -> np.ndarray:
    """`(N, 29, 12)` with zeros behind each series, which the model masks."""
    return padded(series, LONGEST, "float32")


def build(engine: str = "compiled") -> keras.Model:
    """T is not fixed in the model, but training pads all batches to one length: they compile once."""
    return kr.applications.many_to_one(
        SPEAKERS,
        features=CHANNELS,
        mask_value=0.0,
        cell="gru",
        units=64,
        bidirectional=True,
        pooling="mean",
        dropout=0.3,
        engine=engine,
    )


def train(
    series: Sequence[np.ndarray],
    speakers: np.ndarray,
    epochs: int,
    seed: int,
    engine: str = "compiled",
):
    """A model fitted to standardized series."""
    keras.utils.set_random_seed(seed)
    model = build(engine)
    steps = epochs * -(-len(series) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps)
    optimizer = keras.optimizers.Adam(rate, clipnorm=1.0)
    model.compile(optimizer, "categorical_crossentropy")
    model.fit(Blurred(pad(series), speakers, seed), epochs=epochs, verbose=0)
    return model


class Blurred(keras.utils.PyDataset):
    """Shuffled batches `(B, T, 12)` and one-hot speakers, with new noise each time; padding stays 0."""

    def __init__(self, x: np.ndarray, speakers: np.ndarray, seed: int):
        super().__init__()
        self._x, self._y = x, np.eye(SPEAKERS, dtype=np.float32)[speakers]
        self._random = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._x) // BATCH)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self._order[index * BATCH : (index + 1) * BATCH]
        x = self._x[chosen]
        noise = self._random.normal(0, NOISE, x.shape)
        noise += self._random.normal(0, SHIFT, (len(x), 1, x.shape[2]))
        valid = np.any(x != 0, axis=-1, keepdims=True)
        return (x + valid * noise).astype(np.float32), self._y[chosen]

    def on_epoch_end(self) -> None:
        self._order = self._random.permutation(len(self._x))


def run_file(path: Path, series: Sequence[np.ndarray]) -> np.ndarray:
    """What the file makes of each series alone, at its own length: probabilities `(N, 9)`."""
    call = open_tflite(path)
    outputs = [next(iter(call(features=x[None]).values()))[0] for x in series]
    return np.stack(outputs)


def run_padded(model: keras.Model, series: Sequence[np.ndarray]) -> np.ndarray:
    """The same by Keras, all in one batch of one length."""
    return model.predict(pad(series), batch_size=len(series), verbose=0)


def folds(part: Part, count: int = FOLDS) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices of the series to train on and to validate on.

    Each fold holds out a stretch of a speaker's series, which may have been said one after the other:
    the test series were said on other occasions, too.
    """
    place = np.zeros(len(part.speakers), int)
    for speaker in np.unique(part.speakers):
        (own,) = np.nonzero(part.speakers == speaker)
        place[own] = np.arange(len(own)) * count // len(own)
    for fold in range(count):
        yield np.flatnonzero(place != fold), np.flatnonzero(place == fold)


def cross_validate(part: Part, epochs: int, seed: int) -> float:
    """Share of the training series recognised by models that were not trained on them."""
    right = 0
    for inside, outside in folds(part):
        standardize = standardizer([part.series[i] for i in inside])
        series = standardize(part.series)
        model = train([series[i] for i in inside], part.speakers[inside], epochs, seed)
        held_out = [series[i] for i in outside]
        outputs = run_padded(model, held_out)
        right += int(np.sum(outputs.argmax(1) == part.speakers[outside]))
    return right / len(part.speakers)


def draw(figure: Figure, colours: Colours, predicted, speakers, shares, baseline: float) -> None:
    """Who was taken for whom, and the seeds beside the baseline."""
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    names = [str(number) for number in range(1, SPEAKERS + 1)]
    comparison.draw_confusion(figure, left, colours, predicted, speakers, names)
    left.set(xlabel="speaker given by the file", ylabel="true speaker")
    right.axhline(100 * GOAL, color=colours.faint, linewidth=1)
    right.text(0, 100 * GOAL, "goal", va="bottom", color=colours.ink)
    right.axhline(100 * baseline, color=colours.cycle[1], linestyle="--")
    right.text(0, 100 * baseline, "nearest by DTW", va="bottom", color=colours.cycle[1])
    right.plot(range(len(shares)), 100 * np.array(shares), "o", color=colours.cycle[0])
    right.set(xticks=range(len(shares)), xlabel="seed", ylabel="test series right, %")
    right.set_ylim(min(94, 100 * min(baseline, *shares) - 1), 100.3)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, one epoch, few series")
    parser.add_argument(
        "--full", action="store_true", help="also cross-validate within the training series"
    )
    parser.add_argument("--seed", type=int, default=0, help="the first of five in a row")
    parser.add_argument(
        "--out", type=Path, default=Path("outputs/vowels"), help="folder of results"
    )
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()

    training, test = load_vowels()
    if options.quick:
        training, test = (Part(*(column[::QUICK_EVERY] for column in p)) for p in (training, test))
    standardize = standardizer(training.series)
    known, unknown = standardize(training.series), standardize(test.series)
    baseline = float(np.mean(nearest(unknown, known, training.speakers) == test.speakers))
    epochs = QUICK_EPOCHS if options.quick else EPOCHS
    engine = "loop" if options.quick else "compiled"  # compiling takes longer than a short training
    notes = [f"Nearest by DTW without standardizing: {_raw_baseline(training, test):.1%}."]
    if options.full:
        share = cross_validate(training, epochs, options.seed)
        notes.append(f"Cross-validation within the training series, {FOLDS} folds: {share:.2%}.")

    seeds = list(range(options.seed, options.seed + (1 if options.quick else SEEDS)))
    in_a_batch, shares = [], []
    for seed in seeds:
        model = train(known, training.speakers, epochs, seed, engine)
        in_a_batch.append(run_padded(model, unknown))
        shares.append(comparison.accuracy(in_a_batch[-1], test.speakers))
        print(f"seed {seed}: {shares[-1]:.2%} of the test series right", flush=True)
        if seed == options.seed:
            exported = model
    path = options.out / "vowels.tflite"
    print(export.to_tflite(exported, path, batch_size=None, timesteps=None))
    alone = run_file(path, unknown)
    notes.append(
        f"The file, one series at a time: {comparison.accuracy(alone, test.speakers):.2%}."
    )
    draw_both(
        lambda figure, colours: draw(
            figure, colours, alone.argmax(1), test.speakers, shares, baseline
        ),
        options.out / "vowels.png",
        size=(8.4, 4.4),
    )
    outcome = Outcome(
        example="vowels",
        kind="many to one",
        data="Japanese Vowels, official split",
        metric="test series right, %, mean of the seeds",
        reached=100 * float(np.mean(shares)),
        spread=f"({100 * min(shares):.2f} to {100 * max(shares):.2f})",
        baseline=f"nearest training series by dynamic time warping: {100 * baseline:.2f}",
        goal=None if options.quick else 100 * GOAL,
        seed=seeds,
        minutes=(time.perf_counter() - start) / 60,
        command="python examples/vowels.py",
        files={path.name: path.stat().st_size},
        notes=notes,
    )
    write_outcome(options.out, outcome)
    return _verdict(outcome, alone, in_a_batch[0])


def _raw_baseline(training: Part, test: Part) -> float:
    return float(np.mean(nearest(test.series, training.series, training.speakers) == test.speakers))


def _verdict(outcome: Outcome, alone: np.ndarray, in_a_batch: np.ndarray) -> int:
    difference = float(np.abs(alone - in_a_batch).max())
    checks = {
        f"the file without padding within 1e-5 of the padded batch ({difference:.0e})": (
            difference <= 1e-5
        )
    }
    goals = {}
    if outcome.goal is not None:
        goals[f"at least {GOAL:.0%} of the test series right"] = outcome.goal_reached
    return verdict(checks, goals)


if __name__ == "__main__":
    sys.exit(main())
