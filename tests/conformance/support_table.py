"""The table of what exports of which cell run where, in full and for the README."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from conformance.exported import STEPS, WIDTH, Outcome

from keras_recurrent.export import forms

LETTERS = {"Interpreter": "I", "CompiledModel": "C", "TFLM": "M", "LiteRT.js": "W"}
BEGIN, END = "<!-- support table: begin -->", "<!-- support table: end -->"

_NAMES = {None: "float32"}
FAMILIES: dict[str, Callable[[str], bool]] = {
    "LSTM": lambda name: name == "lstm-plain",
    "normed": lambda name: "layer_norm" in name or name == "lstm-everything",
    "wrappers": lambda name: name.startswith(("zoneout-", "weight_drop-", "residual-")),
    "LSTM, options": lambda name: name.startswith("lstm-"),
    "GRU": lambda name: name.startswith("gru-"),
    "simple": lambda name: True,
}
_COLUMNS = ("LSTM", "LSTM, options", "GRU", "simple", "normed", "wrappers")

_LEGEND = (
    "Numbers: the largest difference from Keras, relative to max(1, largest output), over the cells of",
    "a column and the runtimes of a row: I Interpreter, C CompiledModel, M TFLM, W LiteRT.js. *Simple*",
    "are SimpleRNN, IndRNN and MinimalGRU; *normed* cells normalise their gates; *wrappers* are",
    "Zoneout, WeightDrop and Residual. Numbers in brackets say why cells of a column have no such file.",
    "(u): some are refused, as Keras itself is off by as much with weights rounded to 8 bits.",
    "**fails**: one with all options at once is off by more than is allowed; `tolerance` allows more.",
    "Every single cell: [export/SUPPORT.md](export/SUPPORT.md).",
)


class Reasons:
    """Why runtimes refused, numbered in the order in which they are met."""

    def __init__(self, worded: Callable[[str], str]):
        self._worded = worded
        self._numbers: dict[str, int] = {}

    def mark(self, reasons: Iterable[str]) -> str:
        told = (self._worded(reason) for reason in reasons)
        numbers = {self._numbers.setdefault(text, len(self._numbers) + 1) for text in told}
        return f"[{','.join(map(str, sorted(numbers)))}]" if numbers else ""

    def lines(self) -> list[str]:
        return [f"{number}. {text}" for text, number in self._numbers.items()]


def shortened(reason: str) -> str:
    """A reason on one line, without what differs from model to model."""
    # Keras wraps errors of a layer's call, in colours.
    text = re.sub(r"\x1b\[\d+m|^Exception encountered when calling [^\n]*", "", reason)
    text = re.sub(r"\s*(Received: |Arguments received by ).*", "", text, flags=re.DOTALL)
    text = re.sub(r" \(in '[^)]*'\)", "", text)
    return " ".join(text.split())


def general(reason: str) -> str:
    """A shortened reason that stands for all cells of its kind."""
    only = r"serves an LSTM without options only. \1"
    return re.sub(r"cannot serve this layer: .*?\. (Use )", only, shortened(reason))


def full(outcomes: list[Outcome]) -> str:
    """Markdown: a table for each form, rows are cells, columns quantisations; reasons beneath."""
    reasons = Reasons(shortened)
    cells = list(dict.fromkeys(o.cell for o in outcomes))
    lines = ["# What exports run where", "", *_introduction(outcomes)]
    for form in forms.FORMS:
        of_form = {(o.cell, o.quantize): o for o in outcomes if o.form == form}
        if not of_form:
            continue
        header = ["cell", *(_named(q) for q in forms.QUANTIZATIONS)]
        rows = [
            [cell, *(_entry(of_form.get((cell, q)), reasons) for q in forms.QUANTIZATIONS)]
            for cell in cells
        ]
        lines += ["", f"## {form}", "", *_table(header, rows)]
    lines += ["", "## Reasons", "", *reasons.lines()]
    return "\n".join(lines) + "\n"


def condensed(outcomes: list[Outcome]) -> str:
    """Markdown for the README: rows are forms and quantisations, columns families of cells."""
    reasons = Reasons(general)
    rows = []
    for form in forms.FORMS:
        for quantize in forms.QUANTIZATIONS:
            here = [o for o in outcomes if (o.form, o.quantize) == (form, quantize)]
            if here:
                rows.append([f"{form}, {_named(quantize)}", *_row(here, reasons)])
    table = _table(["form", "runs in", *_COLUMNS], rows)
    return "\n".join([*table, "", *_LEGEND, "", *reasons.lines()]) + "\n"


def _row(outcomes: list[Outcome], reasons: Reasons) -> list[str]:
    """Runtimes, with the reasons of the others, and the worst of each family."""
    letters = _letters({name for o in outcomes for name in o.ran})
    telling = [o for o in outcomes if o.ran] or [o for o in outcomes if family(o.cell) == "LSTM"]
    others = {
        reason
        for o in telling
        for name, reason in o.refused.items()
        if LETTERS[name] not in letters
    }
    by_family = {name: [o for o in outcomes if family(o.cell) == name] for name in _COLUMNS}
    made = any(o.ran or o.failed or o.unstable for o in outcomes)
    entries = [_worst(o, reasons) if made else "-" for o in by_family.values()]
    return [f"{letters or '-'} {reasons.mark(sorted(others))}".strip(), *entries]


def family(cell: str) -> str:
    """The column of a cell in the README."""
    return next(name for name, holds in FAMILIES.items() if holds(cell))


def with_table(text: str, table: str) -> str | None:
    """The README with the table between its markers, None if it has none."""
    if BEGIN not in text or END not in text:
        return None
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{table}{END}{rest.split(END, 1)[1]}"


def replace_file(path: Path, text: str) -> None:
    """Write under another name first: nobody finds half a file."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _introduction(outcomes: list[Outcome]) -> list[str]:
    seen = {name for o in outcomes for name in o.ran}
    absent = [name for name in LETTERS if name not in seen]
    told = ", ".join(f"{letter} {name}" for name, letter in LETTERS.items() if name in seen)
    lines = [
        "Written by `make support`. Every cell of the registry, two layers side by side of which one "
        f"gives all outputs and the other its last: {WIDTH} units and inputs, {min(STEPS.values())} to "
        f"{max(STEPS.values())} time steps, "
        "weights as drawn, biases, peepholes and gains moved by 0.3.",
        "",
        "A number is the largest difference from Keras, relative to max(1, largest output), over the "
        f"runtimes whose letters follow: {told}. Integers are compared on the samples that calibrated "
        "them, all else also on inputs ten times as large. Numbers in brackets are the reasons of "
        "those that refuse. *Unstable*: refused, since the Keras model itself is off by more than the "
        "tolerance once its weights are rounded to 8 bits, as layer normalisation amplifies over time; "
        'use "float16", or look at the task\'s accuracy and give `tolerance`.',
    ]
    if absent:
        lines += ["", f"Not there to try: {', '.join(absent)}."]
    return lines


