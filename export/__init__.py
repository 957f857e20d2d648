"""Export of Keras models with recurrent layers; installed as `keras_recurrent.export`."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from keras_recurrent.export import (
    converter,
    files,
    flatbuffer,
    ops,
    plan,
    runtimes,
    saved_model,
    verification,
)
from keras_recurrent.export.adopt import adopt
from keras_recurrent.export.keras_layers import check_exportable, check_single_precision
from keras_recurrent.export.report import Report, Tensor
from keras_recurrent.export.signature import signature_of
from keras_recurrent.export.trace import trace
from keras_recurrent.export.verification import VerificationError

__all__ = [
    "Report",
    "Tensor",
    "VerificationError",
    "inspect",
    "to_saved_model",
    "to_tflite",
    "verify",
]


def to_saved_model(model, folder, streaming: bool = False) -> Report:
    """Write a model for inference as a SavedModel and compare it with the model.

    The graph holds neither cuDNN, XLA nor random operations, so any TensorFlow serves it. Its batch
    size is free; lengths are those of the model's inputs.

    Args:
        model: A built Keras model, of this package's layers or of stock Keras ones.
        folder: Where to; a SavedModel that is there is replaced once the new one is complete.
        streaming: Not part of this version.

    Returns:
        A `Report`; it prints as a table.

    Raises:
        ValueError: The model cannot be exported, or the result differs (`VerificationError`).
        OSError: `folder` cannot be written (FileExistsError: it holds something else).
    """
    plan.refuse_streaming(streaming)
    check_exportable(model)
    signature = signature_of(model).pinned(None, plan.FROM_THE_MODEL)
    with files.new_folder(folder) as temporary:
        trace(adopt(model), signature, plan.SAVED_MODEL_FORM, temporary)
        report = saved_model.describe(temporary)
        report = verification.check_on_samples(model, signature, temporary, report, None)
    return replace(
        report, path=str(folder), form="loop", reason="one loop over time, for any TensorFlow"
    )


def to_tflite(
    model,
    path,
    target: str = "mobile",
    form: str = "auto",
    streaming: bool = False,
    quantize: str | None = None,
    representative_data=None,
    batch_size: int | None = 1,
    timesteps: int | str | None = plan.FROM_THE_MODEL,
    block: int = 1,
    verify: bool = True,
    tolerance: float | None = None,
) -> Report:
    """Write a model as a TFLite file of built-in operations only and compare it with the model.

    Args:
        model: A built Keras model, of this package's layers or of stock Keras ones.
        path: Where to, ending in .tflite. A file that is there is replaced when all is well.
        target: "mobile", the Interpreter of TFLite and LiteRT.
        form: "loop" (any size), "unroll" (a known number of time steps), or "auto" to choose.
        streaming: Not part of this version.
        quantize: How weights are stored: None as they are, "float16", or "dynamic" (8-bit integers;
            activations stay floats).
        representative_data: Not part of this version.
        batch_size: Rows of a batch; None for any number.
        timesteps: Length of the sequences: "from the model", a number, or None for any.
        block: Not part of this version.
        verify: Whether to run model and file on made-up data and refuse a file that differs.
        tolerance: Largest difference allowed, relative to max(1, largest output). Default: 1e-5,
            5e-3 for "float16", 5e-2 for "dynamic".

    Returns:
        A `Report`; it prints as a table.

    Raises:
        ValueError: An argument or the model does not allow the export, or the file differs from the
            model (`VerificationError`). Nothing is written then.
        RuntimeError: The converter refused the model, crashed or took too long.
        OSError: `path` cannot be written.
        ImportError: ai-edge-litert is not installed.
    """
    chosen = plan.plan_tflite(
        target, form, streaming, quantize, representative_data, batch_size, timesteps, block
    )
    tolerance = plan.checked_tolerance(tolerance)
    runtimes.check_installed(target)
    check_exportable(model)
    check_single_precision(model)
    signature = signature_of(model).pinned(chosen.batch_size, chosen.timesteps)
    with files.new_file(path, ".tflite") as temporary:
        with TemporaryDirectory() as folder:
            trace(adopt(model), signature, chosen.form, Path(folder))
            converter.convert(Path(folder), temporary, chosen.quantize)
        report = flatbuffer.describe(temporary)
        ops.check(temporary, report, target, model)
        if verify:
            report = verification.check_on_samples(
                model, signature, temporary, report, tolerance, target
            )
    notes = plan.notes(chosen, report)
    return replace(report, path=str(path), form=chosen.form, reason=chosen.reason, notes=notes)


def verify(model, path, data, *, tolerance: float | None = None) -> Report:
    """Run a Keras model and an export of it on the same data and compare.

    Args:
        model: The Keras model.
        path: A .tflite file or a SavedModel folder.
        data: What the model is called with: an array, or a list or dictionary of arrays. A file
            with a fixed batch size gets the rows in parts.
        tolerance: As in `to_tflite`. By default that of the weights as the file stores them: a file
            that was exported with a looser one needs the same here.

    Returns:
        A `Report` with the differences.

    Raises:
        VerificationError: They are above the tolerance, the file gives NaN or
            keeps state.
        ValueError: The data or the file do not fit the model.
    """
    tolerance = plan.checked_tolerance(tolerance)
    check_exportable(model)
    signature, report = signature_of(model), inspect(path)
    target = None if report.kind == "saved_model" else "mobile"
    return verification.check_on_data(
        model, signature, Path(path), report, data, tolerance, target, bool(report.variables)
    )


def inspect(path) -> Report:
    """What a .tflite file or a SavedModel holds: operations, bytes, inputs, outputs, variables.

    Raises:
        FileNotFoundError: There is nothing at `path`.
        ValueError: It is neither of the two, or damaged.
        ImportError: ai-edge-litert is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {str(path)!r}.")
    if path.is_dir():
        if not files.is_saved_model(path):
            raise ValueError(f"This folder is not a SavedModel: {str(path)!r}")
        return saved_model.describe(path)
    return flatbuffer.describe(path)
