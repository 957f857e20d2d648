"""What an export is asked to do, checked: the one place for targets, forms and quantisations."""

import numbers
import operator
from dataclasses import dataclass

FROM_THE_MODEL = "from the model"

# For each target the forms it takes, the one that "auto" means first, with the reason for it.
FORMS = {
    "mobile": {
        "loop": "one loop over time with built-in operations only, for any batch size and length",
        "unroll": "one copy of the step for each time step",
    },
}
# What the layers are told when a SavedModel is traced.
SAVED_MODEL_FORM = "saved_model"
QUANTIZATIONS = (None, "float16", "dynamic")


@dataclass(frozen=True)
class Plan:
    """The decisions of one export; `form` and `reason` go into the report."""

    form: str
    reason: str
    quantize: str | None
    batch_size: int | None
    timesteps: int | str | None


def plan_tflite(
    target, form, streaming, quantize, representative_data, batch_size, timesteps, block
) -> Plan:
    """Check the arguments of `to_tflite`; `ValueError` names what is not there and what is."""
    refuse_streaming(streaming)
    if _size_or_none("block", block, "") != 1:
        raise ValueError(
            "Blocks of several time steps belong to streaming exports, which are not part of this "
            f"version. Use block=1. Received: block={block!r}"
        )
    forms = FORMS[_one_of("target", target, tuple(FORMS))]
    chosen = _one_of("form", form, ("auto", *forms))
    if chosen == "auto":
        chosen = next(iter(forms))
    quantize = _one_of("quantize", quantize, QUANTIZATIONS)
    if representative_data is not None:
        raise ValueError(
            "`representative_data` calibrates integer quantisation, which is not part of this "
            f"version; quantize={quantize!r} needs none. Leave it out."
        )
    if not (isinstance(timesteps, str) and timesteps == FROM_THE_MODEL):
        timesteps = _size_or_none("timesteps", timesteps, f", None or {FROM_THE_MODEL!r}")
    batch_size = _size_or_none("batch_size", batch_size, " or None for any")
    return Plan(chosen, forms[chosen], quantize, batch_size, timesteps)


def notes(plan: Plan, report) -> tuple[str, ...]:
    """What the caller may not expect of the file that came out."""
    if plan.quantize == "dynamic" and report.quantize is None:
        return (
            "No weight is stored in 8 bits: TFLite does so for matrices of 1,024 values and more.",
        )
    return ()


def refuse_streaming(streaming) -> None:
    if streaming is not False:
        raise ValueError(
            "Streaming exports are not part of this version. Export whole sequences with "
            f"streaming=False. Received: streaming={streaming!r}"
        )


def checked_tolerance(tolerance) -> float | None:
    if tolerance is None:
        return None
    is_number = isinstance(tolerance, numbers.Real) and not isinstance(tolerance, bool)
    if not is_number or not tolerance > 0:
        raise ValueError(
            "`tolerance` must be a positive number, or None for the default. "
            f"Received: tolerance={tolerance!r}"
        )
    return float(tolerance)


def _one_of(name: str, value, known: tuple):
    if not any(value is k or (isinstance(value, str) and value == k) for k in known):
        raise ValueError(
            f"This version has {name} {' | '.join(map(repr, known))}. Received: {name}={value!r}"
        )
    return value


def _size_or_none(name: str, value, others: str) -> int | None:
    if value is None:
        return None
    try:
        size = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        size = 0
    if size < 1:
        raise ValueError(
            f"`{name}` must be a positive whole number{others}. Received: {name}={value!r}"
        )
    return size
