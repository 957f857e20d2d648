"""Scores as tables and as a picture."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from rich.table import Table

from .trials import Score

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = ("#8a8a8a", "#d8973c", "#2b6cb0")  # word vectors, untrained biLM, ELMo

Scores = Mapping[str, Score]  # by what the model reads; the first is the one to compare with


def table(title: str, first_column: str, rows: Mapping[str, Scores]) -> Table:
    """A row for each of `rows`; the last column is what its last score has more than its first."""
    made = Table(title=title, caption="percent right, mean ± standard deviation over seeds")
    made.add_column(first_column, no_wrap=True)
    readers = list(next(iter(rows.values())))
    for heading in (*readers, f"{readers[-1]} − {readers[0]}"):
        made.add_column(heading, justify="right")
    for name, scores in rows.items():
        gain = scores[readers[-1]].minus(scores[readers[0]])
        cells = [f"{scores[reader]}" for reader in readers]
        made.add_row(name, *cells, f"{100 * gain.mean:+.1f} ± {100 * gain.spread:.1f}")
    return made


def draw(comparisons: Mapping[str, Scores], curve: Mapping[int, Scores], path: Path) -> None:
    """Bars of the tasks, and accuracy against the number of labels, as a PNG."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    _draw_bars(left, comparisons)
    _draw_curve(right, curve)
    figure.savefig(path, dpi=150, facecolor="white")
    plt.close(figure)


def _draw_bars(axes: Axes, comparisons: Mapping[str, Scores]) -> None:
    readers = list(next(iter(comparisons.values())))
    width = 0.8 / len(readers)
    for place, (reader, colour) in enumerate(zip(readers, COLOURS, strict=True)):
        scores = [scores[reader] for scores in comparisons.values()]
        centres = [task + (place - (len(readers) - 1) / 2) * width for task in range(len(scores))]
        means, spreads = [100 * s.mean for s in scores], [100 * s.spread for s in scores]
        axes.bar(centres, means, width * 0.94, yerr=spreads, capsize=4, color=colour, label=reader)
        for centre, mean, spread in zip(centres, means, spreads, strict=True):
            axes.annotate(f"{mean:.1f}", (centre, mean + spread), (0, 3), **_ABOVE)
    axes.axhline(50, color="black", linewidth=0.8, linestyle=":")
    axes.set_xticks(range(len(comparisons)), list(comparisons))
    axes.set_ylim(40, None)
    axes.margins(y=0.15)
    axes.set_ylabel("test examples right, % (chance: 50)")
    axes.legend(loc="upper right", frameon=False)


_ABOVE = {"textcoords": "offset points", "ha": "center", "fontsize": 9}


def _draw_curve(axes: Axes, curve: Mapping[int, Scores]) -> None:
    counts = list(curve)
    for reader, colour in zip(curve[counts[0]], COLOURS, strict=True):
        scores = [curve[count][reader] for count in counts]
        means, spreads = [100 * s.mean for s in scores], [100 * s.spread for s in scores]
        axes.errorbar(counts, means, spreads, capsize=4, marker="o", color=colour, label=reader)
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.minorticks_off()
    axes.set_xlabel("labelled examples")
    axes.set_ylabel("supersenses right, %")
    axes.set_ylim(0, None)
    axes.legend(loc="upper left", frameon=False)
