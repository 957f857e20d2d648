"""Whether an exported model gives the numbers of its Keras model."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.engines import lowering
from keras_recurrent.export import quantization, sample
from keras_recurrent.export.comparison import Case, VerificationError, compare, differences
from keras_recurrent.export.report import Report, Tensor
from keras_recurrent.export.signature import Signature, name_outputs
from keras_recurrent.keras_hooks import all_layers

# Largest differences on 54 random stacks of two layers (LSTM, GRU, SimpleRNN; 64 or 128 units, 20 to
# 500 steps, initial weights as drawn and doubled): float32 3.5e-6, float16 3.2e-3; dynamic 0.019 with
# weights as drawn, up to 0.14 with doubled ones, whose recurrence amplifies rounding: there the user
# is to decide. 16-bit arithmetic (SavedModel only) is bound by its own rounding.
TOLERANCES = {
    None: 1e-5,
    "float16": 5e-3,
    "dynamic": 5e-2,
    "bfloat16": 5e-2,
} | quantization.TOLERANCES

# Weights with which large inputs tell nothing. Integers stand for a range that was measured on data:
# what lies outside is cut off, as it must be. "dynamic" rounds activations in steps that grow with
# them, which a state sums up (differences of 0.46 for an LSTM of 256 units after 100 steps).
_NOT_SATURATED = ("dynamic", "int8", "int16x8")

_LAST_BITS = 2e-7  # relative, of a float32


def default_tolerance(model, report: Report) -> float:
    """The largest of the tolerances that the stored weights and the arithmetic call for."""
    kinds = (report.quantize, keras.backend.standardize_dtype(model.compute_dtype or "float32"))
    return max(TOLERANCES[None], *(TOLERANCES.get(kind, 0.0) for kind in kinds))


def check_on_samples(
    model,
    signature: Signature,
    path: Path,
    report: Report,
    tolerance: float | None,
    target: str | None = None,
    stateful: bool = False,
) -> Report:
    """Compare on made-up data of several sizes, but those that the model itself refuses.

    See `compare` for `target` and `stateful`.
    """
    tolerance = default_tolerance(model, report) if tolerance is None else tolerance
    cases, refusal = [], None
    for size in sample.sizes(signature):
        try:
            cases.append(_case(model, signature, sample.draw(signature, model, size)))
        except (ValueError, tf.errors.OpError) as error:  # too short for a window, say
            refusal = error
    if not cases:
        raise refusal
    if target is not None and report.quantize not in _NOT_SATURATED:
        cases += _saturating_cases(model, signature, tolerance)
    return compare(path, report, cases, tolerance, target, stateful)


def _saturating_cases(model, signature: Signature, tolerance: float) -> list[Case]:
    """Large inputs, but those on which the model's own numbers hang on the last bits of them.

    They do where a layer normalises a state that is at its clip in all units, say.
    """
    cases = []
    for size in sample.saturating_sizes(signature):
        inputs = sample.draw(signature, model, size)
        near = [
            (array * (1 + _LAST_BITS * np.cos(np.arange(array.size)).reshape(array.shape))).astype(
                array.dtype
            )
            if np.issubdtype(array.dtype, np.floating)
            else array
            for array in inputs
        ]
        try:
            case = _case(model, signature, inputs)
            moved = _case(model, signature, near).outputs
        except (ValueError, tf.errors.OpError):  # such large ones give NaN, say
            continue
        # States get as much larger, and so does their rounding: at |c| = 50 Keras's own LSTM (256
        # units) is off by 8e-6 from one computed in float64, TFLM's by as much.
        case = replace(case, remark=f"floats times {size.scale:g}", unit=size.scale)
        changes = [differences(moved[name], values) for name, values in case.outputs.items()]
        if all(change.max(initial=0.0) <= tolerance * case.unit for change in changes):
            cases.append(case)
    return cases


def check_on_data(
    model,
    signature: Signature,
    path: Path,
    report: Report,
    data,
    tolerance: float | None,
    target: str | None = None,
    stateful: bool = False,
) -> Report:
    """Compare on the caller's data, in parts where the file takes a fixed batch size.

    See `compare` for `target` and `stateful`.
    """
    signature = _named_as_in_file(signature, report)
    arrays = _fitting(signature, report, data)
    fixed = {t.shape[0] for t in report.inputs if t.shape and t.shape[0] is not None}
    rows = len(arrays[0])
    size = min(fixed) if fixed else rows
    cases = []
    for start in range(0, rows, size):
        # The last part is filled up with the first rows again.
        places = np.arange(start, start + size) % rows
        cases.append(_case(model, signature, [array[places] for array in arrays]))
    tolerance = default_tolerance(model, report) if tolerance is None else tolerance
    return compare(path, report, cases, tolerance, target, stateful)


def check_on_calls(
    model,
    signature: Signature,
    path: Path,
    report: Report,
    calls: list[dict[str, np.ndarray]],
    tolerance: float | None,
    target: str | None = None,
    stateful: bool = False,
) -> Report:
    """Compare on inputs by name that fit the file as they are, one dictionary a call.

    See `compare` for `target` and `stateful`.
    """
    cases = [
        _case(model, signature, [call[tensor.name] for tensor in signature.inputs])
        for call in calls
    ]
    tolerance = default_tolerance(model, report) if tolerance is None else tolerance
    return compare(path, report, cases, tolerance, target, stateful)


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


def _case(model, signature: Signature, inputs: list) -> Case:
    """Inputs with the outputs of the Keras model."""
    with _without_cudnn(model):
        outputs = model(signature.pack([tf.constant(array) for array in inputs]), training=False)
    named = {t.name: value for t, value in zip(signature.inputs, inputs, strict=True)}
    case = Case(
        named, {n: keras.ops.convert_to_numpy(value) for n, value in name_outputs(outputs).items()}
    )
    for name, values in case.outputs.items():
        if np.isnan(np.asarray(values).astype(np.float64)).any():
            raise VerificationError(
                f"The Keras model itself gives NaN in {name}, there is nothing to compare with. If "
                "made-up data are at fault, export with verify=False, then verify(model, path, data)."
            )
    return case
