"""Time, size and accuracy of exported layers beside stock Keras's conversion, ONNX Runtime and torch.nn.

Prints tables and writes them as a Markdown report, with the measured times (JSON), into a folder.
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

from benchmarks import export_plan as plan
from benchmarks import export_report as report
from benchmarks.results import Results, write_and_show

FOLDER = Path("benchmarks/results")
PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "onnxruntime", "onnx", "torch", "numpy")
FULL = {"shapes": plan.SHAPES, "kinds": plan.KINDS, "rounds": 25, "round_seconds": 0.05}
QUICK = {
    "shapes": (plan.SMALLEST,),
    "kinds": ("LSTM",),
    "rounds": 7,
    "round_seconds": 0.02,
}
_SLOW = ("unroll", "unroll dynamic")  # left out of a quick look: they convert for seconds


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 if the comparison is incomplete, else 0: a refusal or a missed goal is a result."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _options(arguments)
    results = measure(options, " ".join(["benchmarks/export.py", shlex.join(arguments)]))
    write_and_show(
        results, report, options.output or FOLDER, "export-quick" if options.quick else "export"
    )
    needed = {plan.STOCK, plan.ONNX}
    return int(any(needed & set(result.failed) for result in results.results))


def measure(options: argparse.Namespace, command: str) -> Results:
    import tensorflow as tf

    from benchmarks import machine
    from benchmarks.export_measure import run

    tf.get_logger().setLevel("ERROR")
    tf.config.set_visible_devices([], "GPU")
    facts = machine.describe(PACKAGES)
    races = [(kind, shape) for shape in options.shapes for kind in options.kinds]
    start, results = time.perf_counter(), []
    with _progress() as bar:
        task = bar.add_task("", total=len(races))
        for kind, shape in races:

            def tick(name: str, kind=kind, shape=shape) -> None:
                bar.update(task, description=f"{kind} {shape} {name}")
                bar.refresh()

            names = [n for n in plan.contestants(shape) if options.wanted(n)]
            with _quiet():
                results.append(run(kind, shape, names, options.rounds, options.round_seconds, tick))
            bar.advance(task)
    run_facts = {
        "date": time.strftime("%Y-%m-%d"),
        "command": f"`{command.strip()}`",
        "rounds": f"{options.rounds}, a turn about {options.round_seconds:g} s",
        "total time": f"{(time.perf_counter() - start) / 60:.1f} minutes",
    }
    return Results(facts, run_facts, results)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=plan.KINDS)
    parser.add_argument("--shapes", nargs="+", type=_shape, metavar="T,D,U", help="T=1: streaming")
    parser.add_argument("--rounds", type=int, help="turns of each contestant")
    parser.add_argument("--round-seconds", type=float, help="length of a turn")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="of our contestants these; peers always run"
    )
    parser.add_argument("--quick", action="store_true", help="the smallest shape, half a minute")
    parser.add_argument("--output", type=Path, help=f"folder to write to, by default {FOLDER}")
    options = parser.parse_args(arguments)
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.rounds < 1 or not options.round_seconds > 0:
        parser.error(
            "--rounds must be at least 1 and --round-seconds above 0, "
            f"got {options.rounds} and {options.round_seconds}"
        )
    known = {*plan.SEQUENCES, *plan.STEPS, plan.OUR_EXPORT}
    if unknown := set(options.only or ()) - known:
        parser.error(f"--only takes {sorted(known)}, got {sorted(unknown)}")
    skipped = known - set(options.only) if options.only else set(_SLOW if options.quick else ())
    options.wanted = lambda name: name not in skipped
    return options


def _shape(text: str) -> plan.Shape:
    try:
        shape = tuple(int(size) for size in text.split(","))
    except ValueError:
        shape = ()
    if len(shape) != 3 or min(shape) < 1:
        raise argparse.ArgumentTypeError(f"a shape is three whole numbers T,D,U, got {text!r}")
    return shape


@contextlib.contextmanager
def _quiet():
    """Without what the converter and the runtimes write to stderr from C++."""
    with open(os.devnull, "w") as nowhere:
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _progress() -> Progress:
    # No refresh of its own: its thread would take time from what is being measured.
    columns = (BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    text = TextColumn("{task.description}")
    return Progress(*columns, text, auto_refresh=False, console=Console())


if __name__ == "__main__":
    sys.exit(main())
