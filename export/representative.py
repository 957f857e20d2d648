"""Samples that calibrate integer quantisation: whatever the caller has, as named arrays."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from keras_recurrent.export.report import Tensor
from keras_recurrent.export.signature import Signature

LIMIT = 200  # rows; ranges settle long before, and each row is a run of the model

_WHAT = (
    "`representative_data` is an array (or a list or dictionary of arrays, as the model is called) "
    "with a batch axis, a tf.data.Dataset, or a generator or function that gives samples"
)


def representative_samples(
    representative_data, signature: Signature, limit: int = LIMIT
) -> list[dict[str, np.ndarray]]:
    """Calibration inputs by name, each with the batch size and length of the exported file.

    Arrays, and lists of whole calls (dictionaries by input name, as roll-outs of streaming models
    give), are sampled evenly, so that data sorted by class are seen whole; of data sets, generators
    and functions without arguments, the first rows are taken, once. At most `limit` rows are used.
    Elements are samples or batches of them, told apart by their rank; of tuples, `(x, y)` as `fit`
    takes them, x is used. Longer sequences are cut to a length that the file fixes; the last batch is
    filled up with rows from the start.

    Args:
        representative_data: See above.
        signature: That of the export, with its batch size and length.
        limit: The largest number of rows.

    Raises:
        ValueError: The data are missing, empty or hold NaN or infinity, or a sample does not fit; the
            message says which.
        TypeError: They are of another kind.
    """
    rows = list(itertools.islice(_rows(representative_data, signature, limit), limit))
    if not rows:
        raise ValueError(
            f"`representative_data` holds no sample, and integers need at least one. {_WHAT}."
        )
    _check_varied(rows, signature)
    size = signature.inputs[0].shape[0] if signature.inputs[0].shape else 1
    return [_batch(part, signature) for part in _parts(rows, size or 1)]


def _check_varied(rows: list[list[np.ndarray]], signature: Signature) -> None:
    """Refuse data that are one number throughout: the ranges would be those of nothing."""
    floats = [
        np.concatenate([row[place].ravel() for row in rows])
        for place, tensor in enumerate(signature.inputs)
        if tensor.dtype.startswith("float")
    ]
    if floats and all(values.size and np.ptp(values) == 0 for values in floats):
        raise ValueError(
            f"`representative_data` is {floats[0][0]:g} throughout, which gives every tensor a range of "
            "nothing. Calibrate with data as the model will meet them."
        )


def _check_finite(array: np.ndarray, place: str) -> None:
    """Refuse numbers that no integer can stand for."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        kind = "NaN" if np.isnan(array).any() else "infinity"
        raise ValueError(
            f"{place} of `representative_data` holds {kind}. Calibrate with data as the model will "
            "meet them, without such values."
        )


def _rows(data, signature: Signature, limit: int) -> Iterator[list[np.ndarray]]:
    """One flat list of arrays without batch axis a row."""
    if data is None:
        raise ValueError(
            f"Integer quantisation is calibrated on `representative_data`: give some. {_WHAT}."
        )
    if _is_list_of_calls(data):
        places = _spread(len(data), limit)
        yield from _elements(((n, data[n]) for n in places), signature)
    elif isinstance(data, tf.data.Dataset):
        yield from _elements(enumerate(data.take(limit).as_numpy_iterator()), signature)
    elif hasattr(data, "shape") or isinstance(data, list | tuple | dict):
        yield from _of_arrays(data, signature, limit)
    elif callable(data) or isinstance(data, Iterable):
        elements = data() if callable(data) else data
        if not isinstance(elements, Iterable):
            raise TypeError(f"{_WHAT}. Received: a function that gives {_short(elements)}")
        yield from _elements(enumerate(elements), signature)
    else:
        raise TypeError(f"{_WHAT}. Received: {_short(data)}")


def _is_list_of_calls(data) -> bool:
    return isinstance(data, list) and bool(data) and all(isinstance(d, dict) for d in data)


def _of_arrays(data, signature: Signature, limit: int) -> Iterator[list[np.ndarray]]:
    arrays = [_array(value) for value in _flat(data, signature, "")]
    for tensor, array in zip(signature.inputs, arrays, strict=True):
        if array.ndim != len(tensor.shape):
            raise ValueError(
                f"`representative_data` for {tensor} must have {len(tensor.shape)} axes, the batch "
                f"first. Received: shape {array.shape}"
            )
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        raise ValueError(
            "All inputs of `representative_data` must have the same number of rows. Received: "
            f"{[len(array) for array in arrays]}"
        )
    for place in _spread(lengths.pop(), limit):
        yield _checked([array[place] for array in arrays], signature, f"Sample {place}")


