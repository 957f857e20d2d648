"""What a decoder is asked to do, checked before anything runs."""

import math
import numbers

import numpy as np

from keras_recurrent.options import is_number, positive_int

_count = positive_int("").check
_SMALLEST = (
    1e-30  # of a temperature: it must be a number above 0 in 32 bits, and so must its inverse
)


def check_boundaries(begin, end, vocabulary: int) -> tuple[int, int]:
    """The ids that begin and end a sequence: two different ones of the vocabulary, neither 0."""
    begin, end = _count("begin", begin), _count("end", end)
    for name, value in (("begin", begin), ("end", end)):
        if value >= vocabulary:
            raise ValueError(
                f"`{name}` must be an id of the vocabulary, 1 to {vocabulary - 1}. Received: "
                f"{name}={value}"
            )
    if begin == end:
        raise ValueError(f"`begin` and `end` must be different ids. Received: both {begin}")
    return begin, end


def check_count(name: str, value) -> int:
    value = _count(name, value)
    if value >= 2**31:
        raise ValueError(f"`{name}` must be below 2^31. Received: {name}={value}")
    return value


def check_temperature(value) -> float:
    if not is_number(value) or not _SMALLEST <= value <= 1 / _SMALLEST:
        raise ValueError(
            "`temperature` must be a positive finite number; greedy() is what it comes to near 0. "
            f"Received: temperature={value!r}"
        )
    return float(value)


def check_top_p(value) -> float:
    if value is None:
        return 1.0
    if not is_number(value) or not 0 < value <= 1:
        raise ValueError(
            f"`top_p` is a probability in (0, 1], or None for 1. Received: top_p={value!r}"
        )
    return float(value)


def check_length_penalty(value) -> float:
    if not is_number(value) or not 0 <= value < math.inf:
        raise ValueError(
            "`length_penalty` must be a finite number >= 0; 0 ranks by probability alone. Received: "
            f"length_penalty={value!r}"
        )
    return float(value)


def check_rows(rows, inputs) -> int:
    """The number of sequences that an unconditioned model is to generate."""
    if inputs is not None:
        raise ValueError(
            "The model is unconditioned, it has no encoder to read inputs: give rows=, the number of "
            f"sequences. Received: inputs of shape {np.shape(inputs)}"
        )
    whole = isinstance(rows, numbers.Integral) and not isinstance(rows, bool)
    if not whole or not 0 <= rows < 2**31:
        raise ValueError(
            "The model is unconditioned: give rows=, the number of sequences to generate. Received: "
            f"rows={rows!r}"
        )
    return int(rows)


def check_inputs(
    inputs, rows, name: str, shape: tuple, dtype: str, sizes: int | tuple | None
) -> np.ndarray:
    """What the encoder reads, as an array of its dtype.

    Args:
        inputs, rows: As the caller gave them.
        name, shape, dtype: Of what the encoder reads.
        sizes: How many ids a source is made of, or how many each column of a condition.
    """
    if rows is not None:
        raise ValueError(
            f"rows= is for models without an encoder; this one reads {name!r} and generates a row for "
            f"each of its rows. Received: rows={rows!r}"
        )
    try:
        array = np.asarray(inputs)
    except ValueError:  # rows of different lengths
        array = None
    if array is None or array.dtype == object:
        raise ValueError(
            f"{name!r} must be one array; pad sequences of different lengths with 0 on the right, such "
            f"as ragged.to_tensor(). Received: {type(inputs).__name__}"
        )
    _check_kind(array, name, dtype)
    _check_shape(array, name, shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name!r} must hold finite numbers. Received: NaN or infinity among them")
    array = array.astype(dtype)
    if isinstance(sizes, int):
        _check_ids(array, repr(name), sizes)
        _check_not_empty(array, name)
    elif sizes is not None:
        for column, size in enumerate(sizes):
            _check_ids(array[:, column], f"Column {column} of {name!r}", size)
    return array


def _check_kind(array: np.ndarray, name: str, dtype: str) -> None:
    whole = np.issubdtype(np.dtype(dtype), np.integer)
    if array.dtype.kind not in ("iu" if whole else "iuf") and array.size:
        wanted = "ids, whole numbers" if whole else "numbers"
        raise ValueError(f"{name!r} must be {wanted}. Received: dtype {array.dtype}")


def _check_shape(array: np.ndarray, name: str, shape: tuple) -> None:
    fits = array.ndim == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape[1:], array.shape[1:], strict=True)
    )
    if not fits:
        said = ", ".join(["batch", *("any" if s is None else str(s) for s in shape[1:])])
        raise ValueError(f"{name!r} must have the shape ({said}). Received: shape {array.shape}")
    if 0 in array.shape[1:]:
        raise ValueError(f"{name!r} is empty, there is nothing to read. Received: {array.shape}")


def _check_ids(array: np.ndarray, who: str, size: int) -> None:
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    if low < 0 or high >= size:
        raise ValueError(f"{who} holds ids from 0 to {size - 1}. Received: {low} to {high}")


def _check_not_empty(array: np.ndarray, name: str) -> None:
    empty = np.flatnonzero(~array.any(1))
    if len(empty):
        raise ValueError(
            f"{name!r} has rows of padding (0) alone, there is nothing to read: leave them out. "
            f"Received: rows {empty[:10].tolist()}"
        )
