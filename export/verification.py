"""Whether an exported model gives the numbers of its Keras model."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.engines import lowering
from keras_recurrent.export import sample
from keras_recurrent.export.report import Report, Tensor
from keras_recurrent.export.runners import median_milliseconds, open_runner
from keras_recurrent.export.signature import Signature, name_outputs
from keras_recurrent.keras_hooks import all_layers

# Largest differences on 54 random stacks of two layers (LSTM, GRU, SimpleRNN; 64 or 128 units, 20 to
# 500 steps, initial weights as drawn and doubled): float32 3.5e-6, float16 3.2e-3; dynamic 0.019 with
# weights as drawn, up to 0.14 with doubled ones, whose recurrence amplifies rounding: there the user
# is to decide. 16-bit arithmetic (SavedModel only) is bound by its own rounding.
TOLERANCES = {None: 1e-5, "float16": 5e-3, "dynamic": 5e-2, "int8": 1e-1, "bfloat16": 5e-2}
_REPEATED = 1e-6  # how far a second call may be from the first: rounding, not state


class VerificationError(ValueError):
    """An exported model does not give the numbers of its Keras model."""


def default_tolerance(model, report: Report) -> float:
    """The largest of the tolerances that the stored weights and the arithmetic call for."""
    kinds = (report.quantize, keras.backend.standardize_dtype(model.compute_dtype or "float32"))
    return max(TOLERANCES[None], *(TOLERANCES.get(kind, 0.0) for kind in kinds))


def check_on_samples(model, signature: Signature, path: Path, report: Report, tolerance) -> Report:
    """Compare on made-up data of several sizes, but those that the model itself refuses."""
    batches, refusal = [], None
    for batch, length in sample.sizes(signature):
        inputs = sample.draw(signature, model, batch, length)
        try:
            batches.append((inputs, _reference(model, signature, inputs)))
        except (ValueError, tf.errors.OpError) as error:  # too short for a window, say
            refusal = error
    if not batches:
        raise refusal
    return _compare(model, signature, path, report, tolerance, batches)


def check_on_data(
    model, signature: Signature, path: Path, report: Report, data, tolerance
) -> Report:
    """Compare on the caller's data, in parts where the file takes a fixed batch size."""
    signature = _named_as_in_file(signature, report)
    arrays = _fitting(signature, report, data)
    fixed = {t.shape[0] for t in report.inputs if t.shape and t.shape[0] is not None}
    rows = len(arrays[0])
    size = min(fixed) if fixed else rows
    batches = []
    for start in range(0, rows, size):
        # The last part is filled up with the first rows again.
        places = np.arange(start, start + size) % rows
        inputs = [array[places] for array in arrays]
        batches.append((inputs, _reference(model, signature, inputs)))
    return _compare(model, signature, path, report, tolerance, batches)


def _named_as_in_file(signature: Signature, report: Report) -> Signature:
    """The signature with the file's names: a model built anew may have been given others.

    The file keeps its inputs in the order of their names, so that only shapes and dtypes can tell
    which is which.
    """
    names = {tensor.name for tensor in signature.inputs}
    known = {tensor.name for tensor in report.inputs}
    if known <= names:
        return signature
    new_names = {}
    for tensor in report.inputs:
        if tensor.name not in names:
            partners = [
                t.name for t in signature.inputs if t.name not in known and _alike(t, tensor)
            ]
            if len(partners) != 1 or len(names) != len(known) or partners[0] in new_names:
                raise ValueError(
                    f"The file reads {', '.join(map(str, report.inputs))}, the model "
                    f"{', '.join(map(str, signature.inputs))}: it is no export of this model. If "
                    "it is one, give the model's inputs the names that the file has for them: "
                    "keras.Input(..., name=...)."
                )
            new_names[partners[0]] = tensor.name
    inputs = [replace(t, name=new_names.get(t.name, t.name)) for t in signature.inputs]
    return replace(signature, inputs=tuple(inputs))


def _alike(tensor: Tensor, other: Tensor) -> bool:
    """Whether dtypes and shapes agree, but for the batch size and sizes that one leaves open."""
    return (tensor.dtype, len(tensor.shape)) == (other.dtype, len(other.shape)) and all(
        None in sizes or sizes[0] == sizes[1]
        for sizes in zip(tensor.shape[1:], other.shape[1:], strict=True)
    )


