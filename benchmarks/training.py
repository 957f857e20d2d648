"""Time of our layers beside `keras.layers` and torch.nn: training, prediction, first call.

Writes a Markdown report, a picture and the measured times (JSON) into a folder. `--from` draws report
and picture again from the times.
"""

import argparse
import contextlib
import os
import shlex
import sys
import time
from pathlib import Path

if not __package__:  # run as a file: make `benchmarks` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import picture, plan, report, torch_peer
from benchmarks.goals import verdicts
from benchmarks.results import Results, whole_file

ENGINES = ("auto", "loop", "unroll", "compiled", "cudnn")
FOLDER = Path("benchmarks/results")
FULL = {"suites": plan.SUITES, "shapes": plan.SHAPES, "rounds": 5, "round_seconds": 0.4}
QUICK = {
    "suites": ("training", "predict", "first-call"),
    "shapes": (plan.SMALL,),
    "rounds": 3,
    "round_seconds": 0.2,
}


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 if a contestant failed, else 0: a missed goal is a result, not an error."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _options(arguments)
    if options.source:
        results = Results.load(options.source)
        folder, stem = options.output or options.source.parent, options.source.stem
    else:
        results = measure(options, " ".join(["benchmarks/training.py", shlex.join(arguments)]))
        folder, stem = options.output or FOLDER, _stem(options)
    write(results, folder, stem)
    return int(any(result.failed for result in results.results))


def measure(options: argparse.Namespace, command: str) -> Results:
    import tensorflow as tf

    from benchmarks import machine
    from benchmarks.measure import FIRST_CALLS, Settings, run

    tf.get_logger().setLevel("ERROR")  # that many models are traced
    tf.config.set_visible_devices([], "GPU")
    facts = machine.describe()
    start = time.perf_counter()
    with contextlib.ExitStack() as stack:
        peer = None
        if not options.no_torch and torch_peer.available():
            peer = stack.enter_context(torch_peer.TorchPeer(machine.cores()))
            facts["torch threads"] = str(peer.facts["threads"])
        races = plan.races(options.suites, options.kinds, options.shapes, torch=peer is not None)
        settings = Settings(options.rounds, options.round_seconds, options.engine, peer)
        bar = stack.enter_context(_progress())
        task = bar.add_task("", total=len(races))
        results = []
        for race in races:

            def tick(name: str, race=race) -> None:
                bar.update(task, description=f"{race.suite} {race.kind} {race.shape} {name}")
                bar.refresh()

            results.append(run(race, settings, tick))
            bar.advance(task)
        bar.update(task, description="done")
    first_calls = min(options.rounds, FIRST_CALLS)
    run_facts = {
        "date": time.strftime("%Y-%m-%d"),
        "command": f"`{command.strip()}`",
        "engine": f"`{options.engine}`",
        "rounds": f"{options.rounds}, a turn of the first contestant about {options.round_seconds:g} s; "
        f"first calls {first_calls}",
        "total time": f"{(time.perf_counter() - start) / 60:.1f} minutes",
        "torch": "measured" if peer else "not measured",
    }
    return Results(facts, run_facts, results)


def write(results: Results, folder: Path, stem: str) -> None:
    """Times, picture and report, each complete or not there."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {ending: folder / f"{stem}.{ending}" for ending in ("json", "png", "md")}
    results.save(files["json"])
    with whole_file(files["png"]) as new:
        picture.draw(results, new)
    with whole_file(files["md"]) as new:
        new.write_text(report.markdown(results, files["png"].name))
    console = Console()
    for verdict in verdicts(results):
        if verdict.value is not None:
            value = report.number(verdict.value)
            line = f"{verdict.kind}, {verdict.goal.text}: {value}, goal {verdict.goal.limit:g}"
            console.print(f"{verdict.status:12} {line}", highlight=False)
    console.print(f"Written: {', '.join(str(path) for path in files.values())}", highlight=False)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=plan.KINDS, default=plan.KINDS)
    parser.add_argument("--shapes", nargs="+", type=_shape, metavar="B,T,D,U")
    parser.add_argument("--suites", nargs="+", choices=plan.SUITES)
    parser.add_argument("--rounds", type=int, help="turns of each contestant")
    parser.add_argument("--round-seconds", type=float, help="length of a turn")
    parser.add_argument("--quick", action="store_true", help="the smallest shape, a minute or so")
    parser.add_argument("--engine", choices=ENGINES, default="auto", help="of our layers")
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--output", type=Path, help=f"folder to write to, by default {FOLDER}")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="JSON", help="draw again, measure nothing"
    )
    options = parser.parse_args(arguments)
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.rounds < 1 or not options.round_seconds > 0:
        parser.error(
            "--rounds must be at least 1 and --round-seconds above 0, "
            f"got {options.rounds} and {options.round_seconds}"
        )
    return options


def _shape(text: str) -> plan.Shape:
    try:
        shape = tuple(int(number) for number in text.split(","))
    except ValueError:
        shape = ()
    if len(shape) != 4 or min(shape) < 1:
        raise argparse.ArgumentTypeError(f"a shape is four whole numbers B,T,D,U, got {text!r}")
    return shape


def _stem(options: argparse.Namespace) -> str:
    """A quick look, or another engine, does not replace the main results."""
    parts = ["training", *(["quick"] if options.quick else [])]
    return "-".join(parts + ([] if options.engine == "auto" else [options.engine]))


def _progress() -> Progress:
    # No refresh of its own: its thread would take time from what is being measured.
    columns = (BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    text = TextColumn("{task.description}")
    return Progress(*columns, text, auto_refresh=False, console=Console(stderr=True))


if __name__ == "__main__":
    sys.exit(main())
