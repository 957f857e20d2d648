"""Which form of the recurrent layers goes to which target: the one table of it, with reasons.

Measured with TensorFlow 2.21, ai-edge-litert 2.3 and tflite-micro 0.dev20261023; the conformance run
writes the table of differences that stands behind it.
"""

from dataclasses import dataclass

TARGETS = ("mobile", "web", "micro")
FORMS = ("loop", "fused", "unroll", "step")
QUANTIZATIONS = (None, "float16", "dynamic", "int8", "int16x8")

_FLOATING = (None, "float16", "dynamic")
INTEGER = ("int8", "int16x8")


@dataclass(frozen=True)
class Rule:
    """What holds for some targets, forms and quantisations; None stands for all of them.

    In `CHOICES` the reason says why the form is taken, in `REFUSALS` why it is not, and what to do.
    `streaming` None stands for both. `lowering` is what the layers are told, the form by default.
    """

    reason: str
    form: str | None = None
    targets: tuple[str, ...] = TARGETS
    streaming: bool | None = None
    quantize: tuple[str | None, ...] = QUANTIZATIONS
    lowering: str | None = None

    def holds(self, target: str, streaming: bool, quantize: str | None, form: str) -> bool:
        return (
            target in self.targets
            and self.streaming in (None, streaming)
            and quantize in self.quantize
            and self.form in (None, form)
        )


# What form="auto" means: the first that holds.
CHOICES = (
    Rule(
        "one step, or a block of them, with its states as inputs and outputs, runs everywhere and "
        "holds any cell",
        "step",
        streaming=True,
    ),
    Rule(
        "one loop over time with built-in operations only: small for any length, and the fastest",
        "loop",
        targets=("mobile", "web"),
        quantize=_FLOATING,
    ),
    Rule(
        "one operation for a whole LSTM sequence where the layer allows it, else one loop over time",
        "fused",
        targets=("micro",),
        quantize=(None,),
        lowering="fused_or_loop",
    ),
    Rule(
        "one operation for a whole LSTM sequence where the layer allows it, else a copy of the step "
        "for each time step: loops cannot be had in integers",
        "fused",
        targets=("micro",),
        quantize=("int8",),
        lowering="fused_or_unroll",
    ),
    Rule(
        "a copy of the step for each time step: integer quantisation is right in no other form of a "
        "whole sequence",
        "unroll",
        quantize=INTEGER,
    ),
)

# What cannot work: the first that holds is the reason given.
REFUSALS = (
    Rule(
        "A step with states that the caller keeps is what streaming=True gives; use that, or another "
        "form for whole sequences.",
        "step",
        streaming=False,
    ),
    *(
        Rule(
            "A streaming export is a step; leave form='auto', or use streaming=False.",
            form,
            streaming=True,
        )
        for form in ("loop", "fused", "unroll")
    ),
    Rule(
        "TFLM computes hybrid 8-bit weights to NaN. Use quantize='int8' with representative_data.",
        targets=("micro",),
        quantize=("dynamic",),
    ),
    Rule(
        "TFLM has no kernel that reads 16-bit floating-point weights. Use quantize=None, or 'int8' with "
        "representative_data.",
        targets=("micro",),
        quantize=("float16",),
    ),
    Rule(
        "The converter crashes on loops over time in integers, or writes wrong ones. Use "
        "streaming=True, form='unroll' for a few time steps, or quantize='dynamic' on mobile and web.",
        "loop",
        quantize=INTEGER,
    ),
    Rule(
        "The Interpreter computes some stacked fused LSTMs in 8-bit integers wrongly, and all of them "
        "slowly. Use form='unroll', streaming=True, quantize='dynamic', "
        "or target='micro', whose runtime computes them rightly.",
        "fused",
        targets=("mobile",),
        quantize=("int8",),
    ),
    Rule(
        "The runtime of browsers (CompiledModel) loads no file with variables, which the fused LSTM "
        "has. Use form='loop'.",
        "fused",
        targets=("web",),
    ),
    Rule(
        "The converter has no 16-bit form of the fused LSTM. Use quantize='int8', form='unroll', or "
        "streaming=True.",
        "fused",
        quantize=("int16x8",),
    ),
)


def form_for(target: str, streaming: bool, quantize: str | None) -> Rule:
    """The rule of `CHOICES` that decides."""
    for rule in CHOICES:
        if rule.holds(target, streaming, quantize, rule.form):
            _refuse(target, streaming, quantize, rule.form)
            return rule
    # Quantisations that a target has in no form are the only ones without a choice.
    _refuse(target, streaming, quantize, "auto")
    raise AssertionError(f"no form for {target}, streaming={streaming}, quantize={quantize}")


def asked_form(target: str, streaming: bool, quantize: str | None, form: str) -> Rule:
    """The rule for a form that the caller asked for; `ValueError` if it cannot work."""
    _refuse(target, streaming, quantize, form)
    return Rule("asked for", form)


def refusal(target: str, streaming: bool, quantize: str | None, form: str) -> str | None:
    """Why a combination cannot work and what can, or None."""
    for rule in REFUSALS:
        if rule.holds(target, streaming, quantize, form):
            return rule.reason
    return None


def _refuse(target, streaming, quantize, form) -> None:
    reason = refusal(target, streaming, quantize, form)
    if reason is not None:
        raise ValueError(
            f"{reason} Received: target={target!r}, form={form!r}, streaming={streaming}, "
            f"quantize={quantize!r}"
        )
