"""Runs a race: its contestants take turns, round by round, in an order that rotates."""

import gc
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras

from benchmarks.models import KerasRunner
from benchmarks.plan import Contestant, Race, Shape
from benchmarks.results import Result
from benchmarks.torch_peer import TorchPeer

FIRST_CALLS = 3  # at most: each is a model built, traced and compiled anew
_REST = 0.02  # seconds, for the threads of the last turn to go to sleep


@dataclass
class Settings:
    """How long to measure.

    Attributes:
        rounds: Turns of each contestant.
        round_seconds: About how long a turn of the first contestant takes.
    """

    rounds: int
    round_seconds: float
    engine: str
    torch: TorchPeer | None = None


def run(race: Race, settings: Settings, tick: Callable[[str], None] = lambda name: None) -> Result:
    """Measure a race; `tick` is called with the name of each contestant before it does something.

    A contestant that raises is left out and its error recorded, so that the others still count.
    """
    result = Result(race.suite, race.kind, race.shape)
    measure = _first_calls if race.suite == "first-call" else _steady
    try:
        measure(race, settings, result, tick)
    finally:
        keras.backend.clear_session()
        gc.collect()
    for name in result.failed:
        result.seconds.pop(name, None)
    return result


def _steady(race: Race, settings: Settings, result: Result, tick) -> None:
    """Times of a step, everything traced and compiled before."""
    method = "predict" if race.suite == "predict" else "train"
    turns = {}
    for name, contestant in race.contestants.items():
        tick(name)
        with recorded(result, name):
            turn = getattr(_runner(contestant, race.shape, settings), method)
            turn(2)
            turns[name] = turn
    if not turns:
        return
    steps = None
    for turn in turns.values():  # warm caches, and the pace of the first one
        seconds = turn(steps or 3)
        steps = steps or max(2, round(settings.round_seconds / seconds))
    for number in range(settings.rounds):
        for name in rotated(list(turns), number):
            tick(name)
            time.sleep(_REST)
            result.seconds.setdefault(name, []).append(turns[name](steps))


def _first_calls(race: Race, settings: Settings, result: Result, tick) -> None:
    """Times of the first step of `fit` of models just built."""
    _runner(race.contestants["keras"], (2, 3, 4, 5), settings).first_call()  # loads what fit needs
    for number in range(min(settings.rounds, FIRST_CALLS)):
        for name in rotated(list(race.contestants), number):
            if name in result.failed:
                continue
            tick(name)
            with recorded(result, name):
                runner = _runner(race.contestants[name], race.shape, settings)
                time.sleep(_REST)
                result.seconds.setdefault(name, []).append(runner.first_call())


def _runner(contestant: Contestant, shape: Shape, settings: Settings):
    if contestant.library != "torch":
        return KerasRunner(contestant, shape, settings.engine)
    settings.torch.build(contestant.kind, shape)
    return settings.torch


def rotated(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]


class recorded:
    """Turns an exception of the block into an entry of `result.failed`."""

    def __init__(self, result: Result, name: str):
        self.result, self.name = result, name

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        lines = [line for line in plain.splitlines() if line.strip()] or [""]
        # Keras says first where it was, and then what went wrong.
        text = lines[1] if lines[0].startswith("Exception encountered") and lines[1:] else lines[0]
        self.result.failed[self.name] = f"{kind.__name__}: {text.strip()[:300]}"
        return True
