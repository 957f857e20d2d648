"""Speed and memory of ELMo beside simple-elmo and bilm: embedding, training, more and more tokens.

Prints tables and writes them as a Markdown report, with the measured times (JSON), into a folder.
"""

import argparse
import os
import shlex
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

if not __package__:  # run as a file: make `benchmarks` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from benchmarks import elmo_report as report
from benchmarks.elmo_goals import BILM, EMBEDDING, GROWTH, OURS, SIMPLE, TRAINING
from benchmarks.results import Results, write_and_show

FOLDER = Path("benchmarks/results")
SUITES = (EMBEDDING, GROWTH, TRAINING)
PEERS = ".venv/elmo-peers/bin/python"
FULL = {
    "rounds": 7,
    "sentences": {32: 512, 1: 128},
    "training_rounds": 5,
    "grown": (1_000, 10_000, 100_000),
    "growth_rounds": 3,
    "bilm_embeds": True,
    "training_batches": 4,
}
QUICK = {
    "rounds": 3,
    "sentences": {32: 128, 1: 32},
    "training_rounds": 1,
    "grown": (1_000, 10_000),
    "growth_rounds": 1,
    "bilm_embeds": False,
    "training_batches": 2,
}


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 if a contestant failed, else 0: a missed goal is a result, not an error."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _options(arguments)
    results = measure(options, " ".join(["benchmarks/elmo.py", shlex.join(arguments)]))
    write_and_show(
        results, report, options.output or FOLDER, "elmo-quick" if options.quick else "elmo"
    )
    return int(any(result.failed for result in results.results))


def measure(options: argparse.Namespace, command: str) -> Results:
    from benchmarks import machine
    from benchmarks.elmo_measure import Bench, Settings

    values = QUICK if options.quick else FULL
    settings = Settings(options.peers, **values | {"rounds": options.rounds or values["rounds"]})
    facts = machine.describe(("tensorflow", "keras", "numpy"))
    start, results = time.perf_counter(), []
    with TemporaryDirectory() as folder, _progress() as bar:
        task = bar.add_task("text and weights", total=None)

        def tick(what: str) -> None:
            bar.update(task, description=what)
            bar.refresh()

        bench = Bench(settings, Path(folder), tick)
        if EMBEDDING in options.suites:
            results += [bench.embedding(batch_size) for batch_size in settings.sentences]
        if GROWTH in options.suites:
            results += bench.growth()
        if TRAINING in options.suites:
            results.append(bench.training())
    facts |= {name: bench.versions.get(name, "not measured") for name in (OURS, SIMPLE, BILM)}
    run_facts = {
        "date": time.strftime("%Y-%m-%d"),
        "command": f"`{command.strip()}`",
        "rounds": f"{settings.rounds}, of growing numbers of tokens {settings.growth_rounds}, "
        f"of training {settings.training_rounds}",
        "total time": f"{(time.perf_counter() - start) / 60:.1f} minutes",
    }
    return Results(facts, run_facts, results)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suites", nargs="+", choices=SUITES, default=SUITES)
    parser.add_argument("--rounds", type=int, help="turns of each contestant")
    parser.add_argument("--peers", help=f"Python of the peers' environment, by default {PEERS}")
    parser.add_argument("--no-peers", action="store_true", help="measure ours alone")
    parser.add_argument("--quick", action="store_true", help="few rounds, a minute or two")
    parser.add_argument("--output", type=Path, help=f"folder to write to, by default {FOLDER}")
    options = parser.parse_args(arguments)
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    if options.no_peers:
        options.peers = None
    else:
        options.peers = str(Path(options.peers or PEERS).absolute())
        if not Path(options.peers).is_file():
            parser.error(
                f"there is no {options.peers}: `make bench-elmo` sets up the peers' environment; "
                "--no-peers measures without them"
            )
    return options


def _progress() -> Progress:
    # No refresh of its own: its thread would take time from what is being measured.
    columns = TimeElapsedColumn(), TextColumn("{task.description}")
    return Progress(*columns, auto_refresh=False, console=Console(stderr=True))


if __name__ == "__main__":
    sys.exit(main())
