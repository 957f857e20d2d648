"""Which cells TFLite's UNIDIRECTIONAL_SEQUENCE_LSTM can run: those that compute its formulas.

i, f, o = σ(x W + h R + b), c̃ = tanh(...), c = clip(f * c + i * c̃), h = o * tanh(c)

The kernel has room for more (peephole, projection, layer normalisation), but TensorFlow's converter
writes only this.
"""

from collections.abc import Iterator

from keras_recurrent.cells.activations import SIGMOID, TANH
from keras_recurrent.cells.cudnn_rules import gated_cell
from keras_recurrent.cells.lstm import LSTMCell


def refusal(cell) -> str | None:
    """Why the fused operation cannot run `cell`; None if it can."""
    cell = gated_cell(cell)
    if type(cell) is not LSTMCell:
        return f"the fused operation is an LSTM, not {type(cell).__name__}"
    return next(_differences(cell), None)


def _differences(cell: LSTMCell) -> Iterator[str]:
    for name in ("peephole", "relevance_gate", "coupled_gates"):
        if getattr(cell, name):
            yield f"{name}=True is not in the converter's fused LSTM"
    if cell.projection_units is not None:
        yield f"projection_units={cell.projection_units} is not in the converter's fused LSTM"
    if cell.normalization is not None:
        yield f"normalization={cell.normalization!r} is not in the converter's fused LSTM"
    if any(cell.zoneout_rates()):
        yield f"zoneout={cell.zoneout} blends each state with the one before, the fused LSTM does not"
    shown = cell.activation if cell.output_activation is None else cell.output_activation
    for name, function in (("activation", cell.activation), ("output_activation", shown)):
        if function not in TANH:
            yield f"{name}={_name(function)}: the fused LSTM has tanh there"
    if cell.recurrent_activation not in SIGMOID:
        yield (
            f"recurrent_activation={_name(cell.recurrent_activation)}: the fused LSTM has sigmoid there"
        )
    if cell.compute_dtype != "float32":
        yield f"the fused LSTM computes in float32, the cell in {cell.compute_dtype}"


def _name(function) -> str:
    return getattr(function, "__name__", repr(function))
