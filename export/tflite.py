"""How a `.tflite` file is made: traced, converted, set right, described, compared, and signed."""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import keras

import keras_recurrent as kr
from keras_recurrent.cells import LSTMCell
from keras_recurrent.export import (
    accuracy,
    converter,
    files,
    flatbuffer,
    metadata,
    micro_ops,
    ops,
    plan,
    quantization,
    runtimes,
    stream_verification,
    streaming,
    verification,
)
from keras_recurrent.export.adopt import adopt
from keras_recurrent.export.keras_layers import (
    check_exportable,
    check_reads_ids,
    check_single_precision,
    plain_errors,
)
from keras_recurrent.export.outputs import part_outputs
from keras_recurrent.export.report import Report
from keras_recurrent.export.rewrite import set_cell_clip
from keras_recurrent.export.signature import signature_of
from keras_recurrent.export.streaming_layers import RunningMean
from keras_recurrent.export.trace import trace
from keras_recurrent.keras_hooks import all_layers

_WITH_LOOPS = ("loop", "fused_or_loop")


@plain_errors()
def export(
    model, path, chosen: plan.Plan, representative_data, verify, tolerance, test_data, metric
) -> Report:
    """See `to_tflite`; the arguments that the plan does not hold are checked where they are used."""
    runtimes.check_installed(chosen.target)
    check_exportable(model, chosen.streaming)
    check_single_precision(model)
    check_reads_ids(model, signature_of(model).inputs)
    quantization.check_cells(chosen.quantize, model)
    made = (Streamed if chosen.streaming else Whole)(model, chosen)
    if test_data is not None:
        test_data = made.task(test_data)
    with files.new_file(path, ".tflite") as temporary:
        samples = made.samples(representative_data) if chosen.integer else None
        with TemporaryDirectory(prefix="keras_recurrent-") as folder:
            layers = made.trace(Path(folder))
            calibration = made.calls(samples) if chosen.integer else None
            converter.convert(Path(folder), temporary, chosen.quantize, calibration)
        part_outputs(temporary)
        if chosen.target == "micro":
            micro_ops.replace(temporary)
        made.mend(temporary)
        report = _described(temporary, chosen, made, layers, len(samples or ()))
        ops.check(temporary, report, chosen.target, model)
        if chosen.integer:
            notes = quantization.check_integers(temporary, chosen.target)
            report = replace(report, notes=report.notes + notes)
        if verify:
            report = made.check(temporary, report, tolerance, samples)
        if test_data is not None:
            report = replace(report, accuracy=made.accuracy(temporary, test_data, metric))
        metadata.embed(temporary, _embedded(report))
        size = temporary.stat().st_size
    held = tuple(sorted({*report.metadata, metadata.ENTRY}))
    return replace(report, path=str(path), bytes=size, metadata=held)


def _described(
    path: Path, chosen: plan.Plan, made, layers: tuple[str, ...], samples: int
) -> Report:
    report = replace(
        flatbuffer.describe(path),
        target=chosen.target,
        form=made.form,
        reason=chosen.reason,
        layers=layers,
        block=chosen.block if chosen.streaming else None,
        states=made.states,
    )
    said = plan.notes(chosen, report) + made.notes
    said += quantization.notes(made.form, chosen.quantize, samples)
    # A file whose matrices are all small keeps its weights as they are.
    stored = chosen.quantize if chosen.integer else report.quantize
    return replace(report, notes=said, quantize=stored)


def _embedded(report: Report) -> str:
    """The report as it lies in the file: without what the file says of itself by being there."""
    values = dataclasses.asdict(report)
    for name in ("path", "bytes"):
        del values[name]
    return json.dumps(values)


def _in_keras_loop(layer) -> bool:
    is_rnn = isinstance(layer, keras.layers.RNN) and not isinstance(layer, kr.RNN)
    return is_rnn and not layer.unroll


