"""What a trained biLM is good for: three tasks with and without ELMo beside learnt word vectors.

The model of a task is the same, but for its inputs: x, the word vectors learnt in the task, or
[x; ELMo], the trained mix of the frozen biLM's layers beside them. As a control the layers also come
from a biLM that was never trained: random convolutions and LSTMs have something to say as well.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

if not __package__:  # run as a file: make `examples` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from rich.console import Console

import keras_recurrent as kr
from examples.datasets.senses import Usage
from examples.downstream import frozen, results, sentiment, supersense, usages, word_sense
from examples.downstream.sentences import Layers, Tokens
from examples.downstream.trials import Schedule, Score

TRAINED = Path("outputs/elmo/checkpoint")
SEEDS, LABELS = 4, (100, 600, 3600)
QUICK_SEEDS, QUICK_LABELS, QUICK_SHARE = 2, (20, 60), 0.04
QUICK = Schedule(epochs=1, patience=1)

Readers = Mapping[str, kr.elmo.BiLM | None]  # by name: the biLM that stands beside word vectors
console = Console()


def load_bilm(folder: Path | None, quick: bool) -> kr.elmo.BiLM:
    """The model of a checkpoint: of `folder`, else of examples/elmo_train.py, run at need."""
    if folder is None and quick:
        keras.utils.set_random_seed(1)
        console.print("--quick without --checkpoint: the biLM is a small one of random weights")
        return kr.elmo.BiLM(16, 8, filters=((1, 4), (2, 8), (3, 8)))
    if folder is None and not (TRAINED / "lm_weights.hdf5").exists():
        from examples import elmo_train

        elmo_train.main(["--out", str(TRAINED.parent)])
    folder = folder or TRAINED
    console.print(f"The biLM is that of {folder}")
    return kr.elmo.BiLM.from_checkpoint(folder / "options.json", folder / "lm_weights.hdf5")


def embed(readers: Readers, sentences: Sequence[Tokens]) -> dict[str, Layers | None]:
    """Each biLM's layers for the sentences."""
    start, found = time.monotonic(), {}
    for name, bilm in readers.items():
        found[name] = None if bilm is None else frozen.embed(bilm, sentences)
    console.print(f"{len(sentences):,} sentences read in {time.monotonic() - start:.0f} s")
    return found


def said(task: str, name: str, score: Score) -> Score:
    """The score, printed: what follows takes its time."""
    console.print(f"  {task}, {name}: {score}")
    return score


def compare_sentiment(readers: Readers, seeds: Sequence[int], quick: bool) -> dict[str, Score]:
    data = sentiment.load(QUICK_SHARE if quick else 1.0)
    schedule = QUICK if quick else sentiment.SCHEDULE
    console.print(f"Sentiment: counts of words and word pairs {sentiment.word_counts(data):.1%}")
    layers = embed(readers, data.sentences)
    return {
        name: said("sentiment", name, sentiment.score(data, layers[name], seeds, schedule))
        for name in readers
    }


def compare_word_sense(
    readers: Readers, of: Sequence[Usage], seeds: Sequence[int], quick: bool
) -> tuple[dict[str, Score], dict[str, dict[str, Score]]]:
    """Scores of the small model; and, by layer, those of a threshold on the vectors' cosine."""
    pairs = word_sense.make_pairs(of)
    schedule = QUICK if quick else word_sense.SCHEDULE
    layers = embed(readers, [usage.tokens for usage in pairs.usages])
    scores = {
        name: said("word sense", name, word_sense.score(pairs, layers[name], seeds, schedule))
        for name in readers
    }
    by_layer = {}
    for name, found in layers.items():
        if found is not None:
            cosines = word_sense.cosines(pairs, found)
            for what, columns in columns_by_layer(cosines.shape[1]).items():
                row = by_layer.setdefault(what, {})
                row[name] = word_sense.score_cosines(cosines[:, columns], pairs, seeds)
    return scores, by_layer


def columns_by_layer(count: int) -> dict[str, slice]:
    one = {f"layer {i}": slice(i, i + 1) for i in range(count)}
    return {"layer 0, no context": one.pop("layer 0"), **one, "all layers": slice(None)}


def compare_supersense(
    readers: Readers, of: Sequence[Usage], seeds: Sequence[int], quick: bool
) -> dict[int, dict[str, Score]]:
    """Scores by number of labels."""
    data = supersense.nouns_and_verbs(of)
    counts = QUICK_LABELS if quick else LABELS
    schedule = (lambda count: QUICK) if quick else supersense.schedule
    layers = embed(readers, [usage.tokens for usage in data.usages])
    found = {}
    for name in readers:
        found[name] = supersense.score(data, layers[name], counts, seeds, schedule)
        for count, score in found[name].items():
            said(f"supersense with {count} labels", name, score)
    return {count: {name: found[name][count] for name in readers} for count in counts}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--checkpoint",
        type=Path,
        help="folder with options.json and lm_weights.hdf5; by default what examples/elmo_train.py "
        f"left in {TRAINED}, which is run if it has not been",
    )
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--quick", action="store_true", help="little data, two seeds, one epoch")
    parser.add_argument("--out", type=Path, default=Path("outputs/elmo_downstream"))
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)

    bilm = load_bilm(options.checkpoint, options.quick)
    readers = {"word vectors": None, "+ untrained biLM": frozen.untrained(bilm), "+ ELMo": bilm}
    seeds = range(QUICK_SEEDS if options.quick else options.seeds)
    of = usages.load(QUICK_SHARE if options.quick else 1.0)
    word_sense_scores, by_layer = compare_word_sense(readers, of, seeds, options.quick)
    curve = compare_supersense(readers, of, seeds, options.quick)
    sentiment_scores = compare_sentiment(readers, seeds, options.quick)
    comparisons = {"sentiment": sentiment_scores, "word sense": word_sense_scores}

    console.print(results.table("Sentences and pairs of usages", "task", comparisons))
    console.print(results.table("Same sense? Threshold on a cosine", "vectors", by_layer))
    labels = {f"{count:,}": scores for count, scores in curve.items()}
    console.print(results.table("Supersense of a word", "labels", labels))
    picture = options.out / "downstream.png"
    results.draw(comparisons, curve, picture)
    console.print(f"Picture: {picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
