"""What a generating model reads and should say, from sequences of ids."""

import math
import numbers
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from keras_recurrent.options import positive_int


def teacher_forcing(
    sequences: Iterable[Sequence[int]],
    begin: int = 1,
    end: int = 2,
    length: int | None = None,
    *,
    vocabulary_size: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets for `fit`: at each step the model reads what it should have said before.

    previous = begin y_1 .. y_n, targets = y_1 .. y_n end (Williams and Zipser 1989)

    Args:
        sequences: Ids y_1 .. y_n of each sequence, none of them 0, which is padding, `begin` or `end`.
        begin: The id that stands for the start.
        end: The id that ends a sequence.
        length: Of the arrays; the longest sequence's n + 1 by default. Longer sequences are an error.
        vocabulary_size: Number of ids that the model knows. Give it: a GPU, and what XLA compiles, read
            ids beyond it without a word.

    Returns:
        `previous` and `targets`, int32 `(batch, length)`, 0 behind the end. Steps of padding have the
        mask False in the model's output, so that losses leave them out.

    Raises:
        ValueError: No sequences; one with 0, `begin` or `end` inside, with ids that the model does not
            know, or that is too long.
    """
    rows = [np.asarray(sequence) for sequence in sequences]
    if not rows:
        raise ValueError("There are no sequences. Give at least one.")
    known = _number_of_ids(vocabulary_size) or math.inf
    marks = (begin, end)
    if not all(isinstance(i, numbers.Integral) and 0 < i < known for i in marks) or begin == end:
        among = "above 0" if vocabulary_size is None else f"from 1 to {known - 1}"
        raise ValueError(
            f"`begin` and `end` must be two ids {among}. Received: begin={begin!r}, end={end!r}"
        )
    for place, row in enumerate(rows):
        _check(place, row, begin, end, known)
    longest = max(len(row) for row in rows) + 1
    if length is not None and longest > length:
        raise ValueError(
            f"With its end the longest sequence has {longest} steps. Cut the sequences, or give a "
            f"larger length. Received: length={length}"
        )
    previous, targets = np.zeros((2, len(rows), length or longest), np.int32)
    for given, wanted, row in zip(previous, targets, rows, strict=True):
        given[0], given[1 : len(row) + 1] = begin, row
        wanted[: len(row)], wanted[len(row)] = row, end
    return previous, targets


_number_of_ids = partial(positive_int("", optional=True).check, "vocabulary_size")


def _check(place: int, row: np.ndarray, begin: int, end: int, known: float) -> None:
    if row.ndim != 1 or (row.size and row.dtype.kind not in "iu"):
        raise ValueError(
            "A sequence is a list of whole numbers. Received: sequence "
            f"{place} with shape {row.shape} and dtype {row.dtype}"
        )
    wrong = row[(row <= 0) | np.isin(row, (begin, end))]
    if wrong.size:
        raise ValueError(
            f"Ids of a sequence must be above 0 and neither {begin} nor {end}, which mark its begin and "
            f"end. Received: {int(wrong[0])} in sequence {place}"
        )
    if row.size and row.max() >= known:
        raise ValueError(
            f"The model knows ids from 0 to {known - 1}: give words that it does not know an id "
            f"of their own, such as 3. Received: {int(row.max())} in sequence {place}"
        )
