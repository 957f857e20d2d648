"""What is measured: suites of races, each between contestants that do comparable work."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Shape = tuple[int, int, int, int]  # batch, time steps, features, units

SUITES = ("training", "predict", "variants", "bidirectional", "first-call")
KINDS = ("SimpleRNN", "GRU", "LSTM")
SMALL: Shape = (32, 50, 64, 64)
SHAPES: tuple[Shape, ...] = (SMALL, (64, 100, 128, 256), (128, 20, 512, 512), (16, 400, 64, 128))
MASKED = "masked input"
_RATE = 0.2


@dataclass(frozen=True)
class Contestant:
    """One model: a recurrent layer and a Dense(1) on its last output, in some library."""

    library: str  # "keras", "ours" or "torch"
    kind: str
    arguments: Mapping = field(default_factory=dict)
    bidirectional: bool = False
    masked: bool = False


@dataclass(frozen=True)
class Race:
    """Contestants that take turns; the first one is what the others are compared with."""

    suite: str
    kind: str
    shape: Shape
    contestants: Mapping[str, Contestant]


def options_of_kind(kind: str, units: int) -> dict[str, dict]:
    """The options beyond the plain layer that are timed, each alone."""
    if kind == "GRU":
        return {"normalization": {"normalization": "layer"}}
    if kind != "LSTM":
        return {}
    return {
        "projection": {"projection_units": units // 2},
        "peephole": {"peephole": True},
        "relevance gate": {"relevance_gate": True},
        "coupled gates": {"coupled_gates": True},
        "normalization": {"normalization": "layer"},
        "cell clip": {"cell_clip": 3.0},
        "dropout": {"dropout": _RATE},
        "recurrent dropout": {"recurrent_dropout": _RATE},
        "zoneout": {"zoneout": _RATE},
        "weight dropout": {"weight_dropout": _RATE},
    }


def races(
    suites: Iterable[str], kinds: Iterable[str], shapes: Iterable[Shape], torch: bool
) -> list[Race]:
    found = []
    for suite in suites:
        for kind in kinds:
            for shape in shapes:
                contestants = _contestants(suite, kind, shape, torch)
                if len(contestants) > 1:
                    found.append(Race(suite, kind, shape, contestants))
    return found


def _contestants(suite: str, kind: str, shape: Shape, torch: bool) -> dict[str, Contestant]:
    if suite == "variants":
        options = options_of_kind(kind, units=shape[3])
        group = {"plain": Contestant("ours", kind)}
        group |= {name: Contestant("ours", kind, values) for name, values in options.items()}
        if options:
            group[MASKED] = Contestant("ours", kind, masked=True)
        return group
    if suite == "bidirectional":
        return {
            "one way": Contestant("ours", kind),
            "both ways": Contestant("ours", kind, bidirectional=True),
            "keras both ways": Contestant("keras", kind, bidirectional=True),
        }
    group = {"keras": Contestant("keras", kind), "ours": Contestant("ours", kind)}
    if torch and suite in ("training", "predict"):
        group["torch"] = Contestant("torch", kind)
    return group
