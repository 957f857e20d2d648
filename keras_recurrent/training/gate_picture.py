"""Gates and states as heat maps, units by time, beside what was read."""

import numbers
from collections.abc import Mapping, Sequence

import numpy as np

from keras_recurrent.training.figures import around_zero, new_figure

TITLES = {
    "update": "$\\Gamma_u$ update",
    "relevance": "$\\Gamma_r$ relevance",
    "forget": "$\\Gamma_f$ forget",
    "output": "$\\Gamma_o$ output",
    "candidate": "$\\tilde{c}$ candidate",
    "c": "$c$ cell",
    "h": "$h$ hidden state",
}
STEP_WIDTH, LARGEST_WIDTH, PANEL_HEIGHT = 0.28, 14.0, 1.35  # inches
MOST_TOKENS = 80  # more would lie on each other


def draw(
    layers: Mapping,
    row: int,
    tokens: Sequence[str] | None,
    layer: str | Sequence[str] | None,
    gates: Sequence[str] | None,
):
    """A column a layer, a panel a gate or state; see `GateActivations.plot`."""
    chosen = {name: layers[name] for name in _chosen(layer, layers, "layer")}
    panels = _panels(chosen.values(), gates)
    chosen = {name: seen for name, seen in chosen.items() if _there(seen).keys() & set(panels)}
    for seen in chosen.values():
        _check_row(row, len(seen.mask))
    steps = max(seen.mask.shape[1] for seen in chosen.values())
    width = min(max(4.5, STEP_WIDTH * steps + 1.6), LARGEST_WIDTH)
    figure = new_figure(width * len(chosen), PANEL_HEIGHT * len(panels) + 0.8)
    axes = figure.subplots(len(panels), len(chosen), squeeze=False, sharex="col")
    for column, (name, seen) in zip(axes.T, chosen.items(), strict=True):
        column[0].set_title(name)
        there = _there(seen)
        for axis, panel in zip(column, panels, strict=True):
            if panel in there:
                is_gate = panel in seen.gates and panel != "candidate"
                _draw_panel(figure, axis, there[panel][row], seen.mask[row], panel, is_gate)
                lowest = axis
            else:
                axis.set_axis_off()  # of another layer
        _label_steps(lowest, tokens, seen.mask[row])
    return figure


def _there(seen) -> dict[str, np.ndarray]:
    return {**seen.states, **seen.gates}


def _chosen(given, known: Mapping, what: str) -> list[str]:
    if given is None:
        return list(known)
    names = [given] if isinstance(given, str) else list(given)
    if not names or not set(names) <= set(known):
        raise ValueError(f"`{what}` must name some of {list(known)}. Received: {what}={given!r}")
    return names


def _panels(layers, gates: Sequence[str] | None) -> list[str]:
    there = {name: None for seen in layers for name in _there(seen)}
    usual = [name for name in TITLES if name in there]
    return _chosen(gates, dict.fromkeys([*usual, *there]), "gates")


def _check_row(row: int, batch: int) -> None:
    if not isinstance(row, numbers.Integral) or not -batch <= row < batch:
        raise ValueError(f"`row` must be one of the {batch} sequences. Received: row={row!r}")


def _draw_panel(figure, axis, values, valid, name: str, is_gate: bool) -> None:
    """Units upwards from 0; what is masked stays empty and hatched."""
    values = np.where(valid[:, np.newaxis], values.reshape(len(values), -1), np.nan)
    axis.patch.set(hatch="////", edgecolor=axis.xaxis.label.get_color(), alpha=0.35, linewidth=0)
    options = {"vmin": 0, "vmax": 1}
    if not is_gate:
        largest = np.nanmax(np.abs(values), initial=0) or 1
        options = {"vmin": -largest, "vmax": largest, "cmap": around_zero()}
    image = axis.imshow(
        values.T,
        extent=(0.5, len(values) + 0.5, -0.5, values.shape[1] - 0.5),
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        **options,
    )
    axis.set_ylabel("unit")
    axis.yaxis.get_major_locator().set_params(integer=True)
    bar = figure.colorbar(image, ax=axis, pad=0.01, aspect=12)
    bar.set_label(TITLES.get(name, name))


def _label_steps(axis, tokens: Sequence[str] | None, valid: np.ndarray) -> None:
    axis.tick_params(axis="x", labelbottom=True)
    if tokens is None:
        axis.set_xlabel("time step $t$")
        axis.xaxis.get_major_locator().set_params(integer=True)
        return
    places = np.arange(len(valid)) + 1
    if len(tokens) != len(valid):
        places = np.flatnonzero(valid) + 1
    if len(tokens) != len(places):
        raise ValueError(
            f"`tokens` must name each of the {len(valid)} time steps, or each of the "
            f"{int(valid.sum())} that are not masked. Received: {len(tokens)} tokens"
        )
    every = -(-len(places) // MOST_TOKENS)
    axis.set_xlabel("read at each step")
    axis.set_xticks(places[::every], list(tokens)[::every], rotation=60, ha="right")
    axis.tick_params(axis="x", labelsize="small")
    for label in axis.get_xticklabels():
        label.set_rotation_mode("anchor")