def _elements(elements, signature: Signature) -> Iterator[list[np.ndarray]]:
    """Rows of numbered elements, which are samples or batches of them."""
    for number, element in elements:
        place = f"Sample {number}"
        if isinstance(element, tuple) and element:
            element = element[0]
        arrays = [_array(value) for value in _flat(element, signature, place)]
        ranks = [
            array.ndim - len(t.shape) for t, array in zip(signature.inputs, arrays, strict=True)
        ]
        if all(rank == -1 for rank in ranks):
            yield _checked(arrays, signature, place)
        elif any(ranks) or len({len(array) for array in arrays}) > 1:
            raise _misfit(arrays, signature, place)
        else:
            for row in range(len(arrays[0])):
                one = [array[row] for array in arrays]
                yield _checked(one, signature, f"{place}, row {row},")


def _flat(data, signature: Signature, place: str) -> list:
    names = [tensor.name for tensor in signature.inputs]
    if isinstance(data, dict) and set(names) <= set(data):
        return [data[name] for name in names]
    try:
        return signature.flatten(data)
    except ValueError as error:
        what = f"{place} of `representative_data`" if place else "`representative_data`"
        raise ValueError(f"{what} does not fit, which is inputs without labels: {error}") from error


def _array(value) -> np.ndarray:
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


def _checked(arrays: list[np.ndarray], signature: Signature, place: str) -> list[np.ndarray]:
    """A row in the dtypes of the model, its sequences not longer than the file takes."""
    row = []
    for tensor, array in zip(signature.inputs, arrays, strict=True):
        wanted = tensor.shape[1:]
        if _is_sequence(tensor) and wanted[0] is not None:
            array = array[: wanted[0]]
        fits = array.ndim == len(wanted) and all(
            size in (None, given) for size, given in zip(wanted, array.shape, strict=True)
        )
        if not fits:
            raise _misfit(arrays, signature, place)
        _check_finite(array, f"{place} for {tensor.name!r}")
        row.append(_cast(array, tensor, place))
        _check_finite(row[-1], f"{place} for {tensor.name!r}, as {tensor.dtype},")
    return row


def _is_sequence(tensor: Tensor) -> bool:
    """Whether axis 1 is time: numbers of a plain row of features are never cut."""
    return len(tensor.shape) > 2 or (len(tensor.shape) == 2 and tensor.dtype.startswith("int"))


def _cast(array: np.ndarray, tensor: Tensor, place: str) -> np.ndarray:
    dtype = np.dtype(tensor.dtype) if tensor.dtype != "string" else np.dtype(object)
    numeric = array.dtype.kind in "biuf"
    with np.errstate(invalid="ignore", over="ignore"):
        cast = array.astype(dtype) if numeric else None
    if cast is None or (dtype.kind != "f" and not np.array_equal(cast, array)):
        raise ValueError(
            f"{place} of `representative_data` for {tensor} must hold {tensor.dtype} values. "
            f"Received: {array.dtype} values such as {array.ravel()[:1].tolist()}"
        )
    return cast


def _misfit(arrays, signature: Signature, place: str) -> ValueError:
    expected = ", ".join(map(str, signature.inputs))
    shapes = ", ".join(str(array.shape) for array in arrays)
    return ValueError(
        f"{place} of `representative_data` does not fit the exported inputs {expected}, with or "
        f"without the batch axis. Received: shape {shapes}"
    )


def _parts(rows: list, size: int) -> Iterator[list]:
    for start in range(0, len(rows), size):
        yield [rows[place % len(rows)] for place in range(start, start + size)]


def _batch(rows: list[list[np.ndarray]], signature: Signature) -> dict[str, np.ndarray]:
    batch = {}
    for tensor, values in zip(signature.inputs, zip(*rows, strict=True), strict=True):
        if len({value.shape for value in values}) > 1:
            raise ValueError(
                f"`representative_data` for {tensor} holds sequences of several lengths, which do not "
                "make one batch: export with batch_size=1 or fix `timesteps`. Received: shapes "
                f"{sorted({value.shape for value in values})}"
            )
        batch[tensor.name] = np.stack(values)
    return batch


def _spread(count: int, limit: int) -> list[int]:
    return np.unique(np.linspace(0, count - 1, min(count, limit)).astype(int)).tolist()


def _short(value) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"an object of {type(value).__name__}"
