"""Which cell runs in which form, quantisation and runtime: tried, and written down as tables.

Writes `export/SUPPORT.md` and the part of the README between its markers. Ends with status 1 if a file
was made that gives wrong numbers or does not run.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if not __package__:  # run as a file
    sys.path[0] = str(ROOT / "tests")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

from conformance import support_table  # noqa: E402
from conformance.exported import Outcome, try_all  # noqa: E402
from conformance.registry import CASES  # noqa: E402

FOLDER = ROOT / "outputs"
TABLE = ROOT / "export" / "SUPPORT.md"
QUICK = ("simple_rnn", "gru-after", "lstm-plain")


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    names = [str(case) for case in CASES]
    file = FOLDER / ("support-quick.json" if options.quick else "support.json")
    found = stored(file) if options.again or options.cells else {}
    wanted = QUICK if options.quick else options.cells or names
    for tried in () if options.again else try_cells(wanted, options.processes):
        found.update(tried)
        ordered = {name: found[name] for name in names if name in found}
        file.parent.mkdir(exist_ok=True)
        support_table.replace_file(file, json.dumps(ordered, indent=1))
    outcomes = [Outcome(**values) for name in names for values in found.get(name, ())]
    write(outcomes, options.quick)
    return report_failures(outcomes)


def stored(file: Path) -> dict[str, list[dict]]:
    if not file.exists():
        sys.exit(f"There is no earlier run to take results from: {file} is missing.")
    return json.loads(file.read_text(encoding="utf-8"))


def try_cells(names: Sequence[str], processes: int) -> Iterator[dict[str, list[dict]]]:
    """All combinations of each cell, by its name, as they come."""
    start = time.perf_counter()
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        futures = {pool.submit(_try_named, name): name for name in names}
        for count, future in enumerate(as_completed(futures), start=1):
            yield {futures[future]: future.result()}
            seconds = time.perf_counter() - start
            print(f"{seconds:5.0f} s  {count:2} of {len(names)}  {futures[future]}", flush=True)


def write(outcomes: list[Outcome], quick: bool) -> None:
    table = support_table.condensed(outcomes)
    if quick:
        print(support_table.full(outcomes))
        return
    support_table.replace_file(TABLE, support_table.full(outcomes))
    readme = ROOT / "README.md"
    text = support_table.with_table(readme.read_text(encoding="utf-8"), table)
    if text is None:
        print(
            f"README.md has no markers {support_table.BEGIN} and {support_table.END} for:\n\n{table}"
        )
    else:
        support_table.replace_file(readme, text)


def report_failures(outcomes: list[Outcome]) -> int:
    """Print them; 1 if there are any."""
    conversions = sum(outcome.conversions for outcome in outcomes)
    failed = [outcome for outcome in outcomes if outcome.failed]
    print(f"{len(outcomes)} combinations, {conversions} conversions, {len(failed)} failures")
    for outcome in outcomes:
        for message in outcome.unstable:
            print(f"UNSTABLE {outcome.cell}, {outcome.form}, {outcome.quantize}: {message}")
    for outcome in failed:
        for message in outcome.failed:
            print(f"FAILED {outcome.cell}, {outcome.form}, {outcome.quantize}: {message}")
    return int(bool(failed))


def _try_named(name: str) -> list[dict]:
    return [asdict(o) for o in try_all(next(case for case in CASES if str(case) == name))]


def _options(arguments) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three cells, printed only")
    parser.add_argument("--again", action="store_true", help="tables of the last run's results")
    parser.add_argument(
        "--cells",
        nargs="+",
        choices=[str(case) for case in CASES],
        metavar="CELL",
        help="try these again, the others are those of the last run",
    )
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
