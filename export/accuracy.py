"""A task's metric before and after the export, on the caller's data."""

from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.export.report import Accuracy
from keras_recurrent.export.signature import Signature, name_outputs

_TEST = (
    "`test_data` is a pair (x, y) of what the model is called with and its labels, or a "
    "tf.data.Dataset of such pairs"
)

_PICK = "accuracy"


def task_accuracy(
    model,
    signature: Signature,
    run: Callable[[dict], dict],
    test_data,
    metric=None,
    *,
    batch_size: int = 128,
) -> Accuracy:
    """The metric of the Keras model and of an exported one.

    Without a `metric` it is picked from labels and outputs: whole-number labels of one axis less than
    the outputs (or a last axis of 1 for several classes) give sparse categorical accuracy; labels of
    zeros and ones in the outputs' shape, with values in [0, 1], give categorical accuracy where both
    sum to one and binary accuracy else; all other labels give the mean absolute error. "accuracy"
    stands for the one of the first three that fits, as in `model.compile`.

    Args:
        model: The Keras model.
        signature: That of the export; a fixed batch size gets the rows in parts, the last filled up
            with rows from the start, whose outputs do not count.
        run: From inputs by name to outputs by name; reset before every call if it has `reset`. For a
            streaming export, a function that rolls out the frames of a batch of whole sequences, with
            the signature of the whole sequences.
        test_data: `(x, y)`, batched, or a tf.data.Dataset of batches or samples of such pairs.
        metric: A `keras.metrics.Metric`, its name, or a function of all labels and all outputs.
        batch_size: Rows of a Keras call, and of one of the export if the file leaves them open.

    Raises:
        ValueError: The data do not fit the model, or a model of several outputs was given no metric
            for them: see the message.
    """
    inputs, labels = collected(test_data, signature)
    rows = len(inputs[0])
    before = _predict_keras(model, signature, inputs, batch_size)
    fixed = signature.inputs[0].shape[0] if signature.inputs[0].shape else None
    after = _predict_file(run, signature, inputs, fixed or batch_size, filled=fixed is not None)
    name, labels = _the_output(before, labels, metric)
    name_of_metric, function = _metric(metric, labels, before[name])
    return Accuracy(
        name_of_metric, function(labels, before[name]), function(labels, after[name]), rows
    )


def collected(test_data, signature: Signature) -> tuple[list[np.ndarray], object]:
    """`test_data` as arrays, which may be given again in its place; see `task_accuracy` for errors."""
    if isinstance(test_data, tf.data.Dataset):
        return _from_dataset(test_data, signature)
    if not isinstance(test_data, tuple) or len(test_data) != 2:
        raise ValueError(f"{_TEST}. Received: {type(test_data).__name__}")
    inputs = [np.asarray(value) for value in signature.flatten(test_data[0])]
    labels = test_data[1]
    if isinstance(labels, list) and not any(hasattr(part, "shape") for part in labels):
        labels = np.asarray(labels)  # plain numbers, not a list of arrays
    return _checked(inputs, keras.tree.map_structure(np.asarray, labels), signature)


def _from_dataset(dataset: tf.data.Dataset, signature: Signature):
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("`test_data` never ends: give dataset.take(...), or leave out `repeat()`.")
    inputs, labels = [], []
    for element in dataset.as_numpy_iterator():
        if not isinstance(element, tuple) or len(element) < 2:
            raise ValueError(f"{_TEST}. Received: an element of {type(element).__name__}")
        flat = [np.asarray(value) for value in signature.flatten(element[0])]
        label = keras.tree.map_structure(np.asarray, element[1])
        if flat[0].ndim == len(signature.inputs[0].shape) - 1:  # one sample
            flat = [value[np.newaxis] for value in flat]
            label = keras.tree.map_structure(lambda value: value[np.newaxis], label)
        inputs.append(flat)
        labels.append(label)
    if not inputs:
        raise ValueError(f"{_TEST}. Received: an empty data set")
    try:
        joined = [np.concatenate(parts) for parts in zip(*inputs, strict=True)]
        return _checked(
            joined,
            keras.tree.map_structure(lambda *parts: np.concatenate(parts), *labels),
            signature,
        )
    except ValueError as error:
        raise ValueError(
            "The batches of `test_data` do not join into one array: pad the sequences of all batches "
            f"to one length. {error}"
        ) from error


def _checked(inputs: list[np.ndarray], labels, signature: Signature):
    for tensor, array in zip(signature.inputs, inputs, strict=True):
        fits = array.ndim == len(tensor.shape) and all(
            wanted in (None, size)
            for size, wanted in zip(array.shape[1:], tensor.shape[1:], strict=True)
        )
        if not fits:
            raise ValueError(
                f"`test_data` do not fit the exported input {tensor}. Received: shape {array.shape}"
            )
    counts = {len(a) if a.ndim else 0 for a in (*inputs, *keras.tree.flatten(labels))}
    if len(counts) > 1 or 0 in counts:
        raise ValueError(
            "`test_data` must have the same number of rows, at least one, in all inputs and labels. "
            f"Received: {sorted(counts)}"
        )
    dtypes = [tf.as_dtype(tensor.dtype).as_numpy_dtype for tensor in signature.inputs]
    return [a.astype(dtype) for a, dtype in zip(inputs, dtypes, strict=True)], labels


def _predict_keras(model, signature: Signature, inputs, size: int) -> dict[str, np.ndarray]:
    def predict(parts):
        outputs = model(signature.pack([tf.constant(part) for part in parts]), training=False)
        return {k: keras.ops.convert_to_numpy(v) for k, v in name_outputs(outputs).items()}

    return _joined(predict(parts) for parts, _ in _batches(inputs, size, filled=False))


