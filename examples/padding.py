"""Sequences of different lengths as one array."""

from collections.abc import Sequence

import numpy as np


def padded(
    sequences: Sequence[Sequence], length: int | None = None, dtype: str = "int32"
) -> np.ndarray:
    """`(len(sequences), length, ...)` with 0 behind each; by default as long as the longest.

    Raises:
        ValueError: One is longer than `length`.
    """
    longest = max(map(len, sequences))
    length = longest if length is None else length
    if longest > length:
        raise ValueError(
            f"A sequence has {longest} steps, more than the {length} to pad to. Raise the length."
        )
    rows = np.zeros((len(sequences), length, *np.shape(sequences[0])[1:]), dtype)
    for row, sequence in zip(rows, sequences, strict=True):
        row[: len(sequence)] = sequence
    return rows
