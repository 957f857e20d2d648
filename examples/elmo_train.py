"""Train a bidirectional language model (ELMo) on English text, from raw text to a .tflite file.

    python examples/elmo_train.py             # State of the Union addresses; minutes on two cores
    python examples/elmo_train.py --full      # with four more texts, a larger model; hours

Train: the addresses up to 1995; validation: up to 2005; test: from 2006 on. Both directions are compared
with a 5-gram model of their direction, on the same words: what occurs less than three times in the
training text is `<UNK>`, there and here. The 5-gram model sees single sentences; the biLM reads on.
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
from rich.console import Console
from rich.table import Table

import keras_recurrent as kr
from examples import elmo_report, neighbours
from examples.datasets.english import split_words
from examples.datasets.english_text import write_text
from examples.references import kneser_ney
from examples.tflite_files import open_tflite
from keras_recurrent import export

LEAST = 3  # occurrences of a word that is predicted
CHARACTERS = 20  # of a word; longer ones are cut
WINDOW, ROWS = 20, 32
READ = 100  # words of a window when the test text is read
TFLITE_WORDS = 20
SIDES = ("forward", "backward")

QUERIES = {
    "state": ["The state of the Union is strong.", "I am glad to state that the debt is paid."],
    "present": ["Our trade is growing at the present time.", "I shall present a plan to Congress."],
    "means": ["They have no means of paying this debt.", "That means more jobs for our people."],
    "address": ["I close this address with a prayer.", "We must address the problem of drugs."],
    "spring": ["The ships sailed for home last spring.", "Great evils spring from war."],
}


class Plan(NamedTuple):
    """Sizes of a model and of its training."""

    units: int
    projection: int
    filters: tuple[tuple[int, int], ...]
    epochs: int
    samples: int
    learning_rate: float
    dropout: float = 0.0
    speeches: int | None = None  # the last ones of the training text; None: all, and all held out
    more_texts: tuple[str, ...] = ()


DEFAULT = Plan(128, 64, ((1, 16), (2, 32), (3, 64), (4, 64)), 3, 512, 3e-3)
QUICK = Plan(32, 16, ((1, 8), (2, 8), (3, 16)), 1, 128, 4e-3, speeches=6)
FULL = Plan(
    *(512, 64, ((1, 32), (2, 32), (3, 64), (4, 128), (5, 128)), 5, 1024, 2e-3, 0.1),
    more_texts=("moby_dick", "shakespeare", "bible", "glosses"),
)


class Texts(NamedTuple):
    """The files of each part; a file is a document, a line a sentence."""

    train: list[Path]
    validation: list[Path]
    test: list[Path]


def texts(plan: Plan, folder: Path) -> Texts:
    parts = [write_text("speeches", part, folder / part) for part in Texts._fields]
    if plan.speeches is not None:
        return Texts(parts[0][-plan.speeches :], parts[1][:1], parts[2][:1])
    for name in plan.more_texts:
        try:
            parts[0] += write_text(name, "train", folder / name)
        except (OSError, RuntimeError) as error:
            print(f"{name} is left out. {error}")
    return Texts(*parts)


def train(
    plan: Plan, text: Texts, vocabulary: kr.elmo.Vocabulary
) -> tuple[kr.elmo.LanguageModel, elmo_report.Curve]:
    """A trained model and the course of its training.

    Three epochs are few: so there is no dropout in the default plan, and Adam with a rate that falls to
    0 in place of the paper's Adagrad.
    """
    bilm = kr.elmo.BiLM(
        plan.units,
        plan.projection,
        filters=plan.filters,
        max_characters_per_token=CHARACTERS,
        dropout=plan.dropout,
    )
    model = kr.elmo.LanguageModel(bilm, vocabulary, ROWS, WINDOW, plan.samples)
    corpus = kr.elmo.Corpus(text.train, vocabulary)
    steps = plan.epochs * corpus.steps(ROWS, WINDOW)
    rate = keras.optimizers.schedules.CosineDecay(plan.learning_rate, steps)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=10.0))
    curve = elmo_report.Curve()
    validation = kr.elmo.Corpus(text.validation, vocabulary, shuffle=None)
    model.fit(corpus, epochs=plan.epochs, validation_data=validation, callbacks=[curve])
    return model, curve


def test(
    model: kr.elmo.LanguageModel, files: list[Path], vocabulary: kr.elmo.Vocabulary
) -> dict[str, float]:
    """Perplexity of each direction on a text, which is read in one row from its begin to its end."""
    reader = kr.elmo.LanguageModel(model.bilm, vocabulary, 1, READ, samples=None)
    reader.softmax.kernel.assign(model.softmax.kernel)
    reader.softmax.bias.assign(model.softmax.bias)
    reader.compile()
    logs = reader.evaluate(
        kr.elmo.Corpus(files, vocabulary, shuffle=None), verbose=0, return_dict=True
    )
    return {side: logs[f"{side}_perplexity"] for side in SIDES}


def of_n_grams(
    text: Texts, vocabulary: kr.elmo.Vocabulary, folder: Path
) -> dict[str, dict[str, float]] | None:
    """Validation and test perplexities of a 5-gram model of each direction, where its program runs."""
    found = {}
    for side in SIDES:
        files = [folder / f"{side}-{part}.txt" for part in Texts._fields]
        for destination, sources in zip(files, text, strict=True):
            _write_known(sources, vocabulary, destination, backward=side == "backward")
        try:
            values = kneser_ney.perplexities(files[0], files[1:])
        except (OSError, RuntimeError) as error:
            print(f"No 5-gram model to compare with. {error}")
            return None
        found[side] = dict(zip(Texts._fields[1:], values, strict=True))
    return found


def _write_known(
    sources: list[Path], vocabulary: kr.elmo.Vocabulary, destination: Path, backward: bool
) -> None:
    """One file of all, with `<UNK>` for the words that are not predicted."""
    with destination.open("w", encoding="utf-8") as written:
        for source in sources:
            for line in source.read_text(encoding="utf-8").splitlines():
                words = [word if word in vocabulary else "<UNK>" for word in line.split()]
                written.write(" ".join(words[::-1] if backward else words) + "\n")


def print_neighbours(bilm: kr.elmo.BiLM, files: list[Path], count: int) -> None:
    """The nearest occurrences of ambiguous words, for two sentences of each."""
    found = neighbours.occurrences(files, QUERIES)
    table = Table(title="Nearest in context, by the top layer")
    table.add_column("cosine", justify="right")
    table.add_column("text", no_wrap=True, max_width=12)
    table.add_column("occurrence", no_wrap=True)
    for word, sentences in QUERIES.items():
        for sentence in sentences if len(found.get(word, ())) > count else []:
            words = split_words(sentence)
            query = neighbours.Occurrence(words, words.index(word))
            table.add_row("", "", f"[bold]{query}[/]")
            for cosine, place in neighbours.nearest(bilm, query, found[word], count):
                table.add_row(f"{cosine:.2f}", place.source[4:], str(place))
            table.add_section()
    Console(width=110).print(table)


def export_elmo(bilm: kr.elmo.BiLM, folder: Path) -> float:
    """Write all layers' vectors of 20 words as .tflite; the largest difference on a real sentence.

    `examples/elmo_edge.py` makes smaller files of the checkpoint.
    """
    words = keras.Input((TFLITE_WORDS, CHARACTERS), dtype="int32", name="characters")
    model = keras.Model(words, kr.ELMo(bilm, output="all", name="elmo")(words))
    print(export.to_tflite(model, folder / "elmo.tflite"))
    sentence = [split_words("The state of our Union is strong, and it will be stronger.")]
    ids = kr.elmo.batch_to_ids(sentence, CHARACTERS)
    ids = np.pad(ids, [(0, 0), (0, TFLITE_WORDS - ids.shape[1]), (0, 0)])
    (vectors,) = open_tflite(folder / "elmo.tflite")(characters=ids).values()
    return float(np.abs(vectors - model.predict(ids, verbose=0)).max())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a tiny model of a few addresses")
    size.add_argument("--full", action="store_true", help="four more texts, a larger model; hours")
    parser.add_argument("--epochs", type=int, help="instead of the plan's")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("outputs/elmo"), help="folder of results")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    plan = QUICK if options.quick else FULL if options.full else DEFAULT
    plan = plan._replace(epochs=options.epochs or plan.epochs)

    keras.utils.set_random_seed(options.seed)
    text = texts(plan, options.out / "text")
    vocabulary = kr.elmo.Vocabulary.from_text(text.train, min_count=LEAST)
    print(f"{len(vocabulary):,} words to predict; of the rest the characters are read")
    n_grams = of_n_grams(text, vocabulary, options.out / "text")
    model, curve = train(plan, text, vocabulary)
    measured = test(model, text.test, vocabulary)

    checkpoint = options.out / "checkpoint"
    model.save_checkpoint(checkpoint, vocabulary)
    print(f"Checkpoint in the published layout: {checkpoint}")
    bilm = kr.elmo.BiLM.from_checkpoint(checkpoint / "options.json", checkpoint / "lm_weights.hdf5")
    print_neighbours(bilm, text.train, count=2 if options.quick else 5)
    difference = export_elmo(bilm, options.out)

    picture = options.out / "training.png"
    elmo_report.draw(curve, n_grams, picture)
    print(f"Course of the training: {picture}")
    return elmo_report.verdict(measured, n_grams, difference, judged=not options.quick)


if __name__ == "__main__":
    sys.exit(main())
