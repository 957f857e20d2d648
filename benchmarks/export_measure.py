"""Runs the contestants of one shape: they take turns, round by round, in an order that rotates."""

import gc
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np

from benchmarks.export_contestants import Workshop
from benchmarks.export_goals import ExportResult
from benchmarks.export_plan import Shape, suite_of
from benchmarks.measure import recorded, rotated


def run(
    kind: str,
    shape: Shape,
    names: Iterable[str],
    rounds: int,
    round_seconds: float,
    tick: Callable[[str], None] = lambda name: None,
) -> ExportResult:
    """Make all contestants, then time them; one that cannot be made is recorded with the reason.

    Args:
        rounds: Turns of each contestant.
        round_seconds: About how long a turn takes; a time is the mean of its calls.
        tick: Called with the name of each contestant before it does something.
    """
    result = ExportResult(suite_of(shape), kind, shape)
    calls = {}
    with TemporaryDirectory() as folder:
        workshop = Workshop(kind, shape, Path(folder))
        result.weight_bytes = workshop.weight_bytes
        for name in names:
            tick(name)
            with recorded(result, name):
                entry = workshop.make(name)
                calls[name] = entry.call
                difference = np.abs(entry.outputs - workshop.reference).max()
                result.differences[name] = float(difference)
                if entry.bytes is not None:
                    result.bytes[name] = entry.bytes
                if entry.seconds is not None:
                    result.making[name] = entry.seconds
    numbers = {name: max(1, round(round_seconds / _pace(call))) for name, call in calls.items()}
    for number in range(rounds):
        for name in rotated(list(calls), number):
            tick(name)
            seconds = _mean_seconds(calls[name], numbers[name])
            result.seconds.setdefault(name, []).append(seconds)
    calls.clear()
    keras.backend.clear_session()
    gc.collect()
    return result


def _pace(call: Callable) -> float:
    _mean_seconds(call, 3)
    return _mean_seconds(call, 5)


def _mean_seconds(call: Callable, number: int) -> float:
    call()  # the caches hold another contestant's weights
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number
