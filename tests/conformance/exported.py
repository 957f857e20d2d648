"""Cells of the registry as exported files, tried in every runtime that can run them."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
from conformance.registry import CellCase

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export import (
    forms,
    quantization,
    runtimes,
    stream_verification,
    streaming,
    verification,
)
from keras_recurrent.export.runtimes import web
from keras_recurrent.export.signature import signature_of

WIDTH = 36  # features and units: "dynamic" leaves matrices of fewer than 1,024 values alone
STEPS = {"loop": 11, "fused": 11, "unroll": 6, "step": 6}  # a loop on mobile runs 5 an iteration
SAMPLES = 8

# Unrolled files on mobile only make sense in integers; in floats their loop is smaller and faster.
NOT_TRIED = (("unroll", "float16"), ("unroll", "dynamic"))
COMBINATIONS = [
    (form, quantize)
    for form in forms.FORMS
    for quantize in forms.QUANTIZATIONS
    if (form, quantize) not in NOT_TRIED
]

_AS_DRAWN = ("kernel", "recurrent_kernel", "projection_kernel")


@dataclass
class Outcome:
    """What became of one cell in one form and quantisation.

    Attributes:
        ran: Largest difference from Keras by runtime.
        refused: Reason by runtime.
        unstable: Files that differ too much because the model itself does once its weights are rounded.
        failed: What is neither: files that were made and are wrong.
    """

    cell: str
    form: str
    quantize: str | None
    ran: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    unstable: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    conversions: int = 0


def web_is_there() -> bool:
    try:
        web.find_node()
        web.find_litertjs()
    except ImportError:
        return False
    return True


def model_of(case: CellCase, steps: int) -> keras.Model:
    """Two layers of the cell side by side: one gives all its outputs, the other its last."""
    keras.utils.set_random_seed(1)
    x = keras.Input((steps, WIDTH), name="x")
    every = kr.RNN(case.make(WIDTH), return_sequences=True, name="every")
    last = kr.RNN(case.make(WIDTH), name="last")
    model = keras.Model(x, {"every": every(x), "last": last(x)})
    rng = np.random.default_rng(2)
    for variable in model.trainable_variables:
        if variable.name not in _AS_DRAWN:  # biases of zero, gains of one
            variable.assign(variable + 0.3 * rng.normal(size=variable.shape))
    return model


def moved_by_eight_bits(case: CellCase) -> float:
    """How far rounding the large weights to 8 bits alone moves Keras's outputs, after 40 steps."""
    x = np.random.default_rng(0).normal(size=(4, 40, WIDTH)).astype("float32")
    model = model_of(case, x.shape[1])
    before = model(x)
    model.set_weights([_in_eight_bits(w) if w.size >= 1024 else w for w in model.get_weights()])
    after = model(x)
    return max(float(np.abs(before[name] - after[name]).max()) for name in before)


def _in_eight_bits(weights):
    unit = np.abs(weights).max(0, keepdims=True) / 127
    return np.round(weights / unit) * unit


def try_all(case: CellCase, combinations=COMBINATIONS) -> list[Outcome]:
    outcomes: list[Outcome] = []
    models = {steps: model_of(case, steps) for steps in {STEPS[form] for form, _ in combinations}}
    with TemporaryDirectory() as folder:
        for form, quantize in combinations:
            outcome = Outcome(str(case), form, quantize)
            last = outcomes[-1] if outcomes else None
            if (
                last
                and form == last.form == "fused"
                and not (last.ran or last.failed or last.unstable)
            ):
                outcome.refused = dict(last.refused)  # a cell that cannot be fused in floats
            else:
                attempt = _Attempt(case, models[STEPS[form]], outcome, Path(folder, "m.tflite"))
                attempt.run()
            outcomes.append(outcome)
    return outcomes


class _Attempt:
    """One combination in all targets."""

    def __init__(self, case: CellCase, model, outcome: Outcome, path: Path):
        self.case, self.model, self.outcome, self.path = case, model, outcome, path
        self.streams = outcome.form == "step"
        self.samples = None
        if outcome.quantize in forms.INTEGER:
            rng = np.random.default_rng(3)
            self.samples = rng.normal(size=(SAMPLES, *model.input_shape[1:])).astype("float32")

    def run(self) -> None:
        form, quantize = self.outcome.form, self.outcome.quantize
        targets = ["micro", "mobile", *(["web"] if web_is_there() else [])]
        allowed = []
        for target in targets:
            reason = forms.refusal(target, self.streams, quantize, form)
            if reason is None:
                allowed.append(target)
            else:
                self._refuse(target, reason)
        while allowed:
            target = allowed.pop(0)
            report = self._export(target)
            if report is None:
                continue
            # Other forms give the same file for all targets, loops are written otherwise for TFLM.
            if not (form == "loop" and target == "micro"):
                for other in allowed:
                    self._compare(report, other)
                break
        # A runtime that ran the file of one target has nothing to excuse for another's.
        for name in self.outcome.ran:
            self.outcome.refused.pop(name, None)

    def _export(self, target: str):
        how = {"target": target, "quantize": self.outcome.quantize}
        how |= {"streaming": True} if self.streams else {"form": self.outcome.form}
        self.outcome.conversions += 1
        try:
            report = export.to_tflite(
                self.model, self.path, representative_data=self.samples, **how
            )
        except export.VerificationError as error:
            self._differs(target, error)
            return None
        except (ValueError, RuntimeError) as error:
            self._refuse(target, str(error))
            return None
        self._note(report)
        return report

    def _compare(self, report, target: str) -> None:
        """The same file in the runtimes of another target."""
        stateful = bool(report.variables)
        signature = signature_of(self.model)
        calls = None
        if self.samples is not None:
            calls = [{"x": sample[np.newaxis]} for sample in self.samples]
        try:
            if self.streams:
                ready = streaming.check_streamable(self.model, report.block)
                found = stream_verification.check(
                    self.model,
                    ready,
                    signature,
                    self.path,
                    replace(report, target=target),
                    None,
                    calls,
                )
            else:
                arguments = (self.model, signature.pinned(1, "from the model"), self.path, report)
                if calls is None:
                    found = verification.check_on_samples(*arguments, None, target, stateful)
                else:
                    calls = quantization.samples_to_verify(calls)
                    found = verification.check_on_calls(*arguments, calls, None, target, stateful)
        except export.VerificationError as error:
            self._differs(target, error)
            return
        self._note(found)

    def _differs(self, target: str, error: export.VerificationError) -> None:
        told = f"target={target!r}: {error}"
        moved = moved_by_eight_bits(self.case) if self.outcome.quantize == "dynamic" else 0.0
        if moved > verification.TOLERANCES["dynamic"]:
            told += f" Keras with weights rounded to 8 bits is off by {moved:.2g}."
            self.outcome.unstable.append(told)
        else:
            self.outcome.failed.append(told)

    def _note(self, report) -> None:
        for result in report.runtimes:
            if result.refused is None:
                worst = max(self.outcome.ran.get(result.runtime, 0.0), result.largest_difference)
                self.outcome.ran[result.runtime] = worst
            else:
                self.outcome.refused[result.runtime] = result.refused

    def _refuse(self, target: str, reason: str) -> None:
        for name in runtimes.TARGETS[target]:
            self.outcome.refused.setdefault(name, reason)
