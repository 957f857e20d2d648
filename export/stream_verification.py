"""A step file in the runtimes of its target, beside the Keras model on whole sequences."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_recurrent.engines import lowering
from keras_recurrent.export import forms, roll_out, runtimes
from keras_recurrent.export.comparison import Spans, VerificationError
from keras_recurrent.export.plan import SAVED_MODEL_FORM
from keras_recurrent.export.report import Report, RuntimeResult, Tensor
from keras_recurrent.export.signature import Signature, name_outputs
from keras_recurrent.export.streaming_model import StreamingModel
from keras_recurrent.export.verification import default_tolerance

CALIBRATING_CALLS = 1000  # of the step, at most: ranges settle long before
_VERIFYING_CALLS = 400


def recorded_calls(
    streaming: StreamingModel, signature: Signature, samples: list[dict], size: int
) -> list[dict]:
    """What a step of `size` rows reads when samples stream through it: states as they really occur."""
    calls: list[dict] = []
    for alike in _of_one_shape(samples):
        joined = {name: np.concatenate([s[name] for s in alike]) for name in alike[0]}
        calls += roll_out.roll_out(streaming, signature, _as_called(signature, joined), size)
    places = np.linspace(0, len(calls) - 1, min(len(calls), CALIBRATING_CALLS)).astype(int)
    return [calls[place] for place in np.unique(places)]


def _of_one_shape(samples: list[dict]) -> list[list[dict]]:
    groups: dict[tuple, list[dict]] = {}
    for sample in samples:
        groups.setdefault(tuple(a.shape for a in sample.values()), []).append(sample)
    return list(groups.values())


def check(
    model,
    streaming: StreamingModel,
    signature: Signature,
    path: Path,
    report: Report,
    tolerance: float | None,
    samples: list[dict] | None = None,
    data=None,
) -> Report:
    """Compare in every runtime of the report's target; see `comparison.compare`.

    Args:
        model: The Keras model.
        streaming, signature: As in `roll_out.check_roll_out`.
        path: The step file.
        report: What it holds.
        tolerance: None for that of the stored weights.
        samples: Whole sequences by input name, which calibrated integers.
        data: Whole sequences of the caller's, in the place of made-up ones.
    """
    tolerance = default_tolerance(model, report) if tolerance is None else tolerance
    made_up = data is None and report.quantize not in forms.INTEGER
    sequences = [data] if data is not None else []
    if samples is not None and data is None:
        chosen = _spread(samples, streaming, _VERIFYING_CALLS)
        sequences = [_as_called(signature, sample) for sample in chosen]

    reference = roll_out.Reference(signature)

    def compared(run, spans=None) -> tuple[float, float, tuple[str, ...]]:
        found = [
            roll_out.check_roll_out(
                model,
                streaming,
                signature,
                run,
                report.states,
                each,
                tolerance,
                made_up=made_up,
                # The step of hybrid 8-bit products grows with the largest value of the moment.
                saturate=report.quantize != "dynamic",
                reference=reference,
                spans=spans,
            )
            for each in (sequences or [None])
        ]
        checked = dict.fromkeys(what for *_, parts in found for what in parts)
        return max(f[0] for f in found), float(np.mean([f[1] for f in found])), tuple(checked)

    first, *others = runtimes.TARGETS[report.target or "mobile"]
    call, spans = _one_call(report), Spans()
    try:
        run = runtimes.open_runner(path, first)
    except runtimes.Refused as error:
        raise VerificationError(f"The exported model must run in {first}. {error}") from error
    try:
        largest, mean, checked = compared(run, spans)
        milliseconds = runtimes.median_milliseconds(run, call)
        arena = run.arena_bytes() if hasattr(run, "arena_bytes") else None
    except RuntimeError as error:
        raise VerificationError(f"The exported model must run in {first}. {error}") from error
    finally:
        run.close()
    results = [RuntimeResult(first, None, largest, mean, milliseconds, run.threads)]
    results += [_other(name, path, call, compared) for name in others]
    return replace(
        report,
        largest_difference=largest,
        mean_difference=mean,
        tolerance=tolerance,
        checked=checked,
        milliseconds=milliseconds,
        timed=f"one call of {report.block} time steps, {run.threads}",
        runtimes=tuple(results),
        arena_bytes=arena,
        notes=report.notes + spans.notes(),
    )


def _other(runtime: str, path: Path, call: dict, compared) -> RuntimeResult:
    """A runtime that need not run the file, but must not give other numbers."""
    try:
        run = runtimes.open_runner(path, runtime)
    except (runtimes.Refused, ImportError) as error:
        return RuntimeResult(runtime, refused=str(error))
    try:
        largest, mean, _ = compared(run)
        milliseconds = runtimes.median_milliseconds(run, call)
    except VerificationError as error:
        raise VerificationError(f"In {runtime}: {error}") from error
    except RuntimeError as error:
        return RuntimeResult(runtime, refused=str(error))
    finally:
        run.close()
    return RuntimeResult(runtime, None, largest, mean, milliseconds, run.threads)


def _one_call(report: Report) -> dict[str, np.ndarray]:
    return {
        t.name: np.zeros([size or 1 for size in t.shape], tf.as_dtype(t.dtype).as_numpy_dtype)
        for t in report.inputs
    }


def _spread(samples: list[dict], streaming: StreamingModel, calls: int) -> list[dict]:
    """As many samples as make this many calls, evenly spread, one at least."""
    longest = max(max(a.shape[1] for a in s.values() if a.ndim > 1) for s in samples)
    count = max(1, min(len(samples), calls * streaming.block // longest))
    places = np.unique(np.linspace(0, len(samples) - 1, count).astype(int))
    return [samples[place] for place in places]


def _as_called(signature: Signature, sample: dict):
    """A sample as the model is called."""
    return signature.pack([sample[tensor.name] for tensor in signature.inputs])


class WholeSequences:
    """A step file called like a model of whole sequences, block by block from zero states.

    Frames behind the last full block are not read, so an output for the last step is that of the last
    full block.
    """

    def __init__(
        self, run, streaming: StreamingModel, signature: Signature, states: Sequence[Tensor]
    ):
        self._run, self._streaming = run, streaming
        self._signature, self._states = signature, states
        self._shapes = cache(self._shapes_for)

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        flat = [inputs[tensor.name] for tensor in self._signature.inputs]
        received = list(roll_out.blocks(self._run, self._streaming, flat, self._states))
        shapes = self._shapes(*((a.shape, a.dtype) for a in flat))
        return {
            name: roll_out.joined([outputs[name] for outputs in received], shape)
            for name, shape in shapes.items()
        }

    def _shapes_for(self, *inputs) -> dict[str, tuple]:
        """Those that the Keras model gives for whole sequences of these shapes and dtypes."""

        def call(*tensors):
            with lowering(SAVED_MODEL_FORM):
                outputs = self._streaming.model(self._signature.pack(tensors), training=False)
            return name_outputs(outputs)

        specs = [tf.TensorSpec(shape, dtype) for shape, dtype in inputs]
        function = tf.function(call, autograph=False).get_concrete_function(*specs)
        return {name: tuple(t.shape) for name, t in function.structured_outputs.items()}
