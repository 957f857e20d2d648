"""The results of the ELMo benchmark as Markdown and as tables on the screen."""

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import elmo_weights as small
from benchmarks.elmo_goals import (
    BILM,
    COLD,
    EMBEDDING,
    GOALS,
    GROWTH,
    MEMORY,
    OURS,
    SIMPLE,
    TRAINING,
    ElmoResult,
)
from benchmarks.goals import Verdict, verdicts
from benchmarks.report import bullets, failures, number, steadiness, table
from benchmarks.results import Results

_SPEEDS = ("contestant", "tokens/s", "middle half", "ours ÷ this, time", "difference")
_GOALS = ("what", "of", "at most", "measured", "verdict")
_METHOD = f"""\
The published configuration "small": {small.LAYERS} layers a direction of {small.UNITS} cells that show
{small.WIDTH} numbers, {sum(n for _, n in small.FILTERS)} filters over the characters, a highway; random
weights in one file of the published layout, which all read. Every contestant runs in a process of its
own, on all cores, and sleeps while the others run. They take turns, round by round, in an order that
rotates. **A ratio is the median over the rounds of each round's ratio**, a speed that of the
median time, with the middle half of the rounds beside it.

Embedding is from lists of words to the mean of the layers as arrays. Sentences have 19 words, drawn by
the law of Zipf and Mandelbrot so that they repeat as in film reviews; every turn has new ones. The
vectors of all contestants are compared before, on a batch that starts without states.

* `{OURS}`: `kr.elmo.embed`. Words met again in the same turn are not encoded again.
* `{COLD}`: the same with `cache=0` and one batch read ahead: each batch by itself.
* `{SIMPLE}`: `ElmoModel.get_elmo_vectors` with one session for all. `{BILM}`: bilm-tf's graph, likewise.

A training step is forward, backward, sampled softmax ({small.SAMPLES:,} words) and Adagrad, batch
{small.ROWS}, {small.WINDOW} words, dropout {small.DROPOUT:g}, on batches that were made before: a step
of `LanguageModel.fit` beside one of bilm's `training.train`; a token counts once for both directions.

Memory is the largest resident set of the whole process, TensorFlow included, batch 32. simple-elmo
returns one array for all sentences; ours are read one by one."""


def markdown(results: Results) -> str:
    parts = [
        "# ELMo beside simple-elmo and bilm",
        bullets(results.run | steadiness(results)),
        _METHOD,
        "## Goals",
        table(list(_GOALS), goal_rows(results), left=2),
    ]
    for result in results.results:
        if result.suite in (EMBEDDING, TRAINING) and result.seconds:
            parts += [f"## {title(result)}", table(list(_SPEEDS), speed_rows(result))]
    grown = [r for r in results.results if r.suite == GROWTH]
    if grown:
        columns = ["contestant", *grown[0].seconds]
        parts += ["## Tokens a second by the number of tokens", table(columns, growth_rows(grown))]
    columns, rows = memory_rows(results)
    if rows:
        parts += ["## Peak memory, megabytes", table(columns, rows)]
    parts += [*failures(results), "## Machine", bullets(results.machine)]
    return "\n\n".join(parts) + "\n"


def show(results: Results, console: Console) -> None:
    for result in results.results:
        if result.suite in (EMBEDDING, TRAINING) and result.seconds:
            console.print(_rich(title(result), _SPEEDS, speed_rows(result)))
        for name, error in result.failed.items():
            console.print(f"{result.suite}, {name}: {error}", markup=False, highlight=False)
    grown = [r for r in results.results if r.suite == GROWTH]
    if grown:
        columns = ["contestant", *grown[0].seconds]
        console.print(_rich("Tokens a second", columns, growth_rows(grown)))
    columns, rows = memory_rows(results)
    if rows:
        console.print(_rich("Peak memory, megabytes", columns, rows))
    console.print(_rich("Goals", _GOALS, goal_rows(results)))


def _rich(title: str, columns, rows) -> Table:
    shown = Table(title=title, title_justify="left")
    for place, name in enumerate(columns):
        shown.add_column(name, justify="right" if place else "left")
    for row in rows:
        shown.add_row(*row)
    return shown


def title(result: ElmoResult) -> str:
    if result.suite == TRAINING:
        return f"Training, {result.kind}"
    share = f", {100 * result.unique:.0f} % different words" if result.unique else ""
    return f"Embedding, {result.kind} of {result.shape[1]} words{share}"


def speed_rows(result: ElmoResult) -> list[list[str]]:
    return [_speed_row(result, name) for name in result.seconds]


def _speed_row(result: ElmoResult, name: str) -> list[str]:
    slow, middle, fast = (1 / np.quantile(result.seconds[name], [0.75, 0.5, 0.25])).tolist()
    difference = result.differences.get(name)
    return [
        name,
        f"{middle:,.0f}",
        f"{slow:,.0f} - {fast:,.0f}",
        number(result.ratio(OURS, name)),
        "" if difference is None or name == OURS else f"{difference:.1e}",
    ]


def growth_rows(grown: list[ElmoResult]) -> list[list[str]]:
    return [
        [result.kind, *(f"{1 / result.median(size):,.0f}" for size in result.seconds)]
        for result in grown
    ]


def memory_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    known = [r for r in results.results if r.suite in (MEMORY, TRAINING) and r.megabytes]
    names = list(dict.fromkeys(name for result in known for name in result.megabytes))
    rows = []
    for result in known:
        what = "training" if result.suite == TRAINING else f"embedding {result.kind}"
        values = [result.megabytes.get(name) for name in names]
        rows.append([what, *("" if value is None else f"{value:,.0f}" for value in values)])
    return ["what", *names], rows


def goal_rows(results: Results) -> list[list[str]]:
    return [_goal_row(verdict) for verdict in verdicts(results, GOALS)]


def _goal_row(verdict: Verdict) -> list[str]:
    limit, value = verdict.goal.limit, verdict.value
    return [verdict.goal.text, verdict.kind, f"{limit:.3g}", number(value, 3), verdict.status]
