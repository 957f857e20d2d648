"""How far spoken words are from the ways to say them that a dictionary lists."""

from collections.abc import Sequence

import numpy as np

Ways = Sequence[Sequence[str]]


def word_error_rate(spoken: Ways, right: Sequence[Ways]) -> float:
    """The share of words that are said in none of the right ways."""
    wrong = [
        list(said) not in [list(way) for way in ways]
        for said, ways in zip(spoken, right, strict=True)
    ]
    return float(np.mean(wrong))


def phoneme_error_rate(spoken: Ways, right: Sequence[Ways]) -> float:
    """Phonemes to insert, delete or replace, as a share of the right ones, the nearest way counting."""
    errors, total = 0, 0
    for phonemes, ways in zip(spoken, right, strict=True):
        distance, way = min(
            ((edits(phonemes, way), way) for way in ways), key=lambda found: found[0]
        )
        errors, total = errors + distance, total + len(way)
    return errors / total


def edits(a: Sequence, b: Sequence) -> int:
    """The fewest insertions, deletions and replacements that turn `a` into `b`."""
    above = list(range(len(b) + 1))
    for row, item in enumerate(a, start=1):
        distances = [row]
        for column, other in enumerate(b, start=1):
            replaced = above[column - 1] + (item != other)
            distances.append(min(replaced, above[column] + 1, distances[-1] + 1))
        above = distances
    return above[-1]
