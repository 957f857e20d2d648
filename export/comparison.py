"""An exported model in the runtimes of its target, beside the numbers it should give."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keras_recurrent.export import runtimes
from keras_recurrent.export.report import Report, RuntimeResult

_REPEATED = 1e-6  # how far a second call may be from the first: rounding, not state
_SHARE = 0.25  # of the range of an output; a difference beyond is worth a note


class VerificationError(ValueError):
    """An exported model does not give the numbers of its Keras model."""


@dataclass(frozen=True)
class Case:
    """Inputs by name and the outputs that are to come of them.

    Attributes:
        remark: What is special about the inputs.
        unit: By how much a difference is divided further, besides max(1, largest output).
    """

    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    remark: str = ""
    unit: float = 1.0

    @property
    def sizes(self) -> str:
        return ", ".join(f"{name} {value.shape}" for name, value in self.inputs.items())

    @property
    def shapes(self) -> str:
        return f"{self.sizes}, {self.remark}" if self.remark else self.sizes


class Spans:
    """How far outputs are off, beside how far the model's own numbers range.

    The tolerance counts from 1 for small outputs: of those that stay below it, it would let pass noise.
    """

    def __init__(self):
        self._found: dict[str, tuple[float, float, float]] = {}

    def add(self, name: str, values, reference) -> None:
        values, reference = _wide(values), _wide(reference)
        sound = np.isfinite(values) & np.isfinite(reference)
        if sound.any():
            values, reference = values[sound], reference[sound]
            found = (reference.min(), -reference.max(), -np.abs(values - reference).max())
            before = self._found.get(name, found)
            self._found[name] = tuple(map(min, found, before))

    def notes(self) -> tuple[str, ...]:
        return tuple(
            f"{name} is off by up to {-off:.2g} where the model's own numbers lie between {low:.2g} and "
            f"{-high:.2g}: within the tolerance, but it says little."
            for name, (low, high, off) in self._found.items()
            if -off > max(_SHARE * (-high - low), _REPEATED)
        )


def compare(
    path: Path,
    report: Report,
    cases: list[Case],
    tolerance: float,
    target: str | None = None,
    stateful: bool = False,
) -> Report:
    """Run the cases in every runtime of a target.

    Args:
        path: A `.tflite` file, or for `target=None` a SavedModel.
        report: What it holds.
        cases: What to try.
        tolerance: Largest difference allowed, relative to max(1, largest output).
        target: As in `runtimes.TARGETS`.
        stateful: Whether the file keeps state from call to call and is to be reset in between. One
            that is not must give the same twice without.

    Returns:
        The report with what was found; its own figures are those of the target's first runtime.

    Raises:
        VerificationError: The first runtime does not run the file, or one gives other numbers.
        ImportError: The first runtime is not installed.
    """
    first, *others = runtimes.TARGETS[target]
    run, spans = _open(path, first), Spans()
    try:
        result = _try(run, report, cases, tolerance, stateful, spans)
        arena = run.arena_bytes() if hasattr(run, "arena_bytes") else None
    except RuntimeError as error:  # refused inputs, a crash, a loop without end
        raise VerificationError(
            f"The exported model must run in {first}: for target={target!r} try another form, or "
            f"another target. {error}"
        ) from error
    finally:
        run.close()
    results = [
        result,
        *(_try_other(name, path, report, cases, tolerance, stateful) for name in others),
    ]
    timed = f"{_longest(report, cases).sizes}, {run.threads}"
    return replace(
        report,
        largest_difference=result.largest_difference,
        mean_difference=result.mean_difference,
        tolerance=tolerance,
        checked=tuple(dict.fromkeys(case.shapes for case in cases)),
        milliseconds=result.milliseconds,
        timed=timed,
        runtimes=tuple(results),
        arena_bytes=arena,
        notes=report.notes + spans.notes(),
    )


def _open(path: Path, runtime: str):
    try:
        return runtimes.open_runner(path, runtime)
    except runtimes.Refused as error:
        raise VerificationError(
            f"The exported model must run in {runtime}. Another form or target may do. {error}"
        ) from error


def _try_other(runtime: str, path, report, cases, tolerance, stateful) -> RuntimeResult:
    """A runtime that need not run the file, but must not give other numbers."""
    try:
        run = runtimes.open_runner(path, runtime)
    except (runtimes.Refused, ImportError) as error:
        return RuntimeResult(runtime, refused=str(error))
    try:
        return _try(run, report, cases, tolerance, stateful, Spans())
    except RuntimeError as error:
        return RuntimeResult(runtime, refused=str(error))
    finally:
        run.close()


def _try(
    run, report: Report, cases: list[Case], tolerance: float, stateful: bool, spans: Spans
) -> RuntimeResult:
    largest, total, count = 0.0, 0.0, 0
    for place, case in enumerate(cases):
        if stateful and place:  # the first call finds the state as it is after loading
            run.reset()
        first = run(case.inputs)
        if stateful:
            run.reset()
        second = run(case.inputs)
        for name, values in case.outputs.items():
            difference = _difference(run.name, first, name, values, case) / case.unit
            spans.add(name, first[name], values)
            if difference.size:
                largest = max(largest, float(difference.max()))
                total, count = total + float(difference.sum()), count + difference.size
            again = _difference(run.name, second, name, first[name], case)
            if again.size and again.max() > _REPEATED:
                raise VerificationError(_keeps_state(run.name, case, again.max(), name, stateful))
    mean = total / max(count, 1)
    if largest > tolerance:
        raise VerificationError(
            "The exported model does not give the numbers of the Keras model. Received: largest "
            f"difference {largest:.3g}, mean {mean:.3g}, allowed {tolerance:.3g}, in {run.name}, on "
            f"{list(dict.fromkeys(case.shapes for case in cases))}. Weights are stored as "
            f"{report.quantize or 'in the model'}; `tolerance` allows more."
        )
    milliseconds = runtimes.median_milliseconds(run, _longest(report, cases).inputs)
    return RuntimeResult(run.name, None, largest, mean, milliseconds, run.threads)


def _keeps_state(runtime: str, case: Case, difference: float, name: str, stateful: bool) -> str:
    how = "after a reset" if stateful else "with the same inputs"
    return (
        f"The exported model keeps state: a second call {how} ({case.shapes}) differs from the first "
        f"by {difference:.3g} in {name}, in {runtime}."
    )


def _difference(runtime: str, outputs: dict, name: str, reference, case: Case) -> np.ndarray:
    """`differences` of an output, which must be there, of the right shape and no NaN."""
    values = outputs.get(name)
    if values is None or values.shape != reference.shape:
        received = "none" if values is None else f"shape {values.shape}"
        raise VerificationError(
            f"The exported model must give {name} of shape {reference.shape} for {case.shapes}. "
            f"Received: {received}, in {runtime}"
        )
    if np.isnan(_wide(values)).any():
        raise VerificationError(
            f"The exported model gives NaN in {name} for {case.shapes}, in {runtime}."
        )
    return differences(values, reference)


def differences(values, reference) -> np.ndarray:
    """Absolute differences, divided by max(1, largest absolute reference value)."""
    values, reference = _wide(values), _wide(reference)
    with np.errstate(invalid="ignore"):  # inf - inf, where both are the same
        difference = np.where(values == reference, 0.0, np.abs(values - reference))
    finite = np.abs(reference[np.isfinite(reference)])
    return difference / max(1.0, finite.max(initial=0.0))


def _wide(values) -> np.ndarray:
    return np.asarray(values).astype(np.float64)


def _longest(report: Report, cases: list[Case]) -> Case:
    """The case of the longest inputs, one row of it where the file leaves the batch size open."""
    case = max(cases, key=lambda c: sum(a.size / max(len(a), 1) for a in c.inputs.values()))
    if not all(tensor.shape[:1] == (None,) for tensor in report.inputs):
        return case
    return Case({name: array[:1] for name, array in case.inputs.items()}, {})
