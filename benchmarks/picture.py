"""The results as bars of ratios, with a line at 1 and one at each goal."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patheffects import Normal, Stroke

from benchmarks import goals
from benchmarks.results import Result, Results

# The picture brings its own light ground, so that it reads the same on light and dark pages.
_GROUND, _INK, _FAINT = "#fafaf7", "#222222", "#c9c9c2"
_GOAL = "#b3261e"
_COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#0072b2", "#d55e00")  # Okabe and Ito
_STYLE = {
    "figure.facecolor": _GROUND,
    "axes.facecolor": _GROUND,
    "savefig.facecolor": _GROUND,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
}


@dataclass
class _Panel:
    """Groups of bars along the x axis, one bar of a group for each series."""

    title: str
    label: str
    limits: tuple[float, ...]
    groups: list[str]
    series: dict[str, list[float]]
    unit_line: bool = True
    wide: bool = False


def draw(results: Results, path: Path) -> None:
    panels = _panels(results)
    rows = _rows(panels)
    with plt.rc_context(_STYLE):
        figure = plt.figure(figsize=(13, 3.2 * max(1, len(rows))), layout="constrained")
        grid = figure.add_gridspec(max(1, len(rows)), 2)
        for line, row in enumerate(rows):
            for column, panel in enumerate(row):
                place = grid[line, :] if panel.wide else grid[line, column]
                _draw_panel(figure.add_subplot(place), panel)
        if not rows:
            figure.text(0.5, 0.5, "nothing measured", ha="center")
        figure.savefig(path, dpi=100)
        plt.close(figure)


def _rows(panels: list[_Panel]) -> list[list[_Panel]]:
    """Narrow panels in pairs, a wide one in a row of its own."""
    narrow = [panel for panel in panels if not panel.wide]
    pairs = [narrow[at : at + 2] for at in range(0, len(narrow), 2)]
    return pairs + [[panel] for panel in panels if panel.wide]


def _panels(results: Results) -> list[_Panel]:
    def peer(base: str) -> Callable[[Result], float]:
        return lambda result: result.ratio("ours", base)

    def both(result: Result) -> float:
        return result.ratio("both ways", "one way")

    def later(result: Result) -> float:
        return result.difference("ours", "keras")

    keras_goals = (goals.MEAN_OF_KERAS, goals.WORST_OF_KERAS)
    found = [
        _by_kind(
            results.of("training"), peer("keras"), "Training step", "ours ÷ Keras", keras_goals
        ),
        _by_kind(
            results.of("training", "torch"),
            peer("torch"),
            "Training step",
            "ours ÷ torch",
            (goals.OF_TORCH,),
        ),
        _by_kind(
            results.of("predict"),
            peer("keras"),
            "Predict",
            "ours ÷ Keras",
            (goals.PREDICT_OF_KERAS,),
        ),
        _by_kind(
            results.of("bidirectional"),
            both,
            "Bidirectional training step",
            "both ÷ one direction",
            (goals.BOTH_WAYS_OF_ONE,),
        ),
        _by_kind(
            results.of("first-call"),
            later,
            "First call",
            "ours − Keras, seconds",
            (goals.FIRST_CALL_SECONDS,),
            unit_line=False,
        ),
        *_by_option(results),
    ]
    return [panel for panel in found if panel.groups]


def _by_kind(results: list[Result], value, title, label, limits, unit_line=True) -> _Panel:
    shapes = list(dict.fromkeys(result.shape for result in results))
    kinds = list(dict.fromkeys(result.kind for result in results))
    values = {(result.kind, result.shape): value(result) for result in results}
    series = {kind: [values.get((kind, shape), np.nan) for shape in shapes] for kind in kinds}
    return _Panel(title, label, limits, [_name(shape) for shape in shapes], series, unit_line)


def _by_option(results: Results) -> list[_Panel]:
    panels = []
    for kind in dict.fromkeys(result.kind for result in results.of("variants")):
        measured = [result for result in results.of("variants") if result.kind == kind]
        names = [name for name in measured[0].seconds | measured[0].failed if name != "plain"]
        series = {_name(r.shape): [r.ratio(name, "plain") for name in names] for r in measured}
        limits = (goals.OPTION_OF_PLAIN,) if kind == "LSTM" else ()
        groups = [name.replace(" ", "\n") for name in names]
        panels.append(
            _Panel(
                f"{kind}: options, training step",
                "option ÷ plain",
                limits,
                groups,
                series,
                wide=True,
            )
        )
    return panels


def _name(shape: tuple) -> str:
    return ", ".join(map(str, shape))


def _draw_panel(axes: Axes, panel: _Panel) -> None:
    width = 0.8 / len(panel.series)
    values = np.array(list(panel.series.values()))
    finite = values[np.isfinite(values)]
    top = 1.18 * max([*finite, *panel.limits, 1.0 if panel.unit_line else 0.0])
    axes.set_ylim(min([0.0, *1.3 * finite]), top)
    places = np.arange(len(panel.groups))
    for index, (name, heights) in enumerate(panel.series.items()):
        at = places + (index - (len(panel.series) - 1) / 2) * width
        drawn = np.where(np.isfinite(heights), heights, 0)
        colour = _COLOURS[index % len(_COLOURS)]
        axes.bar(at, drawn, 0.92 * width, color=colour, label=name, zorder=2)
        for x, height, mark in zip(at, drawn, heights, strict=True):
            if not np.isnan(mark):
                text = "failed" if np.isinf(mark) else f"{mark:.2f}"
                note = axes.text(x, max(height, 0), text, ha="center", va="bottom", fontsize=7)
                note.set(zorder=4, path_effects=[Stroke(linewidth=2, foreground=_GROUND), Normal()])
    right = len(panel.groups) - 0.5
    axes.set_xlim(-0.6, right)
    if panel.unit_line:
        axes.axhline(1.0, color=_INK, linewidth=1, zorder=3)
    for limit in panel.limits:
        axes.axhline(limit, color=_GOAL, linewidth=1.2, linestyle="--", zorder=3)
        axes.text(right, limit, f" goal {limit:g}", color=_GOAL, va="center", fontsize=8)
    axes.axhline(0, color=_INK, linewidth=0.8)
    axes.grid(axis="y", color=_FAINT, linewidth=0.6, zorder=0)
    axes.set_xticks(places, panel.groups, fontsize=9 if panel.wide else 8)
    if not panel.wide:
        axes.set_xlabel("batch, time steps, features, units")
    axes.set_ylabel(f"{panel.label}\n(lower is better)")
    axes.set_title(panel.title, loc="left", fontweight="bold")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=4, frameon=False, fontsize=8)
