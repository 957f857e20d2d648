"""Parts of speech of Turkish words: one tag for each token of a sentence.

Turkish words carry many suffixes, and one test token in five is a word that training never saw: the
model reads a token's spelling beside the word. Trains `kr.applications.many_to_many` on vectors of a
sub-model, writes a `.tflite` file for sentences of any length, and scores that file.
"""

import argparse
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

if not __package__:  # run as a file: make `examples` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import keras_recurrent as kr
from examples.datasets.turkish_treebank import TAGS, Sentence, load_turkish_treebank
from examples.outcome import Outcome, verdict, write_outcome
from examples.padding import padded
from examples.plots import Colours, draw_both
from examples.tflite_files import open_tflite
from examples.turkish_words import PLACES, pieces_of
from examples.word_pieces import PieceIds, piece_vectors, read_with
from keras_recurrent import export

WIDTH, UNITS, DROPOUT = 96, 64, 0.4
BATCH, EPOCHS, RATE = 32, 5, 4e-3
LENGTHS = (16, 32, 96)  # sentences are padded to the first one that holds them
SEEDS, FULL_SEEDS, QUICK_SENTENCES = 3, 10, 96
GOAL = 0.95
OWN = "İzmir'de yeni aldığım kitapları okuyorum ."


class Scores(NamedTuple):
    """Shares of tokens with the right tag."""

    all: float
    known: float
    unknown: float


def scores(predicted: np.ndarray, tags: np.ndarray, known: np.ndarray) -> Scores:
    """Of all test tokens in a row, and of those whose words training has seen or not."""
    right = predicted == tags
    return Scores(*(float(right[of].mean()) for of in (slice(None), known, ~known)))


def in_a_row(sentences: Sequence[Sentence]) -> tuple[list[str], np.ndarray]:
    """All tokens and all tags."""
    tokens = [token for sentence in sentences for token in sentence.tokens]
    return tokens, np.concatenate([sentence.tags for sentence in sentences])


def most_frequent_tags(train: Sequence[Sentence], tokens: Sequence[str]) -> np.ndarray:
    """Each token's most frequent tag in training; for unknown ones, the usual tag of rare words."""
    seen = defaultdict(Counter)
    for token, tag in zip(*in_a_row(train), strict=True):
        seen[token][tag] += 1
    once = Counter(tag for tags in seen.values() if tags.total() == 1 for tag in tags)
    usual = once.most_common(1)[0][0]
    return np.array([seen[t].most_common(1)[0][0] if t in seen else usual for t in tokens])


def build(ids: PieceIds) -> keras.Model:
    tagger = kr.applications.many_to_many(
        len(TAGS),
        features=WIDTH,
        mask_value=0.0,
        units=UNITS,
        bidirectional=True,
        dropout=DROPOUT,
        engine="loop",  # batches of several lengths: compiling for each would take longer
        name="tagger",
    )
    return read_with(piece_vectors(ids, WIDTH, DROPOUT), tagger, "tagging")


def batches(
    x: Sequence[np.ndarray], tags: Sequence[np.ndarray], seed: int | None = None
) -> tf.data.Dataset:
    """Batches of sentences of like lengths, padded with 0; with a seed drawn anew every epoch."""
    draw = None if seed is None else np.random.default_rng(seed)
    lengths = np.array([padded_length(len(sentence)) for sentence in x])

    def of_an_epoch():
        order = np.arange(len(x)) if draw is None else draw.permutation(len(x))
        found = [
            (of_length[start : start + BATCH], length)
            for length in np.unique(lengths)
            for of_length in [order[lengths[order] == length]]
            for start in range(0, len(of_length), BATCH)
        ]
        if draw is not None:
            draw.shuffle(found)
        for chosen, length in found:
            parts = ([part[i] for i in chosen] for part in (x, tags))
            yield tuple(padded(part, length) for part in parts)

    signature = (
        tf.TensorSpec((None, None, PLACES), tf.int32),
        tf.TensorSpec((None, None), tf.int32),
    )
    data = tf.data.Dataset.from_generator(of_an_epoch, output_signature=signature)
    count = sum(-(-np.count_nonzero(lengths == length) // BATCH) for length in np.unique(lengths))
    return data.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)


def padded_length(length: int) -> int:
    """The first of LENGTHS that holds a sentence; a longer sentence keeps its own."""
    return next((limit for limit in LENGTHS if length <= limit), length)


def train(x, tags, validation, ids: PieceIds, epochs: int, seed: int) -> keras.Model:
    """A model with the weights of its epoch that tags the validation part best."""
    keras.utils.set_random_seed(seed)
    model = build(ids)
    training = batches(x, tags, seed)
    steps = epochs * len(training)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, steps))
    loss = kr.losses.SumOverTime("sparse_categorical_crossentropy")
    model.compile(optimizer, loss, weighted_metrics=["accuracy"], jit_compile=False)
    best = keras.callbacks.EarlyStopping(
        "val_accuracy", patience=epochs, mode="max", restore_best_weights=True
    )
    model.fit(
        training,
        epochs=epochs,
        validation_data=batches(*validation),
        callbacks=[best],
        shuffle=False,  # done above
        verbose=2,
    )
    return model


def predict(model: keras.Model, x: Sequence[np.ndarray]) -> np.ndarray:
    """Tags of all tokens in a row."""
    outputs = model.predict(padded(x), 128, verbose=0).argmax(-1)
    return np.concatenate([row[: len(ids)] for row, ids in zip(outputs, x, strict=True)])


def run_file(path: Path, x: Sequence[np.ndarray]) -> np.ndarray:
    """Tags that the file gives, a sentence at a time and each at its own length."""
    call = open_tflite(path)
    return np.concatenate([next(iter(call(ids=ids[None]).values()))[0].argmax(-1) for ids in x])


