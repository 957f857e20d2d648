"""One registry of cells: each with its independent NumPy truth. A public cell stands in here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from oracle import cells as oracle

import keras_recurrent as kr
from keras_recurrent.cells import cudnn_rules

UNITS = 4
FEATURES = 3

# Names that differ between the package's variables and the oracle's weights.
_ORACLE_NAMES = {"peephole_kernel": "peephole"}


@dataclass(frozen=True, eq=False)
class CellCase:
    """A cell under test.

    Attributes:
        name: What the test is called.
        make: Builds the cell; takes its units and Keras's layer arguments.
        step: The oracle's formula.
        options: The oracle's options, in inference.
        features: Width of the input.
    """

    name: str
    make: Callable[..., Any]
    step: Callable
    options: dict = field(default_factory=dict)
    features: int = FEATURES

    def __str__(self) -> str:
        return self.name

    @property
    def random(self) -> bool:
        """Whether training draws anything."""
        cell = self.make()
        cell.build((None, self.features))
        return cell.draw(1, 1, training=True) is not None


def oracle_weights(cell) -> dict[str, np.ndarray]:
    """The cell's variables by the oracle's names."""
    weights = cell.read_weights()._asdict()
    return {_ORACLE_NAMES.get(n, n): np.asarray(w, np.float64) for n, w in weights.items()}


def variables(cell) -> dict[str, Any]:
    """The cell's trainable variables by the oracle's names."""
    while hasattr(cell, "cell"):
        cell = cell.cell
    return {_ORACLE_NAMES.get(v.name, v.name): v for v in cell.trainable_variables}


def oracle_noise(cell, noise, timesteps: int) -> tuple[dict, list[dict]]:
    """A drawn noise as the oracle's options: those of all steps, and those of each."""
    if noise is None:
        return {}, [{} for _ in range(timesteps)]
    if hasattr(cell, "cell"):
        fixed, steps = oracle_noise(cell.cell, kr.cells.wrapper.inner(noise), timesteps)
        if noise.weights.own is not None:
            fixed = {**fixed, "weight_mask": np.asarray(noise.weights.own, np.float64)}
        return fixed, _zoned(steps, noise.steps.own)
    masks = zip(
        ("input_mask", "recurrent_mask", "weight_mask"),
        [*(noise.fixed or (None, None)), noise.weights],
        strict=True,
    )
    fixed = {name: np.asarray(m, np.float64) for name, m in masks if m is not None}
    return fixed, _zoned([{} for _ in range(timesteps)], noise.steps)


def _zoned(steps, masks):
    if masks is None:
        return steps
    by_name = {n: np.asarray(m, np.float64) for n, m in masks._asdict().items() if m is not None}
    return [
        {**step, "zoneout": {name: m[t] for name, m in by_name.items()}} if by_name else step
        for t, step in enumerate(steps)
    ]


def _residual(step):
    def with_input(x, states, weights, options):
        output, states = step(x, states, weights, options)
        return output + x, states

    return with_input


def _case(name, cell_class, step, oracle_options=None, **cell_options):
    def make(units=UNITS, **kwargs):
        return cell_class(units, **cell_options, **kwargs)

    return CellCase(name, make, step, oracle_options or {})


def _lstm(name, oracle_options=None, **cell_options):
    return _case(f"lstm-{name}", kr.LSTMCell, oracle.lstm, oracle_options, **cell_options)


def _gru(name, oracle_options=None, **cell_options):
    return _case(f"gru-{name}", kr.GRUCell, oracle.gru, oracle_options, **cell_options)


_LAYER = {"normalization": "layer"}
_RATES = {"dropout": 0.3, "recurrent_dropout": 0.4}
_ALL_LSTM = {
    "peephole": True,
    "relevance_gate": True,
    "coupled_gates": True,
    "normalization": "layer",
    "projection_units": 2,
    "cell_clip": 0.4,
    "projection_clip": 0.2,
}
_ALL_LSTM_ORACLE = {
    "relevance_gate": True,
    "coupled_gates": True,
    "normalization": "layer",
    "cell_clip": 0.4,
    "projection_clip": 0.2,
}

