"""The results of the export benchmark as Markdown and as tables on the screen."""

import re

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.export_goals import GOALS, ExportResult
from benchmarks.export_plan import ONNX, OUR_EXPORT, PEERS, STOCK, STOCK_EXPORT, TORCH
from benchmarks.goals import Verdict, verdicts
from benchmarks.report import bullets, goal_table, number, steadiness, table
from benchmarks.results import Results

COLUMNS = (
    "contestant",
    "ms a call",
    "middle half",
    "÷ stock",
    "÷ onnxruntime",
    "file, bytes",
    "÷ weights",
    "made in, s",
    "difference",
)
_METHOD = f"""\
One recurrent layer that returns its outputs of all steps, float32, batch 1, one thread; all contestants
have the weights of one Keras layer and read the same input. T = 1 is one step of a stream, its states
inputs and outputs (`{STOCK}` has none: it starts at zeros).

A time is that of the call alone: TFLite's `invoke` with its tensors set before, ONNX Runtime with
inputs and outputs bound before, torch.nn's layer without gradients. Contestants take turns, round by
round, in an order that rotates; a turn's time is the mean of its calls, after one that is not counted.
The table has the median over the rounds and the middle half of them. **A ratio is the median of each
round's ratio.**

* `{STOCK}`: fixed batch size and time steps, built-in operations only; the best one gets of
  the stock layer without this package. `dynamic` stores its weights in 8 bits.
* `{STOCK_EXPORT}`: `model.export(path, format="litert")` and nothing else.
* `{ONNX}`: one LSTM or GRU operation. `{TORCH}`: the layer, eager.
* `{OUR_EXPORT}`: the same one line on a model of this package's layers.
* All others: `keras_recurrent.export.to_tflite` with that form and quantisation.

"Made in" is conversion and, for `to_tflite`, verification; the first one of a run also starts the
process that converts. The difference is the largest one to the Keras layer's outputs on the input that
is timed."""


def markdown(results: Results) -> str:
    parts = [
        "# Exported layers beside stock Keras, ONNX Runtime and torch.nn",
        bullets(results.run | steadiness(results)),
        _METHOD,
        "## Goals",
        goal_table(judged(results)),
    ]
    for result in results.results:
        parts += [f"## {title(result)}", table(list(COLUMNS), rows(result))]
        if result.failed:
            reasons = [f"* {name}: {_one_line(error)}" for name, error in result.failed.items()]
            parts += ["Does not run:", "\n".join(reasons)]
    parts += ["## Machine", bullets(results.machine)]
    return "\n\n".join(parts) + "\n"


def show(results: Results, console: Console) -> None:
    """The same tables on the screen."""
    for result in results.results:
        shown = Table(title=title(result), title_justify="left")
        for position, name in enumerate(COLUMNS):
            shown.add_column(name, justify="right" if position else "left")
        for row in rows(result):
            shown.add_row(*row)
        console.print(shown)
        for name, error in result.failed.items():
            console.print(f"{name}: {_one_line(error)}", markup=False, highlight=False)
    goals = Table(title="Goals", title_justify="left")
    for name in ("layer", "what", "at most", "measured", "verdict"):
        goals.add_column(name, justify="right" if name in ("at most", "measured") else "left")
    for verdict in judged(results):
        if verdict.value is None:
            continue
        unit = " s" if verdict.goal.seconds else ""
        goals.add_row(
            verdict.kind,
            verdict.goal.text,
            f"{verdict.goal.limit:g}{unit}",
            number(verdict.value),
            verdict.status,
        )
    console.print(goals)


def judged(results: Results) -> list[Verdict]:
    return verdicts(results, GOALS)


def title(result: ExportResult) -> str:
    timesteps, features, units = result.shape
    steps = "one step of a stream" if timesteps == 1 else f"{timesteps} steps"
    return f"{result.kind}, {steps}, {features} features, {units} units"


def rows(result: ExportResult) -> list[list[str]]:
    names = dict.fromkeys([*result.seconds, *result.failed])
    return [
        _row(result, name) if name in result.seconds else [name, "does not run", *[""] * 7]
        for name in sorted(names, key=lambda name: name not in PEERS)
    ]


def _row(result: ExportResult, name: str) -> list[str]:
    low, middle, high = (1e3 * np.quantile(result.seconds[name], [0.25, 0.5, 0.75])).tolist()
    bytes_ = result.bytes.get(name)
    return [
        name,
        f"{middle:.3f}",
        f"{low:.3f} - {high:.3f}",
        _ratio(result, name, STOCK),
        _ratio(result, name, ONNX),
        f"{bytes_:,}" if bytes_ else "",
        number(result.bytes_ratio(name)) if bytes_ and name != ONNX else "",
        number(result.making.get(name), 1),
        f"{result.differences[name]:.1e}",
    ]


def _ratio(result: ExportResult, name: str, base: str) -> str:
    return number(result.ratio(name, base)) if base in result.seconds else ""


def _one_line(error: str) -> str:
    """The beginning of an error, without paths of this machine."""
    if "Select TensorFlow op" in error:
        return "needs TensorFlow's own kernels (Flex), which ai-edge-litert does not have"
    return re.sub(r"(/[\w.-]+){2,}/", "…/", error)[:240]
