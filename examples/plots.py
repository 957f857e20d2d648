"""Pictures in two styles, for pages with a light and with a dark background."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure


class Colours(NamedTuple):
    """The colours of a style.

    Attributes:
        background: Of the whole picture.
        ink: Text and axes.
        faint: Grid lines and what should stand back.
        cycle: Lines and bars, the first one being the one that the picture is about.
        ramp: Name of matplotlib's colour map for values from few to many.
        diverging: Name of the one for values on both sides of zero.
    """

    background: str
    ink: str
    faint: str
    cycle: tuple[str, ...]
    ramp: str
    diverging: str


# Hues in one order in both styles; told apart by people with red-green blindness too.
LIGHT = Colours(
    background="#ffffff",
    ink="#1f2328",
    faint="#d4d9df",
    cycle=("#0b66c3", "#c2500a", "#178055", "#8a3ab9", "#8a6d00", "#5c6570"),
    ramp="Blues",
    diverging="RdBu_r",
)
DARK = Colours(
    background="#0d1117",
    ink="#e6edf3",
    faint="#39414b",
    cycle=("#5aa9ff", "#ff9a57", "#4fd1a1", "#cf9bf2", "#e3c341", "#a3adb8"),
    ramp="cividis",
    diverging="RdBu_r",
)


def draw_both(
    draw: Callable[[Figure, Colours], None], path: Path, size: tuple[float, float] = (7, 4)
) -> tuple[Path, Path]:
    """Write a picture as `NAME.png` and `NAME-dark.png`.

    Args:
        draw: Called once a style with an empty figure and the style's colours.
        path: Where to, ending in .png.
        size: Inches; a picture has 130 pixels an inch.

    Returns:
        The two paths.
    """
    path = Path(path)
    paths = path, path.with_name(f"{path.stem}-dark.png")
    for colours, where in zip((LIGHT, DARK), paths, strict=True):
        with style(colours):
            figure = plt.figure(figsize=size, layout="constrained")
            draw(figure, colours)
            temporary = where.with_name(f".{where.name}.part")
            figure.savefig(temporary, dpi=130, format="png")
            plt.close(figure)
        temporary.replace(where)
    return paths


@contextmanager
def style(colours: Colours) -> Iterator[None]:
    """Figures that are made inside have these colours."""
    with plt.rc_context(_settings(colours)):
        yield


def _settings(colours: Colours) -> dict:
    inked = ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")
    filled = ("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor")
    faint = ("axes.edgecolor", "grid.color", "legend.edgecolor")
    return {
        **dict.fromkeys(inked, colours.ink),
        **dict.fromkeys(filled, colours.background),
        **dict.fromkeys(faint, colours.faint),
        "axes.prop_cycle": plt.cycler(color=colours.cycle),
        "axes.grid": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "image.cmap": colours.ramp,
        "font.size": 10,
    }
