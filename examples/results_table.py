"""The table of what the examples reach, in Markdown, and the rows that it is made of."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from examples.outcome import Outcome

_HEAD = """\
# What the examples reach

Written by `make results`, which runs each example as its command says. A figure is that of the test
part, on which nothing was chosen, if no note says otherwise. What it stands beside is a published
figure where no run of ours is named. "no" is a goal that was missed. Minutes are those of the whole run,
data in place.
"""
_COLUMNS = {
    "example": "---",
    "kind": "---",
    "data": "---",
    "metric": "---",
    "reached": "---:",
    "beside": "---",
    "goal": "---:",
    "goal reached": "---",
    "seed": "---:",
    "minutes": "---:",
    "command": "---",
    ".tflite bytes": "---:",
    "machine": "---",
    "date": "---",
}


@dataclass(frozen=True)
class Row:
    """An outcome, and where and when it came about."""

    outcome: Outcome
    machine: str
    date: str

    def cells(self) -> list[str]:
        """The row in the order of the columns."""
        it = self.outcome
        seeds = it.seed if isinstance(it.seed, list) else [it.seed]
        return [
            it.example,
            it.kind,
            it.data,
            it.metric,
            f"**{it.reached:.4g}** {it.spread}".strip(),
            it.baseline,
            "" if it.goal is None else f"{'≥' if it.higher_is_better else '≤'} {it.goal:g}",
            {True: "yes", False: "no", None: ""}[it.goal_reached],
            ", ".join(map(str, seeds)),
            f"{it.minutes:.1f}",
            f"`{it.command}`",
            ", ".join(f"{size:,}" for name, size in it.files.items() if name.endswith(".tflite")),
            self.machine,
            self.date,
        ]


def keep(rows: Sequence[Row], path: Path) -> None:
    """Write the rows of an example for the tables to come."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n")


def kept(folder: Path, names: Sequence[str]) -> list[Row]:
    """The rows there are, in the order of `names`; those of an example at full length follow its own."""
    paths = [folder / f"{name}{length}.json" for name in names for length in ("", "-full")]
    rows = [row for path in paths if path.exists() for row in json.loads(path.read_text())]
    return [Row(**{**row, "outcome": Outcome(**row["outcome"])}) for row in rows]


def markdown(rows: Sequence[Row]) -> str:
    lines = [list(_COLUMNS), list(_COLUMNS.values()), *(row.cells() for row in rows)]
    table = "\n".join("| " + " | ".join(map(_in_a_cell, line)) + " |" for line in lines)
    notes = [
        f"* {row.outcome.example}: {' '.join(row.outcome.notes)}"
        for row in rows
        if row.outcome.notes
    ]
    return "\n".join([_HEAD, table, *(["", *notes] if notes else [])]) + "\n"


def write(rows: Sequence[Row], path: Path) -> None:
    _write(path, markdown(rows))


def machine() -> str:
    """The machine in words that fit any like it."""
    from benchmarks.machine import cores, describe

    return f"{cores()} cores, {describe(())['CPU']}"


def _in_a_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text)
    os.replace(temporary, path)
