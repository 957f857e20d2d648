"""Chorales in the manner of Bach: four voices that a recurrent net makes up, as MIDI and as a score.

Data: 331 four-part chorales, split by tune. A model of ids, voice by voice, composes; a model of piano
rolls, 88 keys a frame, has the form of the published figures.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

if not __package__:  # run as a file: make `examples` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import keras_recurrent as kr
from examples.datasets.chorales import load_chorales
from examples.generation import chorale_parts, music_reports, sheet, voices
from examples.generation.batches import batches_by_length
from examples.generation.chorale_parts import PADDED, Chorales
from examples.generation.exported import ExportedModel
from examples.outcome import Outcome, verdict, write_outcome
from keras_recurrent import export

PUBLISHED = "another split, LSTM and GRU: about 8.4 to 8.6"
ORDERS = (5, 9)  # of the n-grams; validation chooses
BATCH = 8
QUICK_CHORALES = 18
SHORTEST, LONGEST = 32, 96  # quarters of a chorale that is made up
STEPS_ALIKE = 100  # frames that the files and Keras generate alike
FEW = 8  # test chorales that the exported files are scored on
SHARPS, MINOR, BEATS, UPBEAT = -1, True, 4, 1  # of the chorale that is shown: D minor
TEMPERATURE, TOP_P = 0.9, 0.95


class Plan(NamedTuple):
    """What is trained: widths, epochs, and frames in a quarter note."""

    units: int
    epochs: int
    roll_units: int
    roll_epochs: int
    per_quarter: int = 1
    engine: str = "auto"


QUICK = Plan(16, 1, 16, 1, engine="loop")
DEFAULT = Plan(224, 40, 160, 50)
FULL = Plan(320, 120, 200, 100, per_quarter=2)


def voice_model(units: int, engine: str = "auto") -> keras.Model:
    return kr.applications.one_to_many(
        vocabulary_size=voices.VOCABULARY_SIZE,
        condition_sizes=voices.CONDITION_SIZES,
        units=units,
        embedding_dim=64,
        dropout=0.1,
        engine=engine,
        name="voices",
    )


def roll_model(units: int, engine: str = "auto") -> keras.Model:
    return kr.applications.one_to_many(
        features=88,
        outputs=88,
        output_activation="sigmoid",
        units=units,
        mask_value=PADDED,
        dropout=0.2,
        engine=engine,
        name="piano_rolls",
    )


def train(
    model, loss: str, draw_train, held_out, epochs: int, rate: float, seed: int
) -> list[float]:
    """The losses of the validation part, after each epoch; each sequence comes once in one."""
    batches = batches_by_length(draw_train, BATCH, seed)
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * len(batches))
    model.compile(keras.optimizers.Adam(schedule, clipnorm=1.0), loss)
    whole = len(
        held_out.targets
    )  # in one batch, so that the mean over its steps is that of them all
    found = model.fit(
        batches,
        epochs=epochs,
        validation_data=held_out[:2],
        validation_batch_size=whole,
        shuffle=False,  # the batches are already
        verbose=2,
    )
    return found.history["val_loss"]


def train_voices(
    plan: Plan, parts: dict[str, Chorales], seed: int
) -> tuple[keras.Model, list[float]]:
    """A model and its nats per frame on the validation part, after each epoch."""
    model, held_out = voice_model(plan.units, plan.engine), parts["validation"].voices()
    loss = "sparse_categorical_crossentropy"
    losses = train(model, loss, parts["train"].voices, held_out, plan.epochs, 5e-3, seed)
    steps_a_frame = held_out.lengths.sum() / parts["validation"].lengths.sum()
    return model, [loss * steps_a_frame for loss in losses]


def train_rolls(plan: Plan, parts: dict[str, Chorales], seed: int) -> keras.Model:
    """A model of the chorales as they are: in all keys it needs many times as long."""
    model, held_out = roll_model(plan.roll_units, plan.engine), parts["validation"].rolls()
    same = parts["train"].rolls()
    loss, rate = "binary_crossentropy", 8e-3
    train(model, loss, lambda random: same, held_out, plan.roll_epochs, rate, seed)
    return model


class NGrams(NamedTuple):
    """Order and nats per frame of the n-grams that are best on the validation part."""

    order: int
    validation: float
    test: float


def best_n_grams(parts: dict[str, Chorales]) -> NGrams | None:
    held_out, found = [parts["validation"], parts["test"]], []
    for order in ORDERS:
        with tempfile.TemporaryDirectory() as folder:
            scores = chorale_parts.n_gram_nats(parts["train"], held_out, order, Path(folder))
        if scores is None:
            return None
        found.append(NGrams(order, *scores))
    return min(found, key=lambda each: each.validation)


def condition(rows: int) -> np.ndarray:
    return np.array([[SHARPS % 12, int(MINOR), int(BEATS == 3), int(UPBEAT > 0)]] * rows, np.int32)


def compose(decoder, plan: Plan, seed: int) -> np.ndarray:
    """Ids of a sampled chorale: of twelve the first one that is neither short nor without an end."""
    per_frame = len(voices.RANGES)
    steps, least = (quarters * plan.per_quarter * per_frame for quarters in (LONGEST, SHORTEST))
    chosen = {"temperature": TEMPERATURE, "top_p": TOP_P, "seed": seed}
    drawn = decoder.sample(condition(12), steps, **chosen)
    best = np.argmax(np.where(drawn.finished, np.minimum(drawn.lengths, least), 0))
    return drawn.ids[best, : drawn.lengths[best]]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one epoch on few chorales")
    parser.add_argument("--full", action="store_true", help="eighth notes, larger models, longer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("outputs/music"), help="folder of results")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    keras.utils.set_random_seed(options.seed)
    plan = QUICK if options.quick else FULL if options.full else DEFAULT
    data = load_chorales()
    if options.quick:
        data = {part: chorales[:QUICK_CHORALES] for part, chorales in data.items()}
    parts = {part: Chorales(chorales, plan.per_quarter) for part, chorales in data.items()}
    quarters = {part: Chorales(chorales, 1) for part, chorales in data.items()}
    model, course = train_voices(plan, parts, options.seed)
    rolls = train_rolls(plan, quarters, options.seed)
    found = {
        "voices": chorale_parts.voice_nats(model.predict_on_batch, parts["test"]),
        "rolls": chorale_parts.roll_nats(rolls.predict_on_batch, quarters["test"]),
        "n-grams": best_n_grams(parts),
    }
    files = options.out / "files"
    print(export.to_tflite_decoder(model, files))
    few = Chorales(data["test"][:FEW], plan.per_quarter)
    found["few"] = chorale_parts.voice_nats(model.predict_on_batch, few)
    found["few, files"] = chorale_parts.voice_nats(ExportedModel(files), few)
    in_keras, on_device = kr.applications.Decoder(model), export.Decoder(files)
    steps = STEPS_ALIKE * len(voices.RANGES)
    alike = np.array_equal(
        in_keras.greedy(condition(1), steps).ids, on_device.greedy(condition(1), steps).ids
    )
    ids = compose(on_device, plan, options.seed)
    written = write_down(ids, plan, options.out)
    n_grams = found["n-grams"]
    baseline = n_grams and (f"Kneser-Ney {n_grams.order}-grams", n_grams.validation)
    music_reports.draw_course(course, baseline, options.out / "music.png")
    music_reports.print_scores(found, len(data["test"]), FEW, PUBLISHED)
    minutes = (time.monotonic() - started) / 60
    write_outcome(options.out, outcome(options, found, len(data["test"]), ids, files, minutes))
    print(*written.values(), sep="\n")
    return judge(found, alike, goal=not options.quick)


def write_down(ids: np.ndarray, plan: Plan, out: Path) -> dict[str, Path]:
    frames = voices.decode(ids)
    if not len(frames.pitches):
        print("The model ended the chorale before its first chord: there is no score.")
        return {}
    score = sheet.to_score(frames, plan.per_quarter, SHARPS, BEATS, UPBEAT)
    return sheet.write_score(score, out / "chorale")


def outcome(
    options, found: dict, tests: int, ids: np.ndarray, files: Path, minutes: float
) -> Outcome:
    n_grams = found["n-grams"]
    flag = " --quick" if options.quick else " --full" if options.full else ""
    wrong = voices.out_of_turn(ids)
    note = "an eighth" if options.full else "a quarter"
    return Outcome(
        example="music",
        kind="one to many",
        data=f"Bach's four-part chorales, {tests} test chorales on tunes that training does not have",
        metric=f"nats per frame of {note} note, four voices",
        reached=found["voices"],
        baseline=f"Kneser-Ney {n_grams.order}-grams: {n_grams.test:.3f}"
        if n_grams
        else "not available",
        goal=n_grams.test if n_grams and not options.quick else None,
        seed=options.seed,
        minutes=minutes,
        command=f"python examples/music.py{flag} --seed {options.seed}",
        higher_is_better=False,
        files={path.name: path.stat().st_size for path in sorted(files.glob("*.tflite"))},
        notes=[
            f"Piano rolls, 88 keys a quarter note: {found['rolls']:.3f}; published, with {PUBLISHED}.",
            f"Of {len(ids)} sampled ids {wrong} are of a voice whose turn it is not.",
        ],
    )


def judge(found: dict, alike: bool, goal: bool) -> int:
    checks = {
        "score of the files within 1e-3 of Keras's": abs(found["few, files"] - found["few"])
        <= 1e-3,
        "the files compose the same chorale, greedily": alike,
    }
    goals = {}
    if goal and found["n-grams"] is not None:
        goals["fewer nats per frame than n-grams"] = found["voices"] < found["n-grams"].test
    return verdict(checks, goals)


if __name__ == "__main__":
    sys.exit(main())
