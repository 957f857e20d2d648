"""What `keras-recurrent elmo train` does."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import keras

from keras_recurrent.elmo import checkpoints
from keras_recurrent.elmo.adagrad import Adagrad
from keras_recurrent.elmo.bilm import BiLM
from keras_recurrent.elmo.checkpoint_folder import (
    VOCABULARY,
    bilm_in,
    softmax_file,
    vocabulary_in,
)
from keras_recurrent.elmo.corpus import Corpus
from keras_recurrent.elmo.language_model import LanguageModel
from keras_recurrent.elmo.vocabulary import Vocabulary
from keras_recurrent.training import BackupAndRestore

UNFINISHED = "unfinished"  # folder of a training's backup; a finished one deletes it
OPTIONS = "options.json"
_SETTINGS = "settings.json"


def train(
    text: list[Path],
    out: Path,
    *,
    validation: list[Path] | None = None,
    vocabulary: Path | None = None,
    min_count: int = 3,
    max_words: int | None = None,
    start: Path | None = None,
    resume: bool = False,
    sizes: dict | None = None,
    dropout: float = 0.1,
    batch_size: int = 128,
    window: int = 20,
    samples: int | None = 8192,
    learning_rate: float = 0.2,
    epochs: int = 10,
    shuffle: str | None = "documents",
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> dict[str, list]:
    """Train a biLM on a text and write a checkpoint in the published layout, anew after each epoch.

    A training that is ended before its time lies in the folder `unfinished` of `out`, up to its last
    full epoch; `resume` goes on with it, exactly.

    Args:
        text: Files for `Corpus`.
        out: Folder for `options.json`, `lm_weights.hdf5`, `lm_softmax_weights.hdf5`, `vocab.txt`.
        validation: Files to measure the perplexity on.
        vocabulary: File of `Vocabulary.read`; else the words that stand `min_count` times in the text,
            at most `max_words`.
        start: Folder with a checkpoint to go on from; its `vocab.txt` is the vocabulary by default, and
            its softmax is taken if it fits.
        resume: Whether to go on with an unfinished training in `out`.
        sizes: Arguments of `BiLM`, without `start`.
        dropout, batch_size, window, samples, learning_rate, epochs, shuffle, seed: As in `BiLM`,
            `LanguageModel`, `Adagrad`, `fit` and `Corpus`.
        say: Takes lines of text.

    Returns:
        The history of `fit`.

    Raises:
        ValueError: For texts, vocabularies and checkpoints that are none, sizes beside `start`, an
            `out` with a model in it, an unfinished training without `resume`, or one with other
            settings.
        OSError: For missing files, and where nothing can be written.
    """
    given = {**locals()}
    unfinished = out / UNFINISHED
    settings = _settings(given)
    _check_begin(out, resume, settings)
    if start is not None and sizes:
        raise ValueError(
            "The sizes are those of the checkpoint that training goes on from. Received: "
            f"{', '.join(sizes)} beside {str(start)!r}"
        )
    keras.utils.set_random_seed(seed)
    sizes = {**(sizes or {}), "dropout": dropout}
    bilm = BiLM(**sizes) if start is None else bilm_in(start, dropout=dropout)
    words = _vocabulary(
        out / VOCABULARY if resume else vocabulary, start, text, min_count, max_words
    )
    corpus = Corpus(text, words, shuffle=shuffle, seed=seed)
    held_out = Corpus(validation, words, shuffle=None) if validation else None
    say(f"{corpus.words:,} words in {corpus.documents:,} documents; {len(words):,} to predict")
    for read in filter(None, (corpus, held_out)):
        read.windows(batch_size, window)  # too short a text is refused before anything is written
    model = LanguageModel(bilm, words, batch_size, window, samples, seed=seed)
    if start is not None:
        say(_softmax_from(start, model, words))
    model.compile(Adagrad(learning_rate))

    out.mkdir(parents=True, exist_ok=True)
    words.write(out / VOCABULARY)
    unfinished.mkdir(exist_ok=True)
    _write(unfinished / _SETTINGS, settings)
    try:
        history = model.fit(
            corpus,
            epochs=epochs,
            validation_data=held_out,
            callbacks=[_Checkpoint(out, words), BackupAndRestore(unfinished)],
            verbose=1 if sys.stdout.isatty() else 2,
        ).history
    except KeyboardInterrupt:
        say("\nStopped. The same command with --resume goes on from the last full epoch.")
        raise
    say(f"Written: {', '.join(sorted(p.name for p in out.iterdir() if p.is_file()))} in {out}")
    for name in ("perplexity", *(f"{side}_perplexity" for side in bilm.directions)):
        for value in history.get(f"val_{name}", [])[-1:]:
            say(f"{name.replace('_', ' ')} on the validation text: {value:.2f}")
    return history


class _Checkpoint(keras.callbacks.Callback):
    """Writes what can be used after each epoch."""

    def __init__(self, folder: Path, vocabulary: Vocabulary):
        super().__init__()
        self.folder, self.vocabulary = folder, vocabulary

    def on_epoch_end(self, epoch, logs=None):
        self.model.save_checkpoint(self.folder, self.vocabulary)


def _settings(given: dict) -> dict:
    """What a training must have in common with the one that it goes on with."""
    free = ("resume", "say", "epochs", "out")
    return {name: _plain(value) for name, value in sorted(given.items()) if name not in free}


def _plain(value):
    if isinstance(value, os.PathLike):
        return os.path.abspath(value)
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return value


def _check_begin(out: Path, resume: bool, settings: dict) -> None:
    unfinished = out / UNFINISHED
    file = unfinished / _SETTINGS
    if not resume:
        if file.exists():
            raise ValueError(
                f"An unfinished training lies in {str(unfinished)!r}. Go on with it by --resume, or "
                "delete that folder."
            )
        if (out / OPTIONS).exists():
            raise ValueError(
                f"A model lies in {str(out)!r} already. Write to another folder, or delete that one."
            )
        return
    if not file.exists():
        raise ValueError(f"There is no unfinished training in {str(unfinished)!r} to go on with.")
    before = json.loads(file.read_text(encoding="utf-8"))
    other = [name for name, value in settings.items() if before.get(name) != value]
    if other:
        name = other[0]
        raise ValueError(
            f"The unfinished training in {str(unfinished)!r} had other settings. Expected "
            f"{name}={before.get(name)!r}. Received: {settings[name]!r}"
        )


def _vocabulary(file: Path | None, start: Path | None, text, min_count, max_words) -> Vocabulary:
    if file is not None:
        return Vocabulary.read(file)
    found = None if start is None else vocabulary_in(start)
    return found or Vocabulary.from_text(text, min_count, max_words)


def _softmax_from(start: Path, model: LanguageModel, words: Vocabulary) -> str:
    """Take the softmax of a checkpoint if there is one for these words; what was done."""
    file = softmax_file(start)
    if file is None:
        return "The checkpoint has no softmax: a new one is trained."
    found = checkpoints.load_softmax(file, width=model.bilm.width)
    if len(found.bias) != model.softmax.classes:
        return (
            f"The checkpoint's softmax has {len(found.bias)} words, the vocabulary "
            f"{model.softmax.classes}: a new one is trained."
        )
    if vocabulary_in(start) not in (None, words):
        return "The checkpoint's softmax is one over other words: a new one is trained."
    model.softmax.kernel.assign(found.kernel)
    model.softmax.bias.assign(found.bias)
    return f"Going on from {start}, softmax included."


def _write(path: Path, settings: dict) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    partial.replace(path)
