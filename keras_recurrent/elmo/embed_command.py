"""What `keras-recurrent elmo embed` does."""

from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import track

from keras_recurrent.elmo.checkpoint_folder import bilm_in, vocabulary_in
from keras_recurrent.elmo.embedding_file import write_embeddings
from keras_recurrent.elmo.text import sentences, text_files


def embed(
    text: list[Path], out: Path, *, model: Path, say: Callable[[str], None] = print, **arguments
) -> int:
    """Write the vectors of all lines of text files; see `kr.elmo.write_embeddings`.

    Args:
        text: Files with a sentence a line, words separated by white space. An empty line is an empty
            sentence, so that dataset "k" is line k, counted from 0 through all files.
        out: The HDF5 file.
        model: Folder with a checkpoint in the published layout.
        say: Takes lines of text.
        arguments: Of `kr.elmo.embed`.

    Returns:
        The number of sentences.

    Raises:
        ValueError: For an `out` that is one of the texts, and as `kr.elmo.embed`.
        OSError: For missing files, and where nothing can be written.
    """
    files = text_files(text)
    if out.exists() and any(out.samefile(file) for file in files):
        raise ValueError(f"The vectors would take the place of the text itself: {str(out)!r}")
    bilm = bilm_in(model)
    if bilm.vocabulary_size is not None:
        arguments["vocabulary"] = vocabulary_in(model)
    lines = sum(1 for _ in _lines(files))
    shown = track(_lines(files), "Sentences", total=lines, console=Console(stderr=True))
    count = write_embeddings(bilm, shown, out, **arguments)
    say(f"Vectors of {count:,} sentences written: {out}")
    return count


def _lines(files: list[Path]) -> Iterator[list[str]]:
    for file in files:
        for words in sentences(file):
            yield words or []