CASES = [
    _case("simple_rnn", kr.SimpleRNNCell, oracle.simple_rnn),
    _case(
        "simple_rnn-relu",
        kr.SimpleRNNCell,
        oracle.simple_rnn,
        {"activation": "relu"},
        activation="relu",
    ),
    _case("simple_rnn-dropout", kr.SimpleRNNCell, oracle.simple_rnn, **_RATES, use_bias=False),
    _case("ind_rnn", kr.IndRNNCell, oracle.ind_rnn, {"activation": "relu"}, **_RATES),
    _case("minimal_gru", kr.MinimalGRUCell, oracle.minimal_gru, **_RATES),
    _gru("after"),
    _gru("before", {"reset_after": False}, reset_after=False),
    _gru("no_bias", {"activation": "softsign"}, use_bias=False, activation="softsign"),
    _gru("after-layer_norm", _LAYER, **_LAYER, **_RATES),
    _gru("before-layer_norm", {**_LAYER, "reset_after": False}, **_LAYER, reset_after=False),
    _gru("noise", {"zoneout": {"h": 0.2}}, zoneout=0.2, weight_dropout=0.3, **_RATES),
    _lstm("plain"),
    _lstm(
        "no_bias",
        {"recurrent_activation": "hard_sigmoid"},
        use_bias=False,
        recurrent_activation="hard_sigmoid",
    ),
    _lstm("peephole", peephole=True),
    _lstm("projection", projection_units=2),
    _lstm(
        "clips",
        {"cell_clip": 0.3, "projection_clip": 0.1},
        cell_clip=0.3,
        projection_units=2,
        projection_clip=0.1,
    ),
    _lstm("relevance", {"relevance_gate": True}, relevance_gate=True, **_RATES),
    _lstm(
        "coupled-linear",
        {"coupled_gates": True, "output_activation": "linear"},
        coupled_gates=True,
        output_activation="linear",
    ),
    _lstm("layer_norm", _LAYER, **_LAYER, **_RATES),
    _lstm(
        "noise", {"zoneout": {"h": 0.1, "c": 0.4}}, zoneout=(0.4, 0.1), weight_dropout=0.2, **_RATES
    ),
    _lstm("everything", _ALL_LSTM_ORACLE, **_ALL_LSTM),
    CellCase(
        "zoneout-lstm",
        lambda units=UNITS, **kw: kr.Zoneout(
            kr.LSTMCell(units, recurrent_dropout=0.3, **kw), {"c": 0.5}
        ),
        oracle.lstm,
        {"zoneout": {"c": 0.5}},
    ),
    CellCase(
        "weight_drop-ind_rnn",
        lambda units=UNITS, **kw: kr.WeightDrop(kr.IndRNNCell(units, dropout=0.2, **kw), 0.4),
        oracle.ind_rnn,
        {"activation": "relu"},
    ),
    CellCase(
        "residual-zoneout-weight_drop-gru",
        lambda units=UNITS, **kw: kr.Residual(
            kr.Zoneout(kr.WeightDrop(kr.GRUCell(units, **kw), 0.3), 0.2)
        ),
        _residual(oracle.gru),
        {"zoneout": {"h": 0.2}},
        features=UNITS,
    ),
]

# Those that cuDNN runs, and more of what it is told beforehand: masked inputs and weights, no bias.
_MASKED = {"dropout": 0.3, "use_bias": False}
CUDNN_CASES = [
    *(case for case in CASES if cudnn_rules.refusal(case.make()) is None),
    _lstm("masked", weight_dropout=0.2, **_MASKED),
    _gru("masked", weight_dropout=0.4, **_MASKED),
    CellCase(
        "weight_drop-simple_rnn",
        lambda **kw: kr.WeightDrop(kr.SimpleRNNCell(UNITS, dropout=0.2, **kw), 0.4),
        oracle.simple_rnn,
    ),
    CellCase(
        "weight_drop-weight_drop-lstm-projection",
        lambda **kw: kr.WeightDrop(
            kr.WeightDrop(kr.LSTMCell(UNITS, projection_units=3, dropout=0.2, **kw), 0.0), 0.3
        ),
        oracle.lstm,
    ),
]