def draw(figure: Figure, colours: Colours, predicted, tags, rows: dict[str, Scores]) -> None:
    """Known and unknown words, and which tag was taken for which."""
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.35))
    names = ("all", "known", "unknown")
    for place, (label, of) in enumerate(rows.items()):
        where = np.arange(3) + 0.4 * (place - (len(rows) - 1) / 2)
        colour = colours.cycle[0 if place else 5]
        bars = left.bar(where, [100 * share for share in of], 0.4, color=colour, label=label)
        left.bar_label(bars, fmt="%.1f", fontsize=8, color=colours.ink)
    left.set_xticks(range(3), names)
    left.set(xlabel="test words", ylabel="tokens with the right tag, %", ylim=(50, 112))
    left.set_yticks(range(50, 101, 10))
    left.legend(loc="upper left", fontsize=8, ncols=2)
    counts = np.zeros((len(TAGS), len(TAGS)))
    np.add.at(counts, (tags, predicted), 1)
    used = np.flatnonzero(counts.sum(1))
    shares = 100 * counts[np.ix_(used, used)] / counts[used].sum(1, keepdims=True)
    picture = right.imshow(shares, vmin=0, vmax=100)
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.5:
            bright = np.mean(picture.cmap(share / 100)[:3]) > 0.5
            ink = "#000000" if bright else "#ffffff"
            right.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=7, color=ink)
    labels = [TAGS[tag] for tag in used]
    right.set_xticks(range(len(used)), labels, rotation=90, fontsize=8)
    right.set_yticks(range(len(used)), labels, fontsize=8)
    right.set(xlabel="tag given by the file", ylabel="true tag")
    figure.colorbar(picture, label="share of the true tag's tokens, %")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few sentences, one epoch")
    parser.add_argument("--full", action="store_true", help=f"{FULL_SEEDS} seeds")
    parser.add_argument("--seed", type=int, default=0, help=f"the first of {SEEDS} in a row")
    parser.add_argument("--out", type=Path, default=Path("outputs/tagging"))
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()

    parts = [load_turkish_treebank(split) for split in ("train", "validation", "test")]
    if options.quick:
        parts = [part[:QUICK_SENTENCES] for part in parts]
    learnt, _, test = parts
    pieces = [[pieces_of(s.tokens, s.glued) for s in part] for part in parts]
    ids = PieceIds(pieces[0], PLACES)
    x = [[ids(sentence) for sentence in part] for part in pieces]
    y = [[sentence.tags for sentence in part] for part in parts]
    tokens, tags = in_a_row(test)
    words = set(in_a_row(learnt)[0])
    known = np.array([token in words for token in tokens])
    baseline = scores(most_frequent_tags(learnt, tokens), tags, known)

    count = 1 if options.quick else FULL_SEEDS if options.full else SEEDS
    seeds = list(range(options.seed, options.seed + count))
    epochs = 1 if options.quick else EPOCHS
    models = [train(x[0], y[0], (x[1], y[1]), ids, epochs, seed) for seed in seeds]
    found = [scores(predict(model, x[2]), tags, known) for model in models]
    for seed, of in zip(seeds, found, strict=True):
        print(f"seed {seed}: {of.all:.2%} of the test tokens, {of.unknown:.2%} of unknown words")

    path = options.out / "tagging.tflite"
    print(export.to_tflite(models[0], path, batch_size=None, timesteps=None))
    alone = run_file(path, x[2])
    rows = {"most frequent tag": baseline, "bidirectional LSTM": scores(alone, tags, known)}
    show(rows)
    own = OWN.split()
    said = run_file(path, [ids(pieces_of(own, [0] * len(own)))])
    print(" ".join(f"{token}/{TAGS[tag]}" for token, tag in zip(own, said, strict=True)))
    draw_both(
        lambda figure, colours: draw(figure, colours, alone, tags, rows),
        options.out / "tagging.png",
        size=(10, 4.8),
    )
    shares = [of.all for of in found]
    outcome = Outcome(
        example="tagging",
        kind="many to many, T_x = T_y",
        data="Turkish Web Treebank, official split, 14 coarse tags",
        metric="test tokens with the right tag, %, mean of the seeds",
        reached=100 * float(np.mean(shares)),
        spread=f"({100 * min(shares):.2f} to {100 * max(shares):.2f})",
        baseline=f"most frequent tag: {100 * baseline.all:.1f}",
        goal=None if options.quick else 100 * GOAL,
        seed=seeds,
        minutes=(time.perf_counter() - start) / 60,
        command="python examples/tagging.py",
        files={path.name: path.stat().st_size},
        notes=[
            f"{1 - known.mean():.1%} of the test tokens are unknown words: "
            f"{np.mean([of.unknown for of in found]):.1%} right, baseline {baseline.unknown:.1%}."
        ],
    )
    write_outcome(options.out, outcome)
    return _verdict(outcome, float(np.mean(alone == predict(models[0], x[2]))))


def show(rows: dict[str, Scores]) -> None:
    table = Table(title="Test tokens with the right tag")
    for heading in ("", "all", "known words", "unknown words"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, of in rows.items():
        table.add_row(name, *(f"{share:.1%}" for share in of))
    Console().print(table)


def _verdict(outcome: Outcome, same: float) -> int:
    checks = {"the file, one by one, gives the model's tags": same > 0.9999}
    goals = {}
    if outcome.goal is not None:
        goals[f"at least {GOAL:.0%} of the test tokens right"] = outcome.goal_reached
    return verdict(checks, goals)


if __name__ == "__main__":
    sys.exit(main())
