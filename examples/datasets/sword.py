"""Bible translations as the SWORD project packages them, verse by verse."""

import re
import struct
import tempfile
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .debian import DebianPackage, unpack_debian_package

WORLD_ENGLISH = DebianPackage(
    name="sword-text-web",
    version="426.0-1",
    sha256="930b23670b352f0829a306501de4bebb5e654a2df02cde2cbe86b802177868e1",
)
REINA_VALERA = DebianPackage(
    name="sword-text-sparv",
    version="2.60-1",
    sha256="5c87f9b2bc97457e8a872f5bae7ea7ce59cb3de1dcee73e4d4740451863694cf",
)


class Place(NamedTuple):
    """Where a verse stands, in the numbering of the King James Version."""

    book: str
    chapter: int
    verse: int


def read_bible(package: DebianPackage) -> dict[Place, str]:
    """Every verse in order, with its markup; those that a translation leaves out are empty."""
    from pysword.modules import SwordModules

    with tempfile.TemporaryDirectory() as folder:
        unpack_debian_package(package, Path(folder))
        modules = SwordModules(f"{folder}/usr/share/sword")
        ((name, facts),) = modules.parse_modules().items()
        structure = modules.get_bible_from_module(name).get_structure()
        texts = _Texts(Path(folder, "usr/share/sword", facts["datapath"]))
        verses = {}
        for testament, books in structure.get_books().items():
            for book in books:
                indices = structure.ref_to_indicies(books=book.name)[testament]
                for place, index in zip(_places(book), indices, strict=True):
                    verses[place] = texts.read(testament, index)
    return verses


def _places(book) -> Iterator[Place]:
    """Of all verses of one of pysword's books."""
    for chapter, verses in enumerate(book.chapter_lengths, start=1):
        for verse in range(1, verses + 1):
            yield Place(book.name, chapter, verse)


def plain(marked: str) -> str:
    """The text without its markup, notes and titles; spaces are as they come."""
    return re.sub(r"<[^>]+>", "", re.sub(r"<(note|title)\b.*?</\1>", " ", marked))


class _Texts:
    """The files of a module of the kind zText, which are compressed book by book.

    pysword itself uncompresses the whole book for each verse of it: a minute or two for a Bible.
    """

    def __init__(self, folder: Path):
        self.content = cache(lambda name: (folder / name).read_bytes())
        self.book = cache(self._book)

    def read(self, testament: str, index: int) -> str:
        places = self.content(f"{testament}.bzv")
        book, start, length = struct.unpack_from("<IIH", places, 10 * index)
        return self.book(testament, book)[start : start + length].decode() if length else ""

    def _book(self, testament: str, number: int) -> bytes:
        places = self.content(f"{testament}.bzs")
        offset, size, _ = struct.unpack_from("<III", places, 12 * number)
        return zlib.decompress(self.content(f"{testament}.bzz")[offset : offset + size])
