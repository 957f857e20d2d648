"""Curve, picture and verdict of the training of a biLM."""

import math
import time
from pathlib import Path

import keras
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from rich.console import Console
from rich.table import Table

EACH = 50  # batches of a point of the training's curve
COLOURS = {"forward": "tab:blue", "backward": "tab:orange"}
EXPORT_GOAL = 1e-4


class Curve(keras.callbacks.Callback):
    """Keeps the perplexities of a training: of stretches of 50 batches, and of the validation.

    What Keras logs is the mean since the begin of the epoch: stretches are differences of its sums.
    """

    def __init__(self):
        super().__init__()
        self.training: list[tuple[float, float]] = []
        self.validation: list[dict[str, float]] = []
        self.seconds = 0.0

    def on_train_begin(self, logs=None):
        self._start = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._batches, self._sum = epoch, 0, 0.0

    def on_train_batch_end(self, batch, logs=None):
        count = batch + 1
        if count - self._batches < EACH:
            return
        total = count * math.log(logs["sampled_perplexity"])
        mean = (total - self._sum) / (count - self._batches)
        self.training.append((self._epoch + count / self.params["steps"], math.exp(mean)))
        self._batches, self._sum = count, total

    def on_epoch_end(self, epoch, logs=None):
        self.validation.append({side: logs[f"val_{side}_perplexity"] for side in COLOURS})
        self.seconds = time.perf_counter() - self._start


def draw(curve: Curve, n_grams: dict | None, path: Path) -> None:
    """Perplexity over epochs as a PNG: training, validation, and the 5-gram model's as lines."""
    figure, axes = plt.subplots(figsize=(7, 4.4), layout="constrained", facecolor="white")
    if curve.training:
        axes.plot(
            *zip(*curve.training, strict=True),
            color="0.6",
            lw=1,
            label="training, sampled: not comparable",
        )
    epochs = range(1, len(curve.validation) + 1)
    for side, colour in COLOURS.items():
        values = [point[side] for point in curve.validation]
        axes.plot(epochs, values, "o-", color=colour, label=f"validation, {side}")
        if n_grams is not None:
            label = f"5-gram Kneser-Ney, {side}"
            style = "--" if side == "forward" else ":"
            axes.axhline(n_grams[side]["validation"], ls=style, color=colour, label=label)
    axes.set(yscale="log", xlabel="epochs", ylabel="perplexity", title="biLM of English text")
    ticks = (50, 100, 150, 200, 300, 500, 1000, 2000)
    axes.set_yticks(ticks, map(str, ticks), minor=False)
    axes.tick_params(axis="y", which="minor", labelleft=False)
    axes.set_xticks(range(len(curve.validation) + 1))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def verdict(
    measured: dict[str, float], n_grams: dict | None, difference: float, judged: bool
) -> int:
    """Print goals beside what was measured on the test text; 1 if a goal is missed, else 0."""
    table = Table(title="Goals" if judged else "Goals, not judged in a quick run")
    for name in ("what", "goal", "measured", ""):
        table.add_column(name, justify="right" if name in ("goal", "measured") else "left")
    rows = []
    for side, value in measured.items():
        goal = None if n_grams is None else n_grams[side]["test"]
        rows.append((f"perplexity, {side}; goal: 5-gram Kneser-Ney", goal, value, ".1f"))
    rows.append(("TFLite from Keras on a sentence", EXPORT_GOAL, difference, ".1e"))
    missed = False
    for what, goal, value, form in rows:
        reached = goal is None or value <= goal
        missed |= not reached
        shown = "-" if goal is None else f"<= {goal:{form}}"
        said = "-" if goal is None else "reached" if reached else "MISSED"
        table.add_row(what, shown, f"{value:{form}}", said)
    Console(width=110).print(table)
    return int(missed and judged)
