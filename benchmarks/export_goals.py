"""What exported models are to reach, and the results they are judged by."""

from dataclasses import dataclass, field

from benchmarks.export_plan import KINDS, ONNX, STOCK
from benchmarks.goals import Goal
from benchmarks.results import Result


@dataclass
class ExportResult(Result):
    """Times of a call, one for each round, and what is known of each contestant's file.

    Attributes:
        weight_bytes: Of the layer's weights in float32.
        bytes: By contestant, the size of its file.
        making: By contestant, the seconds of making its file, verification included.
        differences: By contestant, the largest difference to the Keras layer.
    """

    weight_bytes: int = 0
    bytes: dict[str, int] = field(default_factory=dict)
    making: dict[str, float] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)

    def bytes_ratio(self, name: str) -> float:
        return self.bytes[name] / self.weight_bytes if name in self.bytes else float("inf")


@dataclass(frozen=True)
class SizeGoal(Goal):
    """A limit on a file's bytes divided by those of the weights."""

    def value(self, result: ExportResult) -> float:
        return result.bytes_ratio(self.contestant)


@dataclass(frozen=True)
class MakingGoal(Goal):
    """A limit on the seconds of conversion and verification."""

    seconds: bool = True

    def value(self, result: ExportResult) -> float:
        return result.making.get(self.contestant, float("inf"))


def _time(name: str, base: str, limit: float, suite: str = "sequence") -> Goal:
    return Goal(f"{name} ÷ {base}", limit, suite, name, base, kinds=KINDS)


def _size(name: str, limit: float, suite: str, kinds=KINDS) -> Goal:
    return SizeGoal(f"{name}: file ÷ weights", limit, suite, name, name, kinds=kinds)


def _making(name: str, suite: str, kinds=KINDS) -> Goal:
    text = f"{name}: conversion and verification"
    return MakingGoal(text, 15.0, suite, name, name, kinds=kinds)


GOALS = (
    _time("loop", STOCK, 0.6),
    _time("loop", ONNX, 1.1),
    _time("loop dynamic", ONNX, 0.5),
    _time("step", STOCK, 1.0, "step"),
    _time("step", ONNX, 1.2, "step"),
    _size("fused", 1.05, "sequence", ("LSTM",)),
    _size("fused int8", 0.30, "sequence", ("LSTM",)),
    _size("step", 1.05, "step"),
    _size("step int8", 0.30, "step"),
    _making("loop", "sequence"),
    _making("loop dynamic", "sequence"),
    _making("fused", "sequence", ("LSTM",)),
    _making("fused int8", "sequence", ("LSTM",)),
    _making("step", "step"),
    _making("step int8", "step"),
)
