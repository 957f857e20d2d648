"""What we want to reach on a CPU, and the verdict on measured values."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from benchmarks.plan import KINDS, SMALL, Shape, options_of_kind
from benchmarks.results import Result, Results

MEAN_OF_KERAS, WORST_OF_KERAS = 0.6, 0.95
OF_TORCH = 1.0
OPTION_OF_PLAIN = 1.25
BOTH_WAYS_OF_ONE = 1.6
PREDICT_OF_KERAS = 0.7
FIRST_CALL_SECONDS = 3.0


def geometric_mean(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


@dataclass(frozen=True)
class Goal:
    """A limit on a value of each result of a suite, for each kind of layer.

    Attributes:
        text: What is compared with what.
        limit: The value must not be above it.
        contestant: The one that is judged.
        base: The one it is compared with.
        seconds: Whether the value is a difference in seconds, not a ratio.
        mean: Whether the geometric mean over the shapes is judged, not the worst shape.
        without: A shape that is left out.
    """

    text: str
    limit: float
    suite: str
    contestant: str
    base: str
    kinds: tuple[str, ...] = KINDS
    seconds: bool = False
    mean: bool = False
    without: Shape | None = None

    def value(self, result: Result) -> float:
        compare = result.difference if self.seconds else result.ratio
        return compare(self.contestant, self.base)


GOALS = (
    Goal("training step ÷ Keras's, mean", MEAN_OF_KERAS, "training", "ours", "keras", mean=True),
    Goal("training step ÷ Keras's", WORST_OF_KERAS, "training", "ours", "keras"),
    Goal(
        "training step ÷ torch's, larger shapes",
        OF_TORCH,
        "training",
        "ours",
        "torch",
        kinds=("LSTM",),
        without=SMALL,
    ),
    *(
        Goal(f"{name} ÷ plain", OPTION_OF_PLAIN, "variants", name, "plain", kinds=("LSTM",))
        for name in options_of_kind("LSTM", units=2)
    ),
    Goal("both directions ÷ one", BOTH_WAYS_OF_ONE, "bidirectional", "both ways", "one way"),
    Goal("predict ÷ Keras's", PREDICT_OF_KERAS, "predict", "ours", "keras"),
    Goal("first call − Keras's", FIRST_CALL_SECONDS, "first-call", "ours", "keras", seconds=True),
)


@dataclass(frozen=True)
class Verdict:
    """A goal for one kind of layer beside its measured value.

    Attributes:
        value: None if nothing was measured, infinite if a contestant failed.
        over: What the value was taken over.
    """

    goal: Goal
    kind: str
    value: float | None
    over: str

    @property
    def status(self) -> str:
        if self.value is None:
            return "not measured"
        return "reached" if self.value <= self.goal.limit else "not reached"


def verdicts(results: Results, goals: Iterable[Goal] = GOALS) -> list[Verdict]:
    return [_judge(goal, kind, results) for goal in goals for kind in goal.kinds]


def _judge(goal: Goal, kind: str, results: Results) -> Verdict:
    measured = [
        result
        for result in results.of(goal.suite, goal.base, goal.contestant)
        if result.kind == kind and result.shape != goal.without
    ]
    if not measured:
        return Verdict(goal, kind, None, "")
    if goal.mean:
        value = geometric_mean([goal.value(result) for result in measured])
        return Verdict(goal, kind, value, _shapes(len(measured)))
    worst = max(measured, key=goal.value)
    return Verdict(
        goal, kind, goal.value(worst), f"worst of {_shapes(len(measured))}: {worst.shape}"
    )


def _shapes(number: int) -> str:
    return "1 shape" if number == 1 else f"{number} shapes"
