"""Pictures of where a decoder looked."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from examples.plots import Colours, draw_both


class Look(NamedTuple):
    """Source and output, and how much each part of the output (rows) looked at each of the source."""

    source: Sequence[str]
    output: Sequence[str]
    weights: np.ndarray


def draw_looks(looks: Sequence[Look], path: Path, title: str, size=(7, 4), turned=0) -> None:
    """Heat maps side by side; light and dark. `turned` is the angle of the source's labels."""

    def draw(figure: Figure, colours: Colours) -> None:
        places = figure.subplots(1, len(looks), squeeze=False)[0]
        for axes, look in zip(places, looks, strict=True):
            shown = axes.imshow(look.weights, cmap=colours.ramp, vmin=0, vmax=1, aspect="auto")
            align = {"ha": "right", "rotation_mode": "anchor"} if turned else {}
            axes.set_xticks(range(len(look.source)), look.source, rotation=turned, **align)
            axes.set_yticks(range(len(look.output)), look.output)
            axes.set_xlabel("read")
            axes.spines[:].set_visible(False)
            axes.tick_params(length=0)
        places[0].set_ylabel("said")
        figure.colorbar(shown, ax=places, label="weight of the attention")
        figure.suptitle(title)

    draw_both(draw, path, size)
