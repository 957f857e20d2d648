"""What an export is asked to do, checked."""

import math
import numbers
import operator
from dataclasses import dataclass

from keras_recurrent.export import forms
from keras_recurrent.export.report import Report

FROM_THE_MODEL = "from the model"

# What the layers are told when a SavedModel is traced.
SAVED_MODEL_FORM = "saved_model"


@dataclass(frozen=True)
class Plan:
    """The decisions of one export; `form` and `reason` go into the report."""

    target: str
    form: str
    reason: str
    lowering: str
    streaming: bool
    quantize: str | None
    batch_size: int | None
    timesteps: int | str | None
    block: int

    @property
    def integer(self) -> bool:
        return self.quantize in forms.INTEGER

    @property
    def without_fused(self) -> str:
        """The form of layers that cannot be fused."""
        return self.lowering.removeprefix("fused_or_")


def plan_tflite(
    target, form, streaming, quantize, representative_data, batch_size, timesteps, block
) -> Plan:
    """Check the arguments of `to_tflite`; `ValueError` names what is not there and what is."""
    streaming = checked_flag("streaming", streaming)
    block = checked_block(block, streaming)
    target = one_of("target", target, forms.TARGETS)
    form = one_of("form", form, ("auto", *forms.FORMS))
    quantize = one_of("quantize", quantize, forms.QUANTIZATIONS)
    if form == "auto":
        rule = forms.form_for(target, streaming, quantize)
        lowering = rule.lowering or rule.form
    else:
        rule = forms.asked_form(target, streaming, quantize, form)
        lowering = rule.form
    if not (isinstance(timesteps, str) and timesteps == FROM_THE_MODEL):
        timesteps = size_or_none("timesteps", timesteps, f", None or {FROM_THE_MODEL!r}")
    batch_size = size_or_none("batch_size", batch_size, " or None for any")
    chosen = Plan(
        target, rule.form, rule.reason, lowering, streaming, quantize, batch_size, timesteps, block
    )
    _check_data(chosen, representative_data)
    _check_sizes(chosen)
    return chosen


def _check_data(plan: Plan, representative_data) -> None:
    if plan.integer and representative_data is None:
        raise ValueError(
            f"quantize={plan.quantize!r} needs `representative_data`: some 100 inputs as the model "
            "will see them, from which the converter takes the range of every tensor. Received: None"
        )
    if not plan.integer and representative_data is not None:
        raise ValueError(
            "`representative_data` calibrates quantize='int8' and 'int16x8'; "
            f"quantize={plan.quantize!r} needs none. Leave it out."
        )


def _check_sizes(plan: Plan) -> None:
    """Only the loop leaves sizes open, and only the Interpreter takes such files."""
    if plan.batch_size is None and (plan.form != "loop" or plan.target != "mobile"):
        raise ValueError(
            "Only form='loop' for target='mobile' leaves the batch size open. Give a number, such as "
            f"batch_size=1. Received: batch_size=None, target={plan.target!r}, form={plan.form!r}"
        )
    if plan.streaming and plan.timesteps != FROM_THE_MODEL:
        raise ValueError(
            "A streaming export takes `block` time steps a call, for as long as calls come: leave "
            f"`timesteps` out. Received: timesteps={plan.timesteps!r}"
        )


def check_length(plan: Plan, signature) -> None:
    """Every form but the loop on mobile needs a fixed length."""
    if plan.streaming or (plan.form == "loop" and plan.target == "mobile"):
        return
    open_ones = [t for t in signature.inputs if None in t.shape]
    if open_ones:
        raise ValueError(
            f"target={plan.target!r} with form={plan.form!r} needs a fixed number of time steps: give "
            "`timesteps`, and pad shorter sequences on the right if the model masks them. Received: "
            f"timesteps={plan.timesteps!r}, inputs {', '.join(map(str, signature.inputs))}"
        )


def notes(plan: Plan, report: Report) -> tuple[str, ...]:
    """What the caller may not expect of the file that came out."""
    said = []
    if plan.quantize == "dynamic" and report.quantize is None:
        said.append(
            "No weight is stored in 8 bits: TFLite does so for matrices of 1,024 values and more."
        )
    if "UNIDIRECTIONAL_SEQUENCE_LSTM" in report.ops:
        said.append(
            "The file keeps h and c from one call to the next: reset it before each sequence "
            "(Interpreter.reset_all_variables(), TFLM's Reset())."
        )
    return tuple(said)


def checked_flag(name: str, value) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}")
    return value


def checked_block(block, streaming: bool) -> int:
    block = _size("block", block)
    if block > 1 and not streaming:
        raise ValueError(
            "A block of time steps is what one call of a streaming export takes: use streaming=True "
            f"or block=1. Received: block={block}, streaming=False"
        )
    return block


def checked_tolerance(tolerance) -> float | None:
    if tolerance is None:
        return None
    is_number = isinstance(tolerance, numbers.Real) and not isinstance(tolerance, bool)
    if not is_number or not 0 < tolerance < math.inf:
        raise ValueError(
            "`tolerance` must be a positive finite number, or None for the default. "
            f"Received: tolerance={tolerance!r}"
        )
    return float(tolerance)


def one_of(name: str, value, known: tuple):
    if not any(value is k or (isinstance(value, str) and value == k) for k in known):
        raise ValueError(
            f"This version has {name} {' | '.join(map(repr, known))}. Received: {name}={value!r}"
        )
    return value


def size_or_none(name: str, value, others: str) -> int | None:
    return None if value is None else _size(name, value, others)


def _size(name: str, value, others: str = "") -> int:
    try:
        size = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        size = 0
    if size < 1:
        raise ValueError(
            f"`{name}` must be a positive whole number{others}. Received: {name}={value!r}"
        )
    return size
