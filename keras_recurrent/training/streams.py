"""Long sequences cut into windows whose rows go on from batch to batch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_recurrent.options import positive_int


def windows(inputs: Any, targets: Any = None, *, batch_size: int, window: int) -> tf.data.Dataset:
    """Windows of long sequences for truncated backpropagation through time.

    Row i of batch k+1 goes on where row i of batch k ended. Where a document ends in a row the next one
    starts with the row's next window; the documents are taken in order, each by the row that is free
    first. Nothing is left out: what is missing from a window is filled with zeros of weight 0.

    Args:
        inputs: A list of documents, or one sequence, which is then cut into `batch_size` parts of equal
            length, one a row. A document is an array `(T, ...)`, a list of T numbers, or a dictionary of
            arrays with one T (a sequence too), for models with several inputs. All lies in memory.
        targets: Like `inputs`, with the same T for each document. By default the inputs one step
            later: a model of the next step.
        batch_size: Number of rows.
        window: Time steps in a window, T of the batches.

    Returns:
        A dataset of one epoch, `({"inputs": x, "reset": reset}, y, weights)`, for
        `kr.training.TruncatedBPTT`: `x` and `y (batch_size, window, ...)`, `reset (batch_size,)`,
        1 where a document starts, else 0, `weights (batch_size, window)`, 0 behind its end. Do not
        shuffle, filter or batch it: its order carries the state. Compile with `weighted_metrics`, not
        `metrics`: those count the filling too.

    Raises:
        ValueError: For sizes that are not positive, what is no array, empty or unequal documents, fewer
            steps than rows.
    """
    batch_size = positive_int("").check("batch_size", batch_size)
    window = positive_int("").check("window", window)
    whole = not isinstance(inputs, list | tuple)
    inputs = _documents("inputs", inputs)
    if targets is None:
        targets = [tf.nest.map_structure(lambda a: a[1:], d) for d in inputs]
        inputs = [tf.nest.map_structure(lambda a: a[:-1], d) for d in inputs]
    else:
        targets = _documents("targets", targets)
    lengths = _lengths(inputs, targets)
    if whole:
        lengths = _parts(lengths[0], batch_size)
    data = tf.nest.map_structure(lambda *parts: tf.constant(np.concatenate(parts)), *inputs)
    aims = tf.nest.map_structure(lambda *parts: tf.constant(np.concatenate(parts)), *targets)
    start, valid, reset = map(tf.constant, _schedule(lengths, batch_size, window))
    steps = tf.range(window, dtype=start.dtype)

    def batch(k):
        here = steps < valid[k][:, tf.newaxis]
        places = tf.where(here, start[k][:, tf.newaxis] + steps, 0)

        def cut(whole):
            rows = tf.gather(whole, places)
            shown = tf.reshape(here, [batch_size, window, *[1] * (rows.shape.rank - 2)])
            return tf.where(shown, rows, tf.zeros([], rows.dtype))

        x = {"inputs": tf.nest.map_structure(cut, data), "reset": reset[k]}
        return x, tf.nest.map_structure(cut, aims), tf.cast(here, tf.float32)

    numbers = tf.data.Dataset.range(start.shape[0])
    return numbers.map(batch, num_parallel_calls=2, deterministic=True).prefetch(2)


def _documents(name: str, given) -> list:
    """A list of documents, arrays throughout."""
    documents = list(given) if isinstance(given, list | tuple) else [given]
    documents = [_arrays(name, document) for document in documents]
    if not documents:
        raise ValueError(f"`{name}` must hold at least one document. Received: {name}={given!r}")
    first = _layout(documents[0])
    for place, document in enumerate(documents):
        if any(array.ndim == 0 for array in tf.nest.flatten(document)):
            raise ValueError(
                f"A document must be an array of shape (T, ...); for one sequence of numbers give "
                f"{name}=np.array(...), not a list. Received: the number {document!r} at place {place}"
            )
        if _layout(document) != first:
            raise ValueError(
                f"All documents of `{name}` must have the same parts, types and features. Received: "
                f"{first} at first, {_layout(document)} at place {place}"
            )
    return documents


def _arrays(name: str, given):
    """A document with arrays throughout: a list of numbers is one, a list of arrays several."""
    if isinstance(given, Mapping) and given:
        return {key: _arrays(name, part) for key, part in given.items()}
    if isinstance(given, list | tuple) and given and not _is_plain(given):
        return type(given)(_arrays(name, part) for part in given)
    number = isinstance(given, int | float | np.number)
    ragged = isinstance(given, tf.RaggedTensor | tf.SparseTensor)
    if not ragged and (isinstance(given, list | tuple) or hasattr(given, "__array__") or number):
        array = _array(given)
        if array is not None and array.dtype != object:
            return array
    kind = f"{given.dtype} array" if hasattr(given, "dtype") else type(given).__name__
    raise ValueError(
        f"`{name}` must be a list of arrays, an array, or dictionaries of them. Received: {kind} "
        f"({str(given)[:60]})"
    )


def _is_plain(given) -> bool:
    while isinstance(given, list) and given:
        given = given[0]
    return isinstance(given, list | str | bytes | bool | int | float | np.generic)


def _array(given) -> np.ndarray | None:
    try:
        return np.asarray(given)
    except ValueError:  # rows of unequal length
        return None


def _layout(document):
    def text(array):
        dtype = {"U": "strings", "S": "bytes"}.get(array.dtype.kind, array.dtype)
        return f"{dtype} (T, {str(array.shape[1:])[1:]}"

    return tf.nest.map_structure(text, document)


def _lengths(inputs: list, targets: list) -> list[int]:
    if len(inputs) != len(targets):
        raise ValueError(
            "`inputs` and `targets` must have the same number of documents. Received: "
            f"{len(inputs)} and {len(targets)}"
        )
    lengths = []
    for place, parts in enumerate(zip(inputs, targets, strict=True)):
        found = [len(array) for array in tf.nest.flatten(parts)]
        if len(set(found)) > 1 or found[0] < 1:
            raise ValueError(
                "All arrays of a document must have the same number of time steps, at least 1 (2 where "
                f"the targets are the inputs one step later). Received: {found} at place {place}"
            )
        lengths.append(found[0])
    return lengths


def _parts(steps: int, rows: int) -> list[int]:
    if steps < rows:
        raise ValueError(
            f"One sequence is cut into a part a row: it needs at least {rows} steps for "
            f"batch_size={rows}. Received: {steps} steps"
        )
    return [steps // rows + (row < steps % rows) for row in range(rows)]


def _schedule(lengths: list[int], rows: int, window: int):
    """For every batch and row: where its window starts, how many steps it has, whether to reset.

    `reset` is no boolean: Keras averages the first batch over the replicas of a strategy.
    """
    filled: list[list[tuple[int, int, bool]]] = [[] for _ in range(rows)]
    begin = 0
    for length in lengths:
        row = min(filled, key=len)  # the first one, where several are free
        for at in range(0, length, window):
            row.append((begin + at, min(window, length - at), at == 0))
        begin += length
    batches = max(map(len, filled))
    for row in filled:
        row += [(0, 0, True)] * (batches - len(row))
    start, valid, reset = (np.array(part) for part in zip(*map(_columns, filled), strict=True))
    return start.T.astype("int64"), valid.T.astype("int64"), reset.T.astype("int32")


def _columns(row):
    return tuple(zip(*row, strict=True))