def _fitting(signature: Signature, report: Report, data) -> list[np.ndarray]:
    in_file = {tensor.name: tensor for tensor in report.inputs}
    arrays = []
    for tensor, value in zip(signature.inputs, signature.flatten(data), strict=True):
        expected = in_file.get(tensor.name, tensor)
        array = np.asarray(value).astype(tf.as_dtype(tensor.dtype).as_numpy_dtype)
        fits = len(array.shape) == len(expected.shape) and all(
            wanted in (None, size)
            for size, wanted in zip(array.shape[1:], expected.shape[1:], strict=True)
        )
        if not fits or not len(array):
            raise ValueError(
                f"The data do not fit the exported input {expected}, of which only the batch size "
                f"may differ. Received: shape {array.shape}"
            )
        arrays.append(array)
    if len({len(array) for array in arrays}) > 1:
        raise ValueError(
            "All inputs must have the same number of rows. Received: "
            f"{[len(array) for array in arrays]}"
        )
    return arrays


def _without_cudnn(model):
    """A model that insists on cuDNN runs as its export does: there may be no GPU here."""
    insists = any(getattr(layer, "engine", None) == "cudnn" for layer in all_layers(model))
    return lowering("saved_model") if insists else nullcontext()


def _reference(model, signature: Signature, inputs: list) -> dict[str, np.ndarray]:
    with _without_cudnn(model):
        outputs = model(signature.pack([tf.constant(array) for array in inputs]), training=False)
    reference = {
        name: keras.ops.convert_to_numpy(value) for name, value in name_outputs(outputs).items()
    }
    for name, values in reference.items():
        if np.isnan(_wide(values)).any():
            raise VerificationError(
                f"The Keras model itself gives NaN in {name}, there is nothing to compare with. If "
                "made-up data are at fault, export with verify=False, then verify(model, path, data)."
            )
    return reference


def _compare(model, signature, path: Path, report: Report, tolerance, batches) -> Report:
    tolerance = default_tolerance(model, report) if tolerance is None else tolerance
    run = open_runner(path)
    largest, total, count, checked = 0.0, 0.0, 0, []
    for inputs, reference in batches:
        named = {t.name: value for t, value in zip(signature.inputs, inputs, strict=True)}
        shapes = ", ".join(f"{name} {value.shape}" for name, value in named.items())
        first, second = run(named), run(named)
        for name, values in reference.items():
            difference = _difference(first, name, values, shapes)
            if difference.size:
                largest = max(largest, float(difference.max()))
                total, count = total + float(difference.sum()), count + difference.size
            again = _difference(second, name, first[name], shapes)
            if again.size and again.max() > _REPEATED:
                raise VerificationError(
                    f"The exported model keeps state: a second call with the same inputs ({shapes})"
                    f" differs from the first by {again.max():.3g} in {name}."
                )
        checked.append(shapes)
    mean = total / max(count, 1)
    if largest > tolerance:
        raise VerificationError(
            "The exported model does not give the numbers of the Keras model. Received: largest "
            f"difference {largest:.3g}, mean {mean:.3g}, allowed {tolerance:.3g}, on {checked}. "
            f"Weights are stored as {report.quantize or 'in the model'}; `tolerance` allows more."
        )
    milliseconds, timed = _time(run, signature, report, batches)
    return replace(
        report,
        largest_difference=largest,
        mean_difference=mean,
        tolerance=tolerance,
        checked=tuple(dict.fromkeys(checked)),
        milliseconds=milliseconds,
        timed=timed,
    )


def _difference(outputs: dict, name: str, reference, shapes: str) -> np.ndarray:
    """Absolute differences by max(1, largest absolute reference value)."""
    values = outputs.get(name)
    if values is None or values.shape != reference.shape:
        received = "none" if values is None else f"shape {values.shape}"
        raise VerificationError(
            f"The exported model must give {name} of shape {reference.shape} for {shapes}. "
            f"Received: {received}"
        )
    values, reference = _wide(values), _wide(reference)
    if np.isnan(values).any():
        raise VerificationError(f"The exported model gives NaN in {name} for {shapes}.")
    with np.errstate(invalid="ignore"):  # inf - inf, where both are the same
        difference = np.where(values == reference, 0.0, np.abs(values - reference))
    finite = np.abs(reference[np.isfinite(reference)])
    return difference / max(1.0, finite.max(initial=0.0))


def _wide(values) -> np.ndarray:
    return np.asarray(values).astype(np.float64)


def _time(run, signature: Signature, report: Report, batches) -> tuple[float, str]:
    """The time of the longest input, one row of it where the file leaves the batch size open."""
    inputs, _ = max(batches, key=lambda pair: sum(a.size / max(len(a), 1) for a in pair[0]))
    one_row = all(tensor.shape[:1] == (None,) for tensor in report.inputs)
    named = {
        tensor.name: array[:1] if one_row else array
        for tensor, array in zip(signature.inputs, inputs, strict=True)
    }
    milliseconds = median_milliseconds(run, named)
    shapes = ", ".join(f"{name} {value.shape}" for name, value in named.items())
    return milliseconds, f"{shapes}, {run.threads}"
