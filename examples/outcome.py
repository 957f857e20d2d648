"""What a run of an example reached, in one form for all of them."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

FILE = "outcome.json"


@dataclass(frozen=True)
class Outcome:
    """One line of the table of results.

    Attributes:
        example: Its name.
        kind: Lengths in and out, such as "many to one".
        data: The data set and its split, in a few words.
        metric: What is measured, with its unit, such as "windows right, %".
        reached: The metric on the test part.
        baseline: What it stands beside, with its figure, such as "TF-IDF, logistic regression: 78.0".
        goal: The figure to reach; None where there is none to compare with.
        seed: Of the run; several where the metric is a mean.
        minutes: Of the whole run, on this machine.
        command: What makes it again.
        higher_is_better: Which side of the goal is the good one.
        files: Bytes of the exported files by name.
        spread: Half the range, or the like, of several seeds; in words.
        notes: What else a reader should know, each a sentence.
    """

    example: str
    kind: str
    data: str
    metric: str
    reached: float
    baseline: str
    goal: float | None
    seed: int | list[int]
    minutes: float
    command: str
    higher_is_better: bool = True
    files: dict[str, int] = field(default_factory=dict)
    spread: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def goal_reached(self) -> bool | None:
        """None without a goal."""
        if self.goal is None:
            return None
        return self.reached >= self.goal if self.higher_is_better else self.reached <= self.goal


def write_outcome(out: Path, outcome: Outcome) -> Path:
    """Write `out/outcome.json` and print the outcome as a small table."""
    path = Path(out) / FILE
    temporary = path.with_name(f".{FILE}.part")
    temporary.write_text(json.dumps(asdict(outcome), indent=1, ensure_ascii=False) + "\n")
    os.replace(temporary, path)
    _show(outcome)
    return path


def read_outcome(path: Path) -> Outcome:
    """The outcome in a file that `write_outcome` wrote."""
    return Outcome(**json.loads(Path(path).read_text()))


def verdict(checks: dict[str, bool], goals: dict[str, bool] | None = None) -> int:
    """Say what was reached and what was missed; the example's exit status.

    Args:
        checks: What must hold in every run, such as a file that gives what the model gives.
        goals: What a full run is to reach.

    Returns:
        2 if a check failed, else 1 if a goal was missed, else 0.
    """
    goals = goals or {}
    for what, reached in {**checks, **goals}.items():
        print(f"{'reached' if reached else 'MISSED '}  {what}")
    if not all(checks.values()):
        return 2
    return 0 if all(goals.values()) else 1


def _show(outcome: Outcome) -> None:
    table = Table(title=f"{outcome.example}: {outcome.data}", show_header=False)
    table.add_row(outcome.metric, f"{outcome.reached:.4g} {outcome.spread}".strip())
    table.add_row("beside", outcome.baseline)
    if outcome.goal is not None:
        word = "reached" if outcome.goal_reached else "MISSED"
        table.add_row("goal", f"{outcome.goal:g}: {word}")
    for name, size in outcome.files.items():
        table.add_row(name, f"{size:,} bytes")
    table.add_row("minutes", f"{outcome.minutes:.1f}")
    for note in outcome.notes:
        table.add_row("note", note)
    Console().print(table)
