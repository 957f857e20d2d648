"""Scores of the chorale models as a table, and the course of the training as a picture."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from examples.plots import draw_both


def print_scores(found: dict, chorales: int, few: int, published: str) -> None:
    """`found` as examples/music.py gathers it: scores by what they are of."""
    table = Table(title="Nats per frame of chorales on other tunes than training had")
    table.add_column("model")
    table.add_column(f"all {chorales}", justify="right")
    table.add_column(f"{few} of them", justify="right")
    if found["n-grams"] is not None:
        order, _, score = found["n-grams"]
        table.add_row(f"voices, Kneser-Ney {order}-grams", f"{score:.3f}", "")
    table.add_row("voices, LSTM", f"{found['voices']:.3f}", f"{found['few']:.3f}")
    table.add_row("voices, the exported files", "", f"{found['few, files']:.3f}")
    table.add_row("piano rolls of quarters, LSTM", f"{found['rolls']:.3f}", "")
    table.caption = f"Piano rolls, published: {published}"
    Console().print(table)


def draw_course(course: Sequence[float], baseline: tuple[str, float] | None, path: Path) -> None:
    """Nats per frame on the validation part after each epoch, beside a baseline."""

    def draw(figure, colours):
        axes = figure.subplots()
        epochs = range(1, len(course) + 1)
        axes.plot(epochs, course, color=colours.cycle[0], marker="o", markersize=3, label="LSTM")
        if baseline is not None:
            label, score = baseline
            axes.axhline(score, color=colours.cycle[1], linestyle="--", label=label)
        axes.set_xlabel("epoch")
        axes.set_ylabel("nats per frame, four voices")
        axes.set_title("Unseen chorales, while training goes on (lower is better)", fontsize=11)
        axes.grid(axis="y", color=colours.faint, linewidth=0.6)
        axes.legend(frameon=False)

    draw_both(draw, path)
