"""Which cells cuDNN can run: those that compute its formulas.

i, f, o = σ(x W + h R + b_W + b_R), c̃ = tanh(...), h = o * tanh(c), optionally projected      LSTM
z, r = σ(...), h̃ = tanh(x W + b_W + r * (h R + b_R)), h = z * h + (1 - z) * h̃                GRU
h = tanh or relu(x W + h R + b_W + b_R)                                                       SimpleRNN

An option that changes one of these, or acts between two time steps, keeps a cell from it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from keras_recurrent.cells.activations import RELU, SIGMOID, TANH
from keras_recurrent.cells.gated import GatedCell
from keras_recurrent.cells.gru import GRUCell
from keras_recurrent.cells.lstm import LSTMCell
from keras_recurrent.cells.residual import Residual
from keras_recurrent.cells.simple_rnn import SimpleRNNCell
from keras_recurrent.cells.stacked import StackedCells
from keras_recurrent.cells.weight_drop import WeightDrop
from keras_recurrent.cells.zoneout import Zoneout

DTYPES = ("float16", "bfloat16", "float32", "float64")

_OTHER_CELLS = {
    Residual: "kr.Residual adds the input within each step; a residual kr.Stack adds it afterwards",
    StackedCells: "a list of cells runs through all of them in each step; kr.Stack runs layer by layer",
    Zoneout: "kr.Zoneout keeps parts of the state at each step, which cuDNN does not do",
}


class Kind(NamedTuple):
    """What the cells that share one call must have in common."""

    mode: str
    units: int
    projection_units: int
    dtype: str


def gated_cell(cell) -> GatedCell:
    """The cell inside any number of `kr.WeightDrop`."""
    while type(cell) is WeightDrop:
        cell = cell.cell
    return cell


def kind(cell) -> Kind:
    """For a cell that cuDNN can run."""
    cell = gated_cell(cell)
    projection = getattr(cell, "projection_units", None) or 0
    return Kind(cell.cudnn_mode, cell.units, projection, cell.compute_dtype)


def refusal(cell) -> str | None:
    """Why cuDNN cannot run `cell`; None if it can."""
    cell = gated_cell(cell)
    if type(cell) in _OTHER_CELLS:
        return _OTHER_CELLS[type(cell)]
    if type(cell) not in (SimpleRNNCell, GRUCell, LSTMCell):
        return (
            "cuDNN runs SimpleRNNCell, GRUCell, LSTMCell and kr.WeightDrop around them, not subclasses "
            f"or other cells, such as {type(cell).__name__}"
        )
    return next(_differences(cell), None)


def _differences(cell) -> Iterator[str]:
    """What keeps one of the three cells from cuDNN's formulas, a clause for each option."""
    if cell.compute_dtype not in DTYPES:
        yield f"cuDNN computes in {', '.join(DTYPES)}, not in {cell.compute_dtype}"
    if cell.recurrent_dropout:
        yield (
            f"recurrent_dropout={cell.recurrent_dropout} masks h(t-1) at each step, which cuDNN does "
            "not do; weight_dropout and dropout it can have"
        )
    if cell.normalization is not None:
        yield f"normalization={cell.normalization!r}: cuDNN normalises nothing within a step"
    if any(cell.zoneout_rates()):
        yield f"zoneout={cell.zoneout} keeps parts of the state at each step, which cuDNN does not do"
    known = (*TANH, *RELU) if type(cell) is SimpleRNNCell else TANH
    if cell.activation not in known:
        names = "tanh or relu" if type(cell) is SimpleRNNCell else "tanh"
        yield f"activation={_name(cell.activation)}: cuDNN has {names} there"
    if type(cell) is not SimpleRNNCell and cell.recurrent_activation not in SIGMOID:
        yield f"recurrent_activation={_name(cell.recurrent_activation)}: cuDNN has sigmoid there"
    if type(cell) is GRUCell and not cell.reset_after:
        yield "reset_after=False: cuDNN lets the reset gate act after the recurrent product"
    if type(cell) is LSTMCell:
        yield from _differences_of_lstm(cell)


def _differences_of_lstm(cell: LSTMCell) -> Iterator[str]:
    if cell.peephole:
        yield "peephole=True: the gates of cuDNN do not see the cell"
    if cell.relevance_gate:
        yield "relevance_gate=True: cuDNN has the gates i, f and o only"
    if cell.coupled_gates:
        yield "coupled_gates=True: cuDNN has a forget gate of its own"
    if cell.output_activation is not None and cell.output_activation not in TANH:
        yield f"output_activation={_name(cell.output_activation)}: cuDNN has tanh there"
    if cell.cell_clip is not None:
        yield f"cell_clip={cell.cell_clip}: TensorFlow's cuDNN operation has no clip"
    if cell.projection_clip is not None:
        yield f"projection_clip={cell.projection_clip}: TensorFlow's cuDNN operation has no clip"
    if cell.projection_units is not None and cell.projection_units >= cell.units:
        yield (
            f"projection_units={cell.projection_units}: cuDNN projects to fewer than units="
            f"{cell.units} only"
        )


def _name(function) -> str:
    return getattr(function, "__name__", repr(function))
