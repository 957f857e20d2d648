"""A small text, and language models for it that are quick to make."""

import tempfile
from pathlib import Path

import keras
import numpy as np

import keras_recurrent as kr

ROWS, WINDOW = 4, 5
SIZES = {
    "units": 12,
    "projection_units": 6,
    "filters": ((1, 4), (2, 6), (3, 8)),
    "character_dim": 4,
}


def write_text(folder: Path, sentences: int = 70, seed: int = 0, name: str = "text.txt") -> Path:
    """Sentences of 2 to 9 words, ten a document; a few words are long or not English."""
    rng = np.random.default_rng(seed)
    words = [a + b for a in "bdfgk" for b in ("a", "en", "ist", "oo")] + ["zoë", "x" * 55, "日本"]
    lines = []
    for number in range(sentences):
        start = rng.integers(len(words))
        length = rng.integers(2, 10)
        lines.append(" ".join(words[(start + 3 * k) % len(words)] for k in range(length)))
        if number % 10 == 9:
            lines.append("")
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def language_model(vocabulary, compiled=True, rows=ROWS, window=WINDOW, samples=8, **options):
    """In the engine that starts fastest; the others give the same, as tests of theirs say."""
    keras.utils.set_random_seed(1)
    bilm = kr.elmo.BiLM(**{**SIZES, "dropout": 0.1, **options})
    model = kr.elmo.LanguageModel(bilm, vocabulary, rows, window, samples, seed=2)
    for stack in model.model.stacks.values():
        for layer in stack.layers:
            layer.engine = "loop"
    if compiled:
        model.compile()
    return model


def weights(model) -> list:
    return [keras.ops.convert_to_numpy(w).copy() for w in model.trainable_weights]


def corpus(folder: Path, **options):
    text = write_text(folder)
    return kr.elmo.Corpus(text, kr.elmo.Vocabulary.from_text(text), **options)


def trained(strategy) -> dict:
    """What an epoch ends with: draws of the softmax, carried states, sparse and dense gradients.

    No dropout: each replica would draw the masks of one.
    """
    with tempfile.TemporaryDirectory() as folder:
        text = corpus(Path(folder))
        with strategy.scope():
            model = language_model(text.vocabulary, rows=20, dropout=0.0, num_layers=1)
        history = model.fit(text, verbose=0).history
    return {"weights": weights(model), "history": history}
