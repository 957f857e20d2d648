"""Run the examples one after another, and write what they reach into one table, RESULTS.md.

Each run's rows are kept in examples/results/NAME.json, so that the table can be built up: examples that
are not run again keep those they have. An example has a row for each outcome.json in its folder.
"""

import argparse
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import NamedTuple

if not __package__:  # run as a file: make `examples` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console

from examples import outcome, results_table
from examples.results_table import Row

# In the order of the table.
NAMES = (
    "watch",
    "vowels",
    "sentiment",
    "tagging",
    "pronunciation",
    "translation",
    "names",
    "music",
    "vanishing_gradients",
)

HERE = Path(__file__).resolve().parent
LAST_LINES = 30


class Run(NamedTuple):
    """How one example ended.

    Attributes:
        name: The example.
        found: Its outcomes.
        failed: Whether anything but a goal was missed.
        log: What it printed.
        seconds: Its time.
    """

    name: str
    found: list[outcome.Outcome]
    failed: bool
    log: Path
    seconds: float


def run(name: str, out: Path, length: str, console: Console) -> Run:
    """Run an example as a process of its own; it writes to `out/NAME`, what it prints is in NAME.log.

    `length` is "quick", "full" or "" for the default.
    """
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    for written in folder.rglob(outcome.FILE):
        written.unlink()  # of an earlier run
    log = out / f"{name}.log"
    command = [sys.executable, str(HERE / f"{name}.py"), "--out", str(folder)]
    command += [f"--{length}"] if length else []
    start = time.perf_counter()
    with console.status(f"{name}: running, see {log}"), log.open("w") as words:
        status = subprocess.run(command, stdout=words, stderr=subprocess.STDOUT, check=False)
    written = sorted(folder.rglob(outcome.FILE), key=lambda path: (len(path.parts), path))
    found = [outcome.read_outcome(path) for path in written]
    # See `outcome.verdict`; Python itself ends with 1 where a program breaks.
    missed = status.returncode == 1 and any(one.goal_reached is False for one in found)
    failed = not found or not (status.returncode == 0 or missed)
    return Run(name, found, failed, log, time.perf_counter() - start)


def report(ran: Run, console: Console) -> None:
    """A line for each outcome, and the last words of a run that failed."""
    if ran.failed:
        console.print(f"FAILED   {ran.name} after {ran.seconds:.0f} s; the end of {ran.log}:")
        console.print(
            "\n".join(ran.log.read_text().splitlines()[-LAST_LINES:]), markup=False, soft_wrap=True
        )
        return
    for one in ran.found:
        word = {True: "reached ", False: "MISSED  ", None: "ran     "}[one.goal_reached]
        goal = "" if one.goal is None else f", goal {one.goal:g}"
        shown = f"{word} {one.example}: {one.metric}: {one.reached:.4g}{goal}; {ran.seconds:.0f} s"
        console.print(shown, markup=False, highlight=False, soft_wrap=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default all"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="only see whether they run; no table")
    length.add_argument("--full", action="store_true", help="hours; rows of their own in the table")
    parser.add_argument("--out", type=Path, default=Path("outputs"), help="folder of results")
    parser.add_argument("--table", type=Path, default=HERE / "RESULTS.md", help="what to write")
    parser.add_argument("--rows", type=Path, default=HERE / "results", help="where rows are kept")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"there is no example {', '.join(unknown)}; there are {', '.join(NAMES)}")

    length = "quick" if options.quick else "full" if options.full else ""
    console, failed = Console(), []
    for name in options.names or NAMES:
        ran = run(name, options.out, length, console)
        report(ran, console)
        if ran.failed:
            failed.append(name)
        elif not options.quick:
            where, when = results_table.machine(), date.today().isoformat()
            rows = [Row(found, where, when) for found in ran.found]
            kept = f"{name}-full.json" if options.full else f"{name}.json"
            results_table.keep(rows, options.rows / kept)
    if not options.quick:
        rows = results_table.kept(options.rows, NAMES)
        results_table.write(rows, options.table)
        console.print(f"{len(rows)} rows in {options.table}")
    if failed:
        console.print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
