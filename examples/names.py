"""Names for girls and boys of a decade: a character model with a condition beside Kneser-Ney 5-grams.

Data: 97,310 first names of US children, with the sexes and decades in which they were given. Training,
validation and test hold different names, whoever bore them when.
"""

import argparse
import functools
import os
import sys
import tempfile
import time
from pathlib import Path

if not __package__:  # run as a file: make `examples` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import keras_recurrent as kr
from examples.datasets.baby_names import DECADES, SEXES, Names, load_baby_names
from examples.generation import name_reports, name_scores
from examples.generation.batches import Sequences, batches_by_length
from examples.generation.exported import ExportedModel
from examples.generation.spelling import VOCABULARY_SIZE, Occurrences, encode
from examples.outcome import Outcome, verdict, write_outcome
from keras_recurrent import export

SIZES = (len(SEXES), len(DECADES))
BATCH, RATE = 128, 4e-3
QUICK_NAMES = 200  # of each part
FEW, FEWER = 5, 20  # every so-manieth test name, where all take long
SAMPLES = 1000


def build(units: int, conditioned: bool = True, engine: str = "auto") -> keras.Model:
    return kr.applications.one_to_many(
        vocabulary_size=VOCABULARY_SIZE,
        condition_sizes=SIZES if conditioned else None,
        units=units,
        embedding_dim=32,
        dropout=0.1,
        engine=engine,
    )


def draw(names: Names, conditioned: bool, random: np.random.Generator) -> Sequences:
    previous, targets = kr.applications.teacher_forcing([encode(name) for name in names.names])
    inputs = {"previous": previous}
    if conditioned:
        inputs["condition"] = Occurrences.of(names.births).draw(random)
    return Sequences(inputs, targets, np.count_nonzero(targets, axis=1))


def train(model: keras.Model, data: dict[str, Names], epochs: int, seed: int) -> None:
    """Each name counts once an epoch, under one of its sexes and decades, drawn anew each time."""
    conditioned = "condition" in model.input
    parts = [
        batches_by_length(functools.partial(draw, data[part], conditioned), BATCH, seed)
        for part in ("train", "validation")
    ]
    rate = keras.optimizers.schedules.CosineDecay(RATE, epochs * len(parts[0]))
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), "sparse_categorical_crossentropy")
    model.fit(parts[0], epochs=epochs, validation_data=parts[1], shuffle=False, verbose=2)


def every(step: int, names: Names) -> Names:
    return Names(names.names[::step], names.births[::step])


def measure(model: keras.Model, data: dict[str, Names], out: Path) -> dict:
    """Scores of the model and of the n-grams on the test names, and on the few where both are known."""
    few = every(FEW, data["test"]).names
    prior = Occurrences.of(data["train"].births).prior(SIZES)
    predict, known = model.predict_on_batch, data["train"].names
    few_n_grams = name_scores.n_gram_nats(known, [few], out)
    return {
        "told": name_scores.of_model(predict, data["test"]),
        "n-grams": name_scores.of_n_grams(known, data["test"], out),
        "not told": name_scores.without_condition(predict, few, prior),
        "n-grams, few": few_n_grams and few_n_grams[0],
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one epoch on few names")
    parser.add_argument("--full", action="store_true", help="a larger model; one without condition")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("outputs/names"), help="folder of results")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    keras.utils.set_random_seed(options.seed)
    data = load_baby_names()
    if options.quick:
        data = {part: every(len(own.names) // QUICK_NAMES, own) for part, own in data.items()}
    units, epochs = (32, 1) if options.quick else (384, 15) if options.full else (192, 7)
    model = build(units, engine="loop" if options.quick else "auto")
    train(model, data, epochs, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(model, data, Path(folder))
    if options.full:
        plain = build(units, conditioned=False)
        train(plain, data, epochs, options.seed)
        found["plain"] = name_scores.of_model(plain.predict_on_batch, data["test"], False)

    files = options.out / "files"
    print(export.to_tflite_decoder(model, files))
    fewer = every(FEWER, data["test"])
    found["fewer"] = name_scores.of_model(model.predict_on_batch, fewer)
    found["fewer, files"] = name_scores.of_model(ExportedModel(files), fewer)

    in_keras, on_device = kr.applications.Decoder(model), export.Decoder(files)
    known = set(data["train"].names)
    name_reports.print_samples(in_keras, "Names that the model makes up", known, options.seed)
    name_reports.print_samples(on_device, "Names from the exported files", known, options.seed)
    original = name_reports.originality(in_keras, data, SAMPLES, options.seed)
    everyone = np.argwhere(np.ones(SIZES)).astype(np.int32)
    alike = name_reports.greedy(in_keras, everyone) == name_reports.greedy(on_device, everyone)

    name_reports.draw_scores(found["told"], found["n-grams"], options.out / "names.png")
    name_reports.print_scores(found, len(data["test"].names), FEW, FEWER)
    minutes = (time.monotonic() - started) / 60
    number = len(data["test"].names)
    write_outcome(options.out, outcome(options, found, number, original, files, minutes))
    return judge(found, alike, goal=not options.quick)


def outcome(
    options, found: dict, names: int, original: dict[str, float], files: Path, minutes: float
) -> Outcome:
    n_grams = found["n-grams"]
    said = ", ".join(f"{share:.1%} {what}" for what, share in original.items())
    notes = [f"Of {SAMPLES} sampled names: {said}."]
    if found["n-grams, few"] is not None:
        notes.append(
            f"Not told sex and decade, on every {FEW}th test name: {found['not told']:.4f}; "
            f"5-grams on these: {found['n-grams, few']:.4f}."
        )
    flag = " --quick" if options.quick else " --full" if options.full else ""
    return Outcome(
        example="names",
        kind="one to many",
        data=f"US first names by sex and decade; {names:,} test names that training does not have",
        metric="nats per character, told sex and decade",
        reached=found["told"].overall,
        baseline="Kneser-Ney 5-grams, which are told neither: "
        + (f"{n_grams.overall:.4f}" if n_grams else "not available"),
        goal=n_grams.overall if n_grams and not options.quick else None,
        seed=options.seed,
        minutes=minutes,
        command=f"python examples/names.py{flag} --seed {options.seed}",
        higher_is_better=False,
        files={path.name: path.stat().st_size for path in sorted(files.glob("*.tflite"))},
        notes=notes,
    )


def judge(found: dict, alike: bool, goal: bool) -> int:
    checks = {
        "score of the files within 1e-4 of Keras's": np.isclose(
            found["fewer, files"].overall, found["fewer"].overall, rtol=0, atol=1e-4
        ),
        "the files say the same names, greedily, for each sex and decade": alike,
    }
    goals = {}
    if goal and found["n-grams"] is not None:
        goals = {
            "told sex and decade: fewer nats than 5-grams": (
                found["told"].overall < found["n-grams"].overall
            ),
            "not told: fewer nats than 5-grams": found["not told"] < found["n-grams, few"],
        }
    return verdict(checks, goals)


if __name__ == "__main__":
    sys.exit(main())