def _entry(outcome: Outcome | None, reasons: Reasons) -> str:
    if outcome is None:
        return ""
    parts = []
    if outcome.ran:
        parts += [_number(max(outcome.ran.values())), _letters(outcome.ran)]
    if outcome.unstable:
        parts.append("unstable")
    if outcome.failed:
        parts.append("**fails**")
    return " ".join([*parts, reasons.mark(outcome.refused.values())]).strip()


def _worst(outcomes: list[Outcome], reasons: Reasons) -> str:
    """Of a family; with a reason only where a cell runs nowhere."""
    ran = [max(o.ran.values()) for o in outcomes if o.ran]
    parts = [_number(max(ran))] if ran else []
    if any(o.unstable for o in outcomes):
        parts.append("(u)")
    if any(o.failed for o in outcomes):
        parts.append("**fails**")
    nowhere = [o for o in outcomes if o.refused and not (o.ran or o.failed or o.unstable)]
    told = {o.refused.get("Interpreter", next(iter(o.refused.values()))) for o in nowhere}
    mark = reasons.mark(sorted(told))
    return " ".join(filter(None, [*parts, mark])) or "-"


def _letters(names: Iterable[str]) -> str:
    return "".join(letter for name, letter in LETTERS.items() if name in names)


def _number(value: float) -> str:
    return "0" if value == 0 else re.sub("e-0", "e-", f"{value:.0e}")


def _named(quantize: str | None) -> str:
    return _NAMES.get(quantize, str(quantize))


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells):
        return f"| {' | '.join(c.ljust(w) for c, w in zip(cells, widths, strict=True))} |"

    return [line(header), line(["-" * width for width in widths]), *map(line, rows)]
