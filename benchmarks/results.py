"""Measured times, and the file they are kept in."""

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.plan import Shape

FORMAT = 1


@dataclass
class Result:
    """Times of one race.

    Attributes:
        seconds: By contestant, one time for each round: of a step, or of the first call.
        failed: By contestant that could not run, the error.
    """

    suite: str
    kind: str
    shape: Shape
    seconds: dict[str, list[float]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float:
        return float(np.median(self.seconds[name])) if name in self.seconds else math.inf

    def ratio(self, name: str, base: str) -> float:
        """Median over the rounds of each round's ratio; infinite if a contestant failed."""
        return self._over_rounds(np.divide, name, base)

    def difference(self, name: str, base: str) -> float:
        return self._over_rounds(np.subtract, name, base)

    def _over_rounds(self, compare, name: str, base: str) -> float:
        if name not in self.seconds or base not in self.seconds:
            return math.inf
        return float(np.median(compare(self.seconds[name], self.seconds[base])))


@dataclass
class Results:
    """All that a report is drawn from: facts of the machine and the run, and the results."""

    machine: dict[str, str]
    run: dict[str, str]
    results: list[Result]

    def of(self, suite: str, *contestants: str) -> list[Result]:
        """The results of a suite whose races the contestants took part in."""
        return [
            result
            for result in self.results
            if result.suite == suite and set(contestants) <= set(result.seconds | result.failed)
        ]

    def save(self, path: Path) -> None:
        with whole_file(path) as new:
            new.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Results":
        stored = json.loads(Path(path).read_text())
        if not isinstance(stored, dict) or stored.get("format") != FORMAT:
            raise ValueError(
                f"{path} is no file of this benchmark: its 'format' should be {FORMAT}. Measure anew."
            )
        results = [Result(**{**r, "shape": tuple(r["shape"])}) for r in stored["results"]]
        return cls(stored["machine"], stored["run"], results)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when the block succeeds."""
    new = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield new
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def write_and_show(results: Results, report, folder: Path, stem: str) -> None:
    """Times (JSON) and report (Markdown), each complete or not there; and the report on the screen.

    Args:
        results: What was measured.
        report: A module with `markdown(results)` and `show(results, console)`.
        folder: Where to; made if it is not there.
        stem: The files' name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {ending: folder / f"{stem}.{ending}" for ending in ("json", "md")}
    results.save(files["json"])
    with whole_file(files["md"]) as new:
        new.write_text(report.markdown(results))
    console = Console(width=None if sys.stdout.isatty() else 130)
    report.show(results, console)
    console.print(f"Written: {', '.join(str(path) for path in files.values())}", highlight=False)
