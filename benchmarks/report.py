"""The results as Markdown."""

import math
import statistics

from benchmarks.goals import Verdict, verdicts
from benchmarks.results import Result, Results

_COLUMNS = {
    "training": "Training step: milliseconds of a step of `fit` (forward, backward, Adam)",
    "predict": "Predict: milliseconds of a batch",
}
_METHOD = """\
A model is one recurrent layer and a Dense(1) on its last output, float32, mean squared error, Adam.
One batch in memory is repeated without a copy, its size hidden from the trace as with arrays, so that
the layer is what is timed: from the beginning of the first step of an epoch to the end of the last one.
Everything is traced and compiled before.

Contestants take turns, round by round, in an order that rotates. **A ratio is the median over the
rounds of each round's ratio**, a time the median of its rounds. torch does the same work in a process of
its own, with as many threads as there are cores; it sleeps while the others run, and they while it does.
All run on the CPU."""


def markdown(results: Results, picture: str) -> str:
    """The report; `picture` is the link to the PNG beside it."""
    parts = [
        "# Training time beside keras.layers and torch.nn",
        bullets(results.run | steadiness(results)),
        _METHOD,
        "## Goals",
        goal_table(verdicts(results)),
        f"![Ratios by layer and shape, with the goals as lines]({picture})",
        *_against_peers(results),
        *_first_calls(results),
        *_variants(results),
        *_bidirectional(results),
        *failures(results),
        "## Machine",
        bullets(results.machine),
    ]
    return "\n\n".join(parts) + "\n"


def table(columns: list[str], rows: list[list[str]], left: int = 1) -> str:
    """A Markdown table; columns after the first `left` are set to the right."""
    rule = ["---"] * left + ["---:"] * (len(columns) - left)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (columns, rule, *rows))


def number(value: float | None, digits: int = 2) -> str:
    if value is None or math.isnan(value):
        return ""
    return "failed" if math.isinf(value) else f"{value:.{digits}f}"


def bullets(facts: dict[str, str]) -> str:
    return "\n".join(f"* {name}: {value}" for name, value in facts.items())


def steadiness(results: Results) -> dict[str, str]:
    """How far rounds of the same work lie apart: what else the machine was doing."""
    spreads = [
        (max(times) / min(times), f"{name} in {result.suite}, {result.kind}, {_shape(result)}")
        for result in results.results
        for name, times in result.seconds.items()
    ]
    if not spreads:
        return {}
    worst, where = max(spreads)
    middle = statistics.median(spread for spread, _ in spreads)
    return {"slowest round ÷ fastest": f"median {middle:.2f}, worst {worst:.2f} ({where})"}


def _shape(result: Result) -> str:
    return ", ".join(map(str, result.shape))


def _milliseconds(result: Result, name: str) -> str:
    return number(1e3 * result.median(name), 1)


def goal_table(found: list[Verdict]) -> str:
    rows = [
        [
            v.kind,
            v.goal.text,
            f"{v.goal.limit:g}{' s' if v.goal.seconds else ''}",
            _measured(v),
            v.status if v.status != "not reached" else "**not reached**",
            v.over,
        ]
        for v in found
    ]
    return table(["layer", "what", "at most", "measured", "verdict", "over"], rows, left=2)


def _measured(verdict: Verdict) -> str:
    value, limit = verdict.value, verdict.goal.limit
    if value is None or math.isinf(value):
        return number(value)
    just_above = value > limit >= round(value, 2)
    return number(value, 3 if just_above else 2) + (" s" if verdict.goal.seconds else "")


def _against_peers(results: Results) -> list[str]:
    parts = []
    for suite, title in _COLUMNS.items():
        rows = []
        for result in results.of(suite):
            row = [result.kind, _shape(result), _milliseconds(result, "keras")]
            row += [_milliseconds(result, "ours"), number(result.ratio("ours", "keras"))]
            if "torch" in result.seconds | result.failed:
                row += [_milliseconds(result, "torch"), number(result.ratio("ours", "torch"))]
            rows.append(row + [""] * (7 - len(row)))
        if rows:
            columns = ["layer", "batch, T, D, U", "Keras", "ours", "÷ Keras", "torch", "÷ torch"]
            parts += [f"## {title}", table(columns, rows)]
    return parts


def _first_calls(results: Results) -> list[str]:
    rows = [
        [
            result.kind,
            _shape(result),
            number(result.median("keras")),
            number(result.median("ours")),
            number(result.difference("ours", "keras")),
        ]
        for result in results.of("first-call")
    ]
    if not rows:
        return []
    columns = ["layer", "batch, T, D, U", "Keras", "ours", "difference"]
    title = "## First call: seconds of the first step of `fit`, tracing and compiling included"
    return [title, table(columns, rows)]


def _variants(results: Results) -> list[str]:
    """One table a kind: a row for each option, a column for each shape."""
    parts = []
    for kind in dict.fromkeys(result.kind for result in results.of("variants")):
        measured = [result for result in results.of("variants") if result.kind == kind]
        names = [name for name in measured[0].seconds | measured[0].failed if name != "plain"]
        plain = ["plain, milliseconds", *(_milliseconds(result, "plain") for result in measured)]
        rows = [[name, *(number(r.ratio(name, "plain")) for r in measured)] for name in names]
        parts += [
            f"## {kind}: options, training step ÷ that of the plain layer",
            table(["option", *map(_shape, measured)], [plain, *rows]),
        ]
    return parts


def _bidirectional(results: Results) -> list[str]:
    rows = [
        [
            result.kind,
            _shape(result),
            _milliseconds(result, "one way"),
            _milliseconds(result, "both ways"),
            number(result.ratio("both ways", "one way")),
            _milliseconds(result, "keras both ways"),
            number(result.ratio("both ways", "keras both ways")),
        ]
        for result in results.of("bidirectional")
    ]
    if not rows:
        return []
    columns = ["layer", "batch, T, D, U", "one way", "both ways", "÷ one way"]
    columns += ["Keras both ways", "÷ Keras"]
    return ["## Bidirectional: milliseconds of a training step", table(columns, rows)]


def failures(results: Results) -> list[str]:
    lines = [
        f"* {result.suite}, {result.kind}, {_shape(result)}, {name}: {error}"
        for result in results.results
        for name, error in result.failed.items()
    ]
    return ["## Failed", "\n".join(lines)] if lines else []
