"""Vectors of sentences in a file, as AllenNLP's command `elmo` laid it out."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import h5py

from keras_recurrent.elmo.bilm import BiLM
from keras_recurrent.elmo.embedding import embed

SENTENCES = "sentence_to_index"


def write_embeddings(
    bilm: BiLM,
    sentences: Iterable[Sequence[str | bytes]],
    path,
    *,
    index: bool = True,
    **arguments,
) -> int:
    """Write the vectors of sentences into an HDF5 file, in bounded memory; see `embed`.

    The file has a dataset "0", "1", ... for each sentence: `(words, width)`, with several layers
    `(layers, words, width)`; and `sentence_to_index`, one text that is a JSON object from sentences
    (words joined by blanks) to the names of their datasets, of equal sentences the last. It appears
    under its name when all is written; what was there before stays until then.

    Args:
        bilm, sentences: As for `embed`.
        path: The file.
        index: Whether to write `sentence_to_index`, which is held in memory until the end.
        arguments: Of `embed`.

    Returns:
        The number of sentences.

    Raises:
        FileNotFoundError: The folder is missing.
        IsADirectoryError: `path` is a folder.
        TypeError, ValueError: As `embed`.
    """
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(f"A file is to be written, this is a folder: {str(path)!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r}. Create it first.")
    names: dict[str, str] = {}
    is_text = isinstance(sentences, str | bytes)  # refused below
    read = _noted(sentences, names) if index and not is_text else sentences
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    count = 0
    vectors = embed(bilm, read, **arguments)
    try:
        with h5py.File(partial, "w") as file:
            for count, array in enumerate(vectors, 1):
                file[str(count - 1)] = array.swapaxes(0, 1) if array.ndim == 3 else array
            if index:
                text = h5py.string_dtype()
                file.create_dataset(SENTENCES, data=[json.dumps(names)], dtype=text)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _noted(sentences, names: dict[str, str]) -> Iterator:
    """The sentences, their names noted; what is no sentence is refused where it is embedded."""
    for place, sentence in enumerate(sentences):
        words = sentence if isinstance(sentence, str | bytes) else list(sentence)
        if isinstance(words, list):
            names[" ".join(map(_text, words))] = str(place)
        yield words


def _text(word) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
