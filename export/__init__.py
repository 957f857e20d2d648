"""Export of Keras models with recurrent layers; installed as `keras_recurrent.export`."""

from dataclasses import replace
from pathlib import Path

from keras_recurrent.export import (
    decoder_files,
    files,
    flatbuffer,
    plan,
    roll_out,
    saved_model,
    stream_verification,
    streaming,
    tflite,
    verification,
)
from keras_recurrent.export.accuracy import check_metric, task_accuracy
from keras_recurrent.export.adopt import adopt
from keras_recurrent.export.c_array import to_c_array
from keras_recurrent.export.comparison import VerificationError
from keras_recurrent.export.decoder import Decoder
from keras_recurrent.export.decoder_files import DecoderReport
from keras_recurrent.export.keras_layers import check_exportable, plain_errors
from keras_recurrent.export.report import Accuracy, Report, RuntimeResult, Tensor
from keras_recurrent.export.signature import signature_of
from keras_recurrent.export.stream import Stream
from keras_recurrent.export.trace import trace

__all__ = [
    "Accuracy",
    "Decoder",
    "DecoderReport",
    "Report",
    "RuntimeResult",
    "Stream",
    "Tensor",
    "VerificationError",
    "inspect",
    "task_accuracy",
    "to_c_array",
    "to_saved_model",
    "to_tflite",
    "to_tflite_decoder",
    "verify",
]


@plain_errors()
def to_saved_model(model, folder, streaming: bool = False, block: int = 1) -> Report:
    """Write a model for inference as a SavedModel and compare it with the model.

    The graph holds neither cuDNN, XLA nor random operations, so any TensorFlow serves it, TensorFlow
    Serving among them; this package is not needed. Its batch size is free; lengths are those of the
    model's inputs. Signatures: `serving_default` and `serve`, whole sequences; with `streaming` also
    `step`, one call of a stream, whose inputs `state_...` take what outputs of the same names gave,
    and `initial_state`, which gives them for the start, for a `batch_size`.

    Args:
        model: A built Keras model, of this package's layers or of stock Keras ones.
        folder: Where to; a SavedModel that is there is replaced once the new one is complete.
        streaming: Whether to add the step; see `to_tflite` for what can stream.
        block: Time steps of one call of it.

    Returns:
        A `Report`; it prints as a table.

    Raises:
        ValueError: The model cannot be exported, or the result differs (`VerificationError`).
        OSError: `folder` cannot be written (FileExistsError: it holds something else).
    """
    streams, block = plan.checked_flag("streaming", streaming), plan.checked_block(block, streaming)
    check_exportable(model, streams)
    signature = signature_of(model).pinned(None, plan.FROM_THE_MODEL)
    with files.new_folder(folder) as temporary:
        if streams:
            report = _streaming_saved_model(model, signature, temporary, block)
        else:
            trace(adopt(model), signature, plan.SAVED_MODEL_FORM, temporary)
            report = saved_model.describe(temporary)
            report = verification.check_on_samples(model, signature, temporary, report, None)
    return replace(
        report, path=str(folder), form="loop", reason="one loop over time, for any TensorFlow"
    )


def _streaming_saved_model(model, signature, folder: Path, block: int) -> Report:
    ready = streaming.check_streamable(model, block)
    states = streaming.trace_streaming_saved_model(ready, signature, folder)
    # Layers that keep a state of their own answer otherwise at each call; their copy does not.
    report = verification.check_on_samples(
        ready.model, signature, folder, saved_model.describe(folder), None
    )
    tolerance = verification.default_tolerance(model, report)
    run = saved_model.signature_runner(folder, "step")
    largest, mean, checked = roll_out.check_roll_out(
        model, ready, signature, run, states, tolerance=tolerance
    )
    return replace(
        report,
        block=block,
        states=states,
        notes=report.notes + ready.notes,
        largest_difference=max(report.largest_difference, largest),
        mean_difference=max(report.mean_difference, mean),
        checked=report.checked + tuple(f"step: {what}" for what in checked),
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
    *,
    test_data=None,
    metric=None,
) -> Report:
    """Write a model as a TFLite file of built-in operations only and compare it with the model.

    The file is compared with the model in the runtimes of its target before it gets its name, and
    carries its report as metadata (`inspect` shows it).

    Args:
        model: A built Keras model, of this package's layers or of stock Keras ones.
        path: Where to, ending in .tflite. A file that is there is replaced when all is well.
        target: "mobile", the Interpreter and the CompiledModel of LiteRT; "web", LiteRT.js; "micro",
            TensorFlow Lite for Microcontrollers (needs the extra `micro`).
        form: How recurrent layers run. "loop" (a loop over time; any length), "fused" (one operation
            for an LSTM without options; keeps its state from call to call), "unroll" (a copy of the
            step for each time step), "step" (with `streaming`), or "auto": the best for the target.
        streaming: Whether a call takes `block` time steps and the states, and gives the new states
            back: inputs and outputs `state_<layer>_<part>`, zeros at the start. `Stream` runs such a
            file. For models of recurrent layers that go forwards, causal convolutions, global pooling
            and whatever treats each time step by itself.
        quantize: How numbers are stored: None as they are; weights in "float16", or in 8 bits with
            activations in floats ("dynamic"); all in integers: "int8", or "int16x8", with 16 bits for
            activations and states. Inputs and outputs stay float32.
        representative_data: For "int8" and "int16x8" inputs as the model will meet them (100 will do):
            an array, or a list or dictionary of arrays; a tf.data.Dataset; a generator or function that
            gives samples. For streaming exports whole sequences, which are rolled out.
        batch_size: Rows of a batch; None for any number ("loop" on "mobile").
        timesteps: Length of the sequences: "from the model", a number, or None for any ("loop" on
            "mobile").
        block: Time steps of one call of a streaming export.
        verify: Whether to run model and file on made-up data (integers: on `representative_data`) and
            refuse a file that differs.
        tolerance: Largest difference allowed, relative to max(1, largest output). Default: 1e-5,
            5e-3 for "float16", 5e-2 for "dynamic", 0.15 for "int8", 0.06 for "int16x8".
        test_data: `(x, y)` or a tf.data.Dataset of such pairs: the report then shows the task's metric
            of model and file.
        metric: A `keras.metrics.Metric`, its name or a function of labels and outputs; by default
            picked from the labels, see `task_accuracy`.

    Returns:
        A `Report`; it prints as a table.

    Raises:
        ValueError: An argument or the model does not allow the export, or the file differs from the
            model (`VerificationError`). Nothing is written then.
        RuntimeError: The converter refused the model, crashed or took too long.
        OSError: `path` cannot be written.
        ImportError: ai-edge-litert, or tflite-micro for "micro", is not installed.
    """
    chosen = plan.plan_tflite(
        target, form, streaming, quantize, representative_data, batch_size, timesteps, block
    )
    plan.checked_flag("verify", verify)
    tolerance = plan.checked_tolerance(tolerance)
    check_metric(metric, test_data)
    return tflite.export(
        model, path, chosen, representative_data, verify, tolerance, test_data, metric
    )


