"""Pronounce English words: a published GRU encoder and decoder in our layers, exported to TFLite.

    python examples/pronounce.py recurrent gradient

The weights are those of the package g2p-en (Apache-2.0). They are scored on words of the CMU
Pronouncing Dictionary (BSD), which they were trained on.
"""

import argparse
import os
import sys
import time
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

from examples.datasets.pronunciations.cmudict import read_dictionary
from examples.error_rates import phoneme_error_rate
from examples.references import g2p
from examples.tflite_files import open_tflite
from keras_recurrent import export

SCORED, QUICK_SCORED, TIMED = 2000, 100, 30
WORDS = ["recurrent", "gradient", "tensorflow", "exportable"]


class Speaker(NamedTuple):
    """A runtime with both parts of the model, and the bytes of its files."""

    encode: g2p.Encode
    decode: g2p.Decode
    size: int | None = None


def of_keras(encoder: keras.Model, decoder: keras.Model) -> Speaker:
    """Both as graphs, traced once for all sizes."""
    letters, phoneme = (tf.TensorSpec((None, n), "int32") for n in (None, 1))
    state = tf.TensorSpec((None, g2p.UNITS))
    encode = tf.function(lambda letters: encoder(letters, training=False), [letters])
    step = tf.function(lambda **inputs: decoder(inputs, training=False))
    step = step.get_concrete_function(phoneme=phoneme, state=state)

    def decode(phonemes, states):
        outputs = step(phoneme=tf.constant(phonemes), state=tf.constant(states))
        return outputs["scores"].numpy(), outputs["new_state"].numpy()

    return Speaker(lambda letters: encode(letters).numpy(), decode)


def of_tflite(encoder: Path, decoder: Path) -> Speaker:
    """Both on one thread."""
    encode, step = map(open_tflite, (encoder, decoder))

    def decode(phonemes, states):
        outputs = step(phoneme=phonemes, state=states)
        return outputs["scores"], outputs["new_state"]

    size = encoder.stat().st_size + decoder.stat().st_size
    return Speaker(lambda letters: encode(letters=letters)["output_0"], decode, size)


def export_speaker(folder: Path, quantize: str | None = None) -> Speaker:
    """Both models as files for any number of words of any length."""
    paths = [folder / f"{part}_{quantize or 'float32'}.tflite" for part in ("encoder", "decoder")]
    export.to_tflite(g2p.encoder(), paths[0], batch_size=None, timesteps=None, quantize=quantize)
    export.to_tflite(g2p.decoder(), paths[1], batch_size=None, quantize=quantize)
    return of_tflite(*paths)


def print_table(speakers: dict[str, Speaker], words: list[str], right: list) -> None:
    """One row a runtime; differences are of the encoder's states from the first one's."""
    letters = g2p.letter_numbers(words)
    reference = next(iter(speakers.values())).encode(letters)
    table = Table(title=f"{len(words)} words of the CMU dictionary")
    table.add_column("runtime", no_wrap=True)
    for name in ("words right", "wrong phonemes", "difference", "bytes", "ms per word"):
        table.add_column(name, justify="right")
    for name, speaker in speakers.items():
        spoken = g2p.pronounce(words, speaker.encode, speaker.decode)
        exact = np.mean([ours in ways for ours, ways in zip(spoken, right, strict=True)])
        difference = np.abs(speaker.encode(letters) - reference).max()
        table.add_row(
            name,
            f"{exact:.1%}",
            f"{phoneme_error_rate(spoken, right):.2%}",
            f"{difference:.1e}" if difference else "-",
            "-" if speaker.size is None else f"{speaker.size:,}",
            f"{_milliseconds(speaker, words[:TIMED]):.2f}",
        )
    Console(width=100).print(table)


def _milliseconds(speaker: Speaker, words: list[str]) -> float:
    """Median time of one word alone, with all its steps."""
    times = []
    for word in [words[0], *words]:
        start = time.perf_counter()
        g2p.pronounce([word], speaker.encode, speaker.decode)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times[1:]))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", default=WORDS, help="words to pronounce")
    parser.add_argument("--quick", action="store_true", help="score fewer words")
    parser.add_argument(
        "--out", type=Path, default=Path("outputs/pronounce"), help="folder of files"
    )
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)

    speakers = {
        "Keras": of_keras(g2p.encoder(), g2p.decoder()),
        "TFLite float32": export_speaker(options.out),
        "TFLite dynamic-range": export_speaker(options.out, "dynamic"),
    }
    dictionary = read_dictionary()
    count = QUICK_SCORED if options.quick else SCORED
    words = np.random.default_rng(0).choice(sorted(dictionary), count, replace=False).tolist()
    print_table(speakers, words, [dictionary[word] for word in words])

    speaker = speakers["TFLite float32"]
    spoken = g2p.pronounce(options.words, speaker.encode, speaker.decode)
    for word, phonemes in zip(options.words, spoken, strict=True):
        print(f"{word}: {' '.join(phonemes)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