class Whole:
    """A file that reads whole sequences.

    Attributes:
        form: How the recurrent layers run, once they are traced.
        states: None of those that the caller keeps.
        notes: What one should know about the result.
    """

    states = ()
    notes = ()

    def __init__(self, model, chosen: plan.Plan):
        self._model, self._plan, self.form = model, chosen, chosen.form
        self.signature = signature_of(model).pinned(chosen.batch_size, chosen.timesteps)
        plan.check_length(chosen, self.signature)
        self._adopted = adopt(model)
        self._fused = 0

    def task(self, test_data) -> tuple:
        return accuracy.collected(test_data, self.signature)

    def samples(self, data) -> list[dict]:
        return quantization.representative_samples(data, self.signature)

    def trace(self, folder: Path) -> tuple[str, ...]:
        compact = self._plan.target == "micro"
        keras_loops = [la.name for la in all_layers(self._adopted) if _in_keras_loop(la)]
        if keras_loops and self._plan.lowering not in _WITH_LOOPS:
            raise ValueError(
                f"form={self._plan.form!r} cannot have layers that run in Keras's own loop, as their "
                "cells do not follow `kr.Cell`. Write these as subclasses of it, or use form='loop', "
                f"which integers do not have. Received: layers {keras_loops}"
            )
        layers = trace(self._adopted, self.signature, self._plan.lowering, folder, compact)
        self._fused = sum(": fused" in line for line in layers)
        if not self._fused:
            self.form = self._plan.without_fused
        return (*layers, *(f"{name}: keras, Keras's own loop runs it" for name in keras_loops))

    def calls(self, samples: list[dict]) -> list[dict]:
        return samples

    def mend(self, path: Path) -> None:
        """The bound of c, which the converter sets to 10, is the layer's own."""
        if not self._fused:
            return
        cells = [la for la in all_layers(self._adopted) if type(la) is LSTMCell]
        bounds = [
            (keras.ops.convert_to_numpy(cell.recurrent_kernel), cell.cell_clip) for cell in cells
        ]
        found = set_cell_clip(path, bounds)
        if found != self._fused:
            raise RuntimeError(
                f"The TFLite converter fused {found} of {self._fused} LSTM layers. Use another form, "
                "and please report the model."
            )

    def check(self, path: Path, report: Report, tolerance, samples) -> Report:
        arguments = (self._model, self.signature, path, report)
        how = (tolerance, self._plan.target, bool(report.variables))
        if samples is None:
            return verification.check_on_samples(*arguments, *how)
        calls = quantization.samples_to_verify(samples)
        return verification.check_on_calls(*arguments, calls, *how)

    def accuracy(self, path: Path, test_data, metric):
        run = runtimes.open_runner(path, runtimes.TARGETS[self._plan.target][0])
        try:
            return accuracy.task_accuracy(self._model, self.signature, run, test_data, metric)
        finally:
            run.close()


class Streamed:
    """A file that reads a block of time steps and the states; the same methods as `Whole`."""

    def __init__(self, model, chosen: plan.Plan):
        self._model, self._plan, self.form = model, chosen, chosen.form
        self.signature = signature_of(model)
        self._streaming = streaming.check_streamable(model, chosen.block)
        means = [la.name for la in all_layers(self._streaming.model) if type(la) is RunningMean]
        if means and chosen.integer:
            raise ValueError(
                "A mean over all time steps so far has a sum and a count that grow, and integers end "
                "where the longest of representative_data did. Use quantize='dynamic', 'float16' or "
                f"None, or GlobalMaxPooling1D. Received: quantize={chosen.quantize!r}, layers {means}"
            )
        self.notes = self._streaming.notes
        self.states = ()

    @property
    def _sequences(self):
        """The signature of whole sequences, in batches as the file takes them."""
        inputs = self._streaming.inputs(self.signature, self._plan.batch_size, None)
        return replace(self.signature, inputs=tuple(inputs))

    def task(self, test_data) -> tuple:
        inputs, labels = accuracy.collected(test_data, self._sequences)
        block, long = self._plan.block, self._streaming.sequences
        lengths = {a.shape[1] for a, is_long in zip(inputs, long, strict=True) if is_long}
        if any(length % block for length in lengths):
            raise ValueError(
                f"A stream reads blocks of {block} time steps: cut the sequences of `test_data` and "
                f"their labels to a multiple of it. Received: {sorted(lengths)} time steps"
            )
        return inputs, labels

    def samples(self, data) -> list[dict]:
        return quantization.representative_samples(data, self._sequences)

    def trace(self, folder: Path) -> tuple[str, ...]:
        size = self._plan.batch_size
        self.states = streaming.trace_step(self._streaming, self.signature, size, folder)
        return ()

    def calls(self, samples: list[dict]) -> list[dict]:
        size = self._plan.batch_size
        return stream_verification.recorded_calls(self._streaming, self.signature, samples, size)

    def mend(self, path: Path) -> None:
        """Nothing: a step holds no fused operation."""

    def check(self, path: Path, report: Report, tolerance, samples) -> Report:
        return stream_verification.check(
            self._model, self._streaming, self.signature, path, report, tolerance, samples
        )

    def accuracy(self, path: Path, test_data, metric):
        run = runtimes.open_runner(path, runtimes.TARGETS[self._plan.target][0])
        try:
            whole = stream_verification.WholeSequences(
                run, self._streaming, self.signature, self.states
            )
            return accuracy.task_accuracy(self._model, self._sequences, whole, test_data, metric)
        finally:
            run.close()