def _predict_file(run, signature: Signature, inputs, size: int, filled: bool):
    names = [tensor.name for tensor in signature.inputs]

    def predict(parts, count: int) -> dict[str, np.ndarray]:
        if hasattr(run, "reset"):  # fused files go on from the last call
            run.reset()
        outputs = run(dict(zip(names, parts, strict=True)))
        return {name: np.asarray(value)[:count] for name, value in outputs.items()}

    return _joined(predict(parts, count) for parts, count in _batches(inputs, size, filled))


def _batches(inputs, size: int, filled: bool) -> Iterator[tuple[list[np.ndarray], int]]:
    """Parts of `size` rows with the number of those that count."""
    rows = len(inputs[0])
    for start in range(0, rows, size):
        count = min(size, rows - start)
        places = np.arange(start, start + (size if filled else count)) % rows
        yield [array[places] for array in inputs], count


def _joined(batches) -> dict[str, np.ndarray]:
    parts = list(batches)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _the_output(outputs: dict, labels, metric) -> tuple[str, np.ndarray]:
    """The one output that has labels."""
    flat = keras.tree.flatten(labels)
    if len(outputs) == 1 and len(flat) == 1:
        return next(iter(outputs)), flat[0]
    if isinstance(labels, dict) and len(labels) == 1 and set(labels) <= set(outputs):
        return next(iter(labels.items()))
    raise ValueError(
        f"The model has the outputs {sorted(outputs)}, and a report shows one metric: give labels for "
        "one of them, as a dictionary {output: labels}. Received: labels for "
        f"{sorted(labels) if isinstance(labels, dict) else len(flat)}"
    )


def check_metric(metric, test_data) -> None:
    """`ValueError` for what is no metric, whatever the data, and for one without data."""
    if metric is not None and test_data is None:
        raise ValueError(
            f"`metric` is taken on `test_data`: give both, or none. Received: metric={metric!r}"
        )
    known = isinstance(metric, keras.metrics.Metric) or metric is None or metric == _PICK
    if isinstance(metric, str) and not known:
        _by_name(metric)
    elif not known and (not callable(metric) or isinstance(metric, type)):
        raise ValueError(
            "`metric` is a keras.metrics.Metric, its name, or a function (y_true, y_pred) -> number. "
            f"Received: metric={metric!r}"
        )


def _metric(metric, labels, outputs) -> tuple[str, Callable]:
    check_metric(metric, labels)
    if metric is None or (isinstance(metric, str) and metric == _PICK):
        picked = _picked(labels, outputs)
        if metric is not None and not picked.endswith(_PICK):
            raise ValueError(
                f"metric={metric!r} needs labels of classes: whole numbers, or zeros and ones in the "
                f"shape of the outputs, which are in [0, 1] then. Received: labels {labels.dtype} "
                f"{labels.shape}, outputs {outputs.shape}"
            )
        metric = picked
    if isinstance(metric, str):
        metric = _by_name(metric)
    if isinstance(metric, keras.metrics.Metric):
        return metric.name, lambda true, predicted: _of_keras(metric, true, predicted)
    name = getattr(metric, "__name__", type(metric).__name__)
    return name, lambda true, predicted: _number(metric, name, true, predicted)


def _picked(labels: np.ndarray, outputs: np.ndarray) -> str:
    whole = labels.dtype.kind in "iub" or (
        labels.dtype.kind == "f" and np.array_equal(labels, np.round(labels))
    )
    classes = outputs.shape[-1] if outputs.ndim > 1 else 1
    one_label = labels.shape in (outputs.shape[:-1], (*outputs.shape[:-1], 1))
    if whole and one_label and classes > 1:
        return "sparse_categorical_accuracy"
    bounded = outputs.size and outputs.min() >= 0 and outputs.max() <= 1
    if bounded and np.isin(labels, (0, 1)).all() and labels.size == outputs.size:
        one_hot = classes > 1 and np.allclose(labels.sum(-1), 1) and _sums_to_one(outputs)
        return "categorical_accuracy" if one_hot else "binary_accuracy"
    return "mean_absolute_error"


def _sums_to_one(outputs: np.ndarray) -> bool:
    return bool(np.allclose(outputs.sum(-1), 1, atol=1e-3))


def _by_name(name: str):
    try:
        found = keras.metrics.get(name)
    except ValueError as error:
        raise ValueError(f"Keras has no metric of this name. Received: metric={name!r}") from error
    if isinstance(found, keras.metrics.Metric):
        return found
    return keras.metrics.MeanMetricWrapper(found, name=name)


def _of_keras(metric, true, predicted) -> float:
    """A metric's result on all rows, as if it were new; what it has counted before is kept."""
    kept = [variable.numpy() for variable in metric.variables]
    metric.reset_state()
    try:
        metric.update_state(true, predicted)
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise ValueError(
            f"The metric {metric.name!r} does not take these labels. Received: labels {true.dtype} "
            f"{true.shape}, outputs {predicted.shape}. {error}"
        ) from error
    result = metric.result()
    for variable, value in zip(metric.variables, kept, strict=False):
        variable.assign(value)
    return _as_number(result, metric.name)


def _number(function, name: str, true, predicted) -> float:
    return _as_number(function(true, predicted), name)


def _as_number(value, name: str) -> float:
    array = np.asarray(keras.ops.convert_to_numpy(value) if hasattr(value, "numpy") else value)
    if array.size != 1:
        raise ValueError(f"The metric {name!r} must give one number. Received: shape {array.shape}")
    number = float(array.reshape(()))
    if not np.isfinite(number):
        raise ValueError(
            f"The metric {name!r} gives {number} on `test_data`: are there NaN in the labels?"
        )
    return number
