"""Which melodies are one tune, for a split that does not test on tunes of the training."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

STEPS = 6  # intervals in a row that are compared
ALIKE = 0.4  # of them, in common


def intervals(melody: Sequence[int]) -> list[int]:
    """Semitones from each note to the next other one: in any key, any rhythm; rests are left out."""
    pitches = np.asarray(melody)
    return [int(step) for step in np.diff(pitches[pitches > 0]) if step]


def group_by_tune(melodies: Sequence[Sequence[int]]) -> list[int]:
    """For each melody the number of the first one that it is alike, or alike to one that is alike ...

    Two are alike when 40 % of the shorter's rows of six intervals are in the other. For Bach's chorales
    this share is nearly always below 0.3, or else above 0.5.
    """
    found = [_rows(intervals(melody)) for melody in melodies]
    group = list(range(len(melodies)))
    for one, other in combinations(range(len(melodies)), 2):
        shorter = min(len(found[one]), len(found[other]))
        if shorter and len(found[one] & found[other]) >= ALIKE * shorter:
            first, last = sorted((group[one], group[other]))
            group = [first if number == last else number for number in group]
    return group


def _rows(steps: list[int]) -> set[tuple[int, ...]]:
    return {tuple(steps[start : start + STEPS]) for start in range(len(steps) - STEPS + 1)}
