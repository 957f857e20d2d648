"""Text files with one sentence a line, read piece by piece."""

import glob
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

LONGEST_LINE = 2**24  # bytes; what is longer is no text with a sentence a line
BEGIN, END, UNKNOWN = "<S>", "</S>", "<UNK>"
_MARK = b"\xef\xbb\xbf"  # which some editors put before UTF-8


def text_files(text) -> list[Path]:
    """The files that a path, a pattern such as "news-*.txt" or a list of them names, in order.

    Raises:
        TypeError: For what is no path.
        FileNotFoundError, IsADirectoryError: For what is no file.
        ValueError: For no file at all, or one that is named twice.
    """
    given = list(text) if isinstance(text, list | tuple) else [text]
    files: list[Path] = []
    for item in given:
        if not isinstance(item, str | os.PathLike):
            raise TypeError(f"A text is given by the paths of its files. Received: {item!r}")
        files += _files_of(os.fspath(item))
    if not files:
        raise ValueError(f"A text needs at least one file. Received: {text!r}")
    file, count = Counter(files).most_common(1)[0]
    if count > 1:
        raise ValueError(f"Name each file of a text once. Received: {str(file)!r}, {count} times")
    return files


def _files_of(path: str) -> list[Path]:
    if os.path.isdir(path):
        raise IsADirectoryError(
            f"A text is given by its files, {path + '/*.txt'!r} say. Received: the folder {path!r}"
        )
    if os.path.exists(path):
        return [Path(path)]
    found = sorted(glob.glob(path))
    if not found:
        raise FileNotFoundError(f"There is no file {path!r}.")
    return [Path(name) for name in found]


def sentences(path: Path, start: int = 0, end: int | None = None) -> Iterator[list[str] | None]:
    """The sentences of a file as lists of words, and None for each blank line.

    Words are separated by white space. Lines end as `\\n`, `\\r\\n` or `\\r`. A mark of UTF-8 at the
    begin of the file is left out.

    Args:
        path: The file.
        start: The byte to start at, the first one of a line.
        end: The byte to stop before.

    Raises:
        ValueError: For what is not UTF-8, zero bytes, lines of more than 16 MB, `<S>` or `</S>` as a
            word.
    """
    for _, words in numbered(path, start, end):
        yield words


def numbered(path: Path, start: int = 0, end: int | None = None) -> Iterator[tuple]:
    """As `sentences`, each with the byte at which its line starts."""
    with path.open("rb") as file:
        file.seek(start)
        at, number = start, 0
        while (end is None or at < end) and (raw := file.readline(LONGEST_LINE + 1)):
            number += 1
            for words in _lines(raw, path, number if start == 0 else None, at):
                yield at, words
            at += len(raw)


def _lines(raw: bytes, path: Path, number: int | None, at: int) -> Iterator[list[str] | None]:
    where = f"{str(path)!r}, " + (f"line {number}" if number else f"the line at byte {at}")
    if len(raw) > LONGEST_LINE:
        raise ValueError(
            "A text holds one sentence a line, and a line of it at most 16 MB. Split the text into "
            f"sentences first. Received: {where}, which is longer"
        )
    if at == 0:
        raw = raw.removeprefix(_MARK)
    if b"\0" in raw:
        raise ValueError(
            f"A text holds no zero bytes: this is another kind of file. Received: {where}"
        )
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"A text must be in UTF-8. Received: {where}, byte {error.start + 1} of the line being "
            f"0x{raw[error.start]:02x}; 'iconv -f latin1 -t utf-8' converts, if latin1 is what it is"
        ) from None
    parts = line.rstrip("\r\n").split("\r") if "\r" in line else [line]
    for part in parts:
        words = part.split()
        if "S>" in part and (BEGIN in words or END in words):
            raise ValueError(
                f"{BEGIN} and {END} are the boundaries of sentences, which are put around each line; "
                f"leave them out of the text. Received: {where}: {part.strip()[:80]!r}"
            )
        yield words or None
