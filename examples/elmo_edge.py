"""ELMo on a device: from raw text and a checkpoint to .tflite files, compared with Keras.

    python examples/elmo_edge.py my_text.txt --checkpoint folder_with_options_and_weights

Without a checkpoint the model is the small published configuration with random weights: bytes, times
and differences are those of a trained one, the vectors mean nothing.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

if not __package__:  # run as a file: make `examples` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

import keras_recurrent as kr
from examples.tflite_files import open_tflite
from keras_recurrent import export

TIMESTEPS, CHARACTERS, VOCABULARY, SENTENCES, SECONDS = 20, 16, 10_000, 50, 20.0
QUICK = {
    "num_layers": 1,
    "units": 64,
    "projection_units": 32,
    "filters": ((1, 16), (2, 16), (3, 32)),
    "max_characters_per_token": 24,
}
TEXT = """\
The phone keeps every word on the device , and nothing leaves it .
A bank by the river is not the bank that lends you money .
They wound the bandage around the wound before the doctor came .
Please close the window , the street is close and loud tonight .
She read the book that her brother had read the summer before .
"""


class Candidate(NamedTuple):
    """A file, what runs it, the sentences as it reads them, and its time in CompiledModel."""

    name: str
    path: Path
    call: Callable[[np.ndarray], np.ndarray]
    inputs: np.ndarray
    compiled: float | None = None


def load_model(checkpoint: Path | None, quick: bool, **kwargs) -> kr.elmo.BiLM:
    if checkpoint is not None:
        files = (checkpoint / "options.json", checkpoint / "lm_weights.hdf5")
        return kr.elmo.BiLM.from_checkpoint(*files, **kwargs)
    keras.utils.set_random_seed(0)
    bilm = kr.elmo.BiLM(**(QUICK if quick else {}), **kwargs)
    bilm.build()
    return bilm


def read_sentences(path: Path | None, timesteps: int) -> list[list[str]]:
    """Sentences as words, split at white space; longer ones are cut."""
    text = TEXT if path is None else path.read_text(encoding="utf-8")
    sentences = [line.split()[:timesteps] for line in text.splitlines() if line.strip()]
    if not sentences:
        raise SystemExit(f"{path} holds no words: one sentence a line is expected.")
    return sentences


def words_model(bilm: kr.elmo.BiLM, timesteps: int) -> keras.Model:
    """From ids to the mix of layers, which models of a task read."""
    shape = (timesteps, bilm.characters) if bilm.vocabulary_size is None else (timesteps,)
    ids = keras.Input(shape, dtype="int32", name="ids")
    return keras.Model(ids, kr.ELMo(bilm)(ids))


def padded(ids: np.ndarray, timesteps: int) -> np.ndarray:
    missing = timesteps - ids.shape[1]
    return np.pad(ids, [(0, 0), (0, missing), *[(0, 0)] * (ids.ndim - 2)])


def exported(name: str, model: keras.Model, folder: Path, quantize, inputs) -> Candidate:
    kind = quantize or "float32"
    path = folder / f"{name}_{kind}.tflite".replace(" ", "_")
    report = export.to_tflite(model, path, quantize=quantize)
    run = open_tflite(path)
    compiled = next(r.milliseconds for r in report.runtimes if r.runtime == "CompiledModel")
    return Candidate(
        f"{name}, {kind}", path, lambda ids: run(ids=ids)["output_0"], inputs, compiled
    )


def saved_model(bilm: kr.elmo.BiLM, folder: Path, sentences, timesteps: int) -> Candidate:
    """Raw words in, for a server."""
    words = keras.Input((None,), dtype="string", name="words")
    path = folder / "from_text"
    export.to_saved_model(keras.Model(words, kr.ELMo(bilm)(words)), path)
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    rows = [row + [""] * (timesteps - len(row)) for row in sentences]

    def call(batch):
        return serve(words=tf.constant(batch))["output_0"].numpy()

    return Candidate("SavedModel, text in", path, call, np.array(rows, object))


def milliseconds(candidates: list[Candidate], seconds: float) -> list[float]:
    """Median time of a sentence alone, all files in turns."""
    times: list[list[float]] = [[] for _ in candidates]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[-1]) < 3:
        for candidate, spent in zip(candidates, times, strict=True):
            place = len(spent) % len(candidate.inputs)
            start = time.perf_counter()
            candidate.call(candidate.inputs[place : place + 1])
            spent.append(time.perf_counter() - start)
    return [1e3 * float(np.median(spent)) for spent in times]


def size_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def print_table(candidates: list[Candidate], expected: np.ndarray, seconds: float) -> None:
    """Bytes, time and difference of each file; `expected` are Keras's vectors of the same sentences."""
    table = Table(title="ELMo in files")
    table.add_column("file", no_wrap=True)
    for name in ("bytes", "ms", "ms, CompiledModel", "largest difference", "of the spread"):
        table.add_column(name, justify="right")
    found = [
        np.stack([c.call(c.inputs[i : i + 1])[0] for i in range(len(expected))]) for c in candidates
    ]
    times = milliseconds(candidates, seconds)
    for candidate, vectors, spent in zip(candidates, found, times, strict=True):
        difference = np.abs(vectors - expected)
        table.add_row(
            candidate.name,
            f"{size_of(candidate.path):,}",
            f"{spent:.2f}",
            "-" if candidate.compiled is None else f"{candidate.compiled:.2f}",
            f"{difference.max():.1e}",
            f"{np.sqrt(np.mean(difference**2)) / expected.std():.1e}",
        )
    Console(width=110).print(table)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "text", nargs="?", type=Path, help="file with one tokenised sentence a line"
    )
    parser.add_argument("--checkpoint", type=Path, help="folder of options.json, lm_weights.hdf5")
    parser.add_argument("--timesteps", type=int, default=TIMESTEPS, help="words of a sentence")
    parser.add_argument(
        "--characters", type=int, default=CHARACTERS, help="ids of a word in the short files"
    )
    parser.add_argument("--out", type=Path, default=Path("outputs/elmo_edge"), help="folder")
    parser.add_argument("--quick", action="store_true", help="a tiny model, fewer files")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)

    timesteps = options.timesteps
    sentences = read_sentences(options.text, timesteps)
    counts = Counter(word for sentence in sentences for word in sentence)
    words = [word for word, _ in counts.most_common(VOCABULARY)]
    shown = sentences[:SENTENCES]
    bilm = load_model(options.checkpoint, options.quick)
    short = load_model(
        options.checkpoint,
        options.quick,
        given_characters=min(options.characters, bilm.max_characters_per_token),
    )
    table = kr.elmo.with_vocabulary(bilm, words)

    n = bilm.max_characters_per_token
    ids = padded(kr.elmo.batch_to_ids(shown, n), timesteps)
    short_ids = padded(kr.elmo.batch_to_ids(shown, short.characters), timesteps)
    numbers = padded(kr.elmo.words_to_ids(shown, kr.elmo.fixed_vocabulary(words)), timesteps)
    expected = words_model(bilm, timesteps).predict(ids, verbose=0)

    kinds = ("dynamic",) if options.quick else (None, "float16", "dynamic")
    candidates = [saved_model(bilm, options.out, shown, timesteps)]
    parts = [
        (f"{n} characters", bilm, ids),
        (f"{short.characters} characters", short, short_ids),
        (f"table of {len(words)} words", table, numbers),
    ]
    for name, part, inputs in parts[::2] if options.quick else parts:
        model = words_model(part, timesteps)
        for quantize in kinds:
            candidates.append(exported(name, model, options.out, quantize, inputs))
    print_table(candidates, expected, 0.1 if options.quick else SECONDS)
    longer = {w for s in shown for w in s if len(w.encode()) > short.characters - 2}
    print(
        f"Vectors (mix of layers) of {len(shown)} sentences, padded to {timesteps} words, beside "
        "Keras's. Times of a sentence, .tflite on one thread in the Interpreter and in CompiledModel. "
        "'Of the spread': root of the mean squared difference over the vectors' standard deviation."
    )
    if longer and not options.quick:
        print(f"Cut in the files of {short.characters} characters: {', '.join(sorted(longer))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
