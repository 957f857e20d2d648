"""Names that a model makes up, as tables, and its scores by decade, as a picture."""

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from examples.datasets.baby_names import DECADES, SEXES, Names
from examples.generation.name_scores import Scores
from examples.generation.spelling import decode
from examples.plots import draw_both

LONGEST = 20  # steps; the longest name of the data has 15 letters
WORDS = {"F": "girls", "M": "boys"}
SHOWN = [(sex, DECADES.index(decade)) for decade in (1900, 1950, 2010) for sex in range(len(SEXES))]


def print_samples(decoder, title: str, known: set[str], seed: int, each: int = 8) -> None:
    """Some names for girls and boys of three decades; `decoder` is Keras's or one of exported files."""
    conditions = np.repeat(np.array(SHOWN, np.int32), each, axis=0)
    drawn = decode(decoder.sample(conditions, LONGEST, temperature=0.8, seed=seed).ids)
    table = Table(title=f"{title}; * was not in the training data")
    table.add_column("for", no_wrap=True)
    table.add_column("names")
    for place, (sex, decade) in enumerate(SHOWN):
        names = drawn[place * each : (place + 1) * each]
        marked = ", ".join(name if name in known else f"{name}*" for name in names)
        table.add_row(f"{WORDS[SEXES[sex]]}, {DECADES[decade]}s", marked)
    Console().print(table)


def greedy(decoder, conditions: np.ndarray) -> list[str]:
    """The name that is most likely letter by letter, for each condition."""
    return decode(decoder.greedy(conditions, LONGEST).ids)


def originality(decoder, data: dict[str, Names], number: int, seed: int) -> dict[str, float]:
    """Shares of names, sampled for all sexes and decades alike, that training had, or that are real."""
    every = np.argwhere(np.ones((len(SEXES), len(DECADES)))).astype(np.int32)
    conditions = every[np.arange(number) % len(every)]
    drawn = decode(decoder.sample(conditions, LONGEST, seed=seed).ids)
    known = set(data["train"].names)
    held_out = {name for part in ("validation", "test") for name in data[part].names}
    return {
        "are in the training data": float(np.mean([name in known for name in drawn])),
        "are real names it never saw": float(np.mean([name in held_out for name in drawn])),
    }


def print_scores(found: dict, names: int, few: int, fewer: int) -> None:
    """`found` as examples/names.py gathers it: scores, or numbers, by what they are of."""
    table = Table(title="Nats per character of names that training did not have")
    table.add_column("model")
    table.add_column(f"all {names:,}", justify="right")
    table.add_column(f"every {few}th", justify="right")
    table.add_column(f"every {fewer}th", justify="right")

    def add(what: str, *columns: str) -> None:
        said = (found.get(column, "") for column in columns)
        numbers = (getattr(value, "overall", value) for value in said)
        table.add_row(what, *(f"{n:.4f}" if isinstance(n, float) else "" for n in numbers))

    add("Kneser-Ney character 5-grams", "n-grams", "n-grams, few")
    add("LSTM, trained without sex and decade", "plain")
    add("LSTM, not told sex and decade", "", "not told")
    add("LSTM, told sex and decade", "told", "", "fewer")
    add("the same from the exported files", "", "", "fewer, files")
    Console().print(table)


def draw_scores(model: Scores, n_grams: Scores | None, path: Path) -> None:
    """Nats per character of the test names by sex and decade."""

    def draw(figure, colours):
        axes = figure.subplots()
        for sex, colour, marker in zip(range(len(SEXES)), colours.cycle, "os", strict=False):
            word = WORDS[SEXES[sex]]
            line = {"color": colour, "marker": marker, "markersize": 4}
            axes.plot(
                DECADES, model.by_condition[sex], label=f"{word}: LSTM, told sex and decade", **line
            )
            if n_grams is not None:
                line |= {"linestyle": "--", "alpha": 0.75}
                axes.plot(DECADES, n_grams.by_condition[sex], label=f"{word}: 5-grams", **line)
        axes.set_xlabel("decade of birth")
        axes.set_ylabel("nats per character, test names")
        axes.set_title("How well unseen names are predicted (lower is better)", fontsize=11)
        axes.grid(axis="y", color=colours.faint, linewidth=0.6)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.2 * (high - low))  # for the legend
        axes.legend(frameon=False, ncols=2, fontsize=9)

    draw_both(draw, path)