def to_tflite_decoder(
    model,
    folder,
    quantize: str | None = None,
    source_length: int | None = None,
    batch_size: int | None = None,
    verify: bool = True,
    tolerance: float | None = None,
    *,
    begin: int = 1,
    end: int = 2,
) -> DecoderReport:
    """Write a generating model as TFLite files that `Decoder` runs, and compare them with the model.

    `encoder.tflite` is there unless the model is unconditioned. `decoder.tflite` is one step: it reads
    `previous` `(batch, 1)`, the states `state_...` and with attention `memory` and `memory_mask`, and
    gives `probabilities` (or `logits`) `(batch, 1, V)` and the new states. Both are compared with their
    parts of the model as `to_tflite` does it; then sequences decoded greedily from made-up sources are
    compared with what the model says to them. A decoder that is there is replaced when all is well, with
    its `decoder.py` and `stream.py` if it has them.

    Args:
        model: Of `kr.applications.one_to_many` or `sequence_to_sequence`.
        folder: Where to.
        quantize: None, "float16" or "dynamic", as in `to_tflite`.
        source_length: Time steps of the source in the files; `Decoder` pads shorter ones of ids. None
            for that of the model, any length as a rule. Files are faster and smaller with one.
        batch_size: Rows of a call; `Decoder` cuts batches and beams into parts of as many. None for any.
            With a number the step has no loop in it; 1 is for greedy decoding, `beams` for a search.
        verify, tolerance: As in `to_tflite`.
        begin, end: Ids that begin and end a sequence, for the comparison.

    Returns:
        A `DecoderReport`; it prints as tables.

    Raises:
        ValueError: The model generates no ids, an argument is unsuitable, or the files differ from it
            (`VerificationError`). Nothing is written then.
        OSError: `folder` cannot be written (FileExistsError: it holds something else).
        ImportError: ai-edge-litert is not installed.
    """
    return decoder_files.export_decoder(
        model, folder, quantize, source_length, batch_size, begin, end, verify, tolerance
    )


def verify(model, path, data, *, tolerance: float | None = None) -> Report:
    """Run a Keras model and an export of it on the same data and compare.

    Args:
        model: The Keras model.
        path: A .tflite file or a SavedModel folder.
        data: What the model is called with: an array, or a list or dictionary of arrays; for a
            streaming export whole sequences. A file with a fixed batch size gets the rows in parts.
        tolerance: As in `to_tflite`. By default that of the weights as the file stores them: a file
            that was exported with a looser one needs the same here.

    Returns:
        A `Report` with the differences, in every runtime of the file's target.

    Raises:
        VerificationError: They are above the tolerance, the file gives NaN or
            keeps state.
        ValueError: The data or the file do not fit the model.
    """
    tolerance = plan.checked_tolerance(tolerance)
    path, report = Path(path), inspect(path)
    check_exportable(model, report.block is not None)
    signature = signature_of(model)
    if report.kind == "tflite" and report.block is not None:
        ready = streaming.check_streamable(model, report.block)
        return stream_verification.check(
            model, ready, signature, path, report, tolerance, data=data
        )
    target = None if report.kind == "saved_model" else report.target or "mobile"
    return verification.check_on_data(
        model, signature, path, report, data, tolerance, target, bool(report.variables)
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
