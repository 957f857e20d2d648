"""The state of a recurrent layer: its structure, its variables, setting it."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.cells.stacked import follows_contract
from keras_recurrent.keras_hooks import create_state_variables


def as_cell_state(cell, states):
    """States in any nesting (a list, one tensor, named tuples) as the cell's own structure."""
    tensors = [tf.convert_to_tensor(s) for s in tf.nest.flatten(states)]
    if not follows_contract(cell):
        sizes = cell.state_size
        sizes = list(sizes) if isinstance(sizes, list | tuple) else [sizes]
        return tf.nest.pack_sequence_as(sizes, [tf.cast(t, cell.compute_dtype) for t in tensors])
    zeros = cell.get_initial_state(batch_size=1)
    zeros = tuple(zeros) if isinstance(zeros, list) else zeros  # as a stack of cells returns them
    types = [zero.dtype for zero in tf.nest.flatten(zeros)]
    cast = [tf.cast(t, dtype) for t, dtype in zip(tensors, types, strict=True)]
    return tf.nest.pack_sequence_as(zeros, cast)


def check_structure(cell, states, batch: int | None, what: str) -> None:
    """Refuse states of the wrong number or shape."""
    if isinstance(states, Mapping):
        raise ValueError(
            f"`{what}` must be a sequence of tensors, such as kr.LSTMState(h=..., c=...). "
            f"Received: a mapping with keys {list(states)}"
        )
    sizes = tf.nest.flatten(cell.state_size)
    tensors = tf.nest.flatten(states)
    shapes = [tuple(np.shape(t) if not hasattr(t, "shape") else t.shape) for t in tensors]
    expected = [(batch, size) for size in sizes]
    fits = len(shapes) == len(expected) and all(
        len(shape) == 2 and _fits(shape[0], batch) and _fits(shape[1], size)
        for shape, (_, size) in zip(shapes, expected, strict=True)
    )
    if not fits:
        raise ValueError(
            f"`{what}` must hold one tensor for each part of the state, of shapes {expected} "
            f"(batch, width). Received: shapes {shapes}"
        )


def _fits(size, expected) -> bool:
    return size is None or expected is None or size == expected


def create_variables(layer, batch: int | None) -> None:
    if batch is None:
        raise ValueError(
            f"A stateful layer keeps one state a row, so the batch size must be fixed: give it in the "
            f"input, such as keras.Input(batch_shape=(32, None, 8)). Layer {layer.name!r} received a "
            "batch size of None."
        )
    create_state_variables(layer, batch)


def check_batch(variables, sequences, name: str):
    """The sequences, whose batch must have one row for each kept state."""
    kept, received = tf.nest.flatten(variables)[0].shape[0], sequences.shape[0]
    if received is None:  # else one row would be added to the states of all
        return tf.ensure_shape(sequences, [kept, *sequences.shape[1:]])
    if received is not None and received != kept:
        raise ValueError(
            f"Layer {name!r} is stateful and keeps the states of {kept} rows: every batch must have "
            f"that many. Received: a batch of {received} rows"
        )
    return sequences


def assign(variables, states) -> None:
    for variable, value in zip(tf.nest.flatten(variables), tf.nest.flatten(states), strict=True):
        variable.assign(tf.cast(value, variable.dtype))


def reset(cell, variables, states, rows) -> None:
    """Set the variables to `states` (zeros by default), in `rows` only if given."""
    flat = tf.nest.flatten(variables)
    batch = flat[0].shape[0]
    rows = _row_numbers(rows, batch)
    if states is None:
        values = [np.zeros((len(rows), v.shape[1])) for v in flat]
    else:
        check_structure(cell, states, len(rows), "states")
        values = [np.asarray(keras.ops.convert_to_numpy(s)) for s in tf.nest.flatten(states)]
    for variable, value in zip(flat, values, strict=True):
        whole = keras.ops.convert_to_numpy(variable).copy()
        whole[rows] = value
        variable.assign(whole)


def _row_numbers(rows, batch: int) -> np.ndarray:
    if rows is None:
        return np.arange(batch)
    rows = np.atleast_1d(np.asarray(rows))
    if rows.dtype == bool and rows.shape == (batch,):
        return np.flatnonzero(rows)
    indices = rows.ndim == 1 and (rows.size == 0 or np.issubdtype(rows.dtype, np.integer))
    if indices and np.all((rows >= 0) & (rows < batch)):
        return rows.astype(int)
    raise ValueError(
        f"`rows` must be indices in [0, {batch}) or {batch} booleans. Received: rows={rows.tolist()}"
    )
