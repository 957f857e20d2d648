"""What ELMo is to reach beside its originals, and the results it is judged by."""

from dataclasses import dataclass, field

from benchmarks.goals import Goal
from benchmarks.results import Result

OURS, COLD, SIMPLE, BILM = "ours", "ours, nothing kept", "simple-elmo", "bilm"
EMBEDDING, GROWTH, MEMORY, TRAINING = "embedding", "growth", "memory", "training"
BATCHES = ("batch 32", "batch 1")
STEP = "batch 128, 20 words"


def tokens_text(number: int) -> str:
    return f"{number:,} tokens"


GROWN = tuple(map(tokens_text, (1_000, 10_000, 100_000)))


@dataclass
class ElmoResult(Result):
    """Seconds of a token by contestant, one for each round, and what else is known.

    Attributes:
        megabytes: By contestant, the largest resident memory of its process.
        differences: By contestant, the largest difference of its vectors to ours.
        unique: The share of different words in a batch.
    """

    megabytes: dict[str, float] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    unique: float | None = None

    def memory_ratio(self, name: str, base: str) -> float:
        known = self.megabytes
        return known[name] / known[base] if {name, base} <= set(known) else float("inf")


@dataclass(frozen=True)
class MemoryGoal(Goal):
    """A limit on a process's peak memory divided by another's."""

    def value(self, result: ElmoResult) -> float:
        return result.memory_ratio(self.contestant, self.base)


# Limits on ratios of seconds a token: 2.5, 3 and 2 times as fast.
GOALS = (
    Goal("embedding: ours ÷ simple-elmo", 1 / 2.5, EMBEDDING, OURS, SIMPLE, (BATCHES[0],)),
    Goal("embedding: ours ÷ simple-elmo", 1 / 3, EMBEDDING, OURS, SIMPLE, (BATCHES[1],)),
    Goal("training step: ours ÷ bilm", 1 / 2, TRAINING, OURS, BILM, (STEP,)),
    MemoryGoal("peak memory: ours ÷ simple-elmo", 0.7, MEMORY, OURS, SIMPLE, GROWN),
    MemoryGoal("peak memory: ours ÷ bilm", 0.7, TRAINING, OURS, BILM, (STEP,)),
    Goal("a token's time ÷ that of 1,000 tokens", 1.1, GROWTH, GROWN[1], GROWN[0], (OURS,)),
    Goal("a token's time ÷ that of 10,000 tokens", 1.1, GROWTH, GROWN[2], GROWN[1], (OURS,)),
)
