"""Cells: one time step of a recurrent layer each."""

from keras_recurrent.cells.contract import Cell, HiddenState
from keras_recurrent.cells.gated import GatedCell
from keras_recurrent.cells.gru import GRUCell
from keras_recurrent.cells.ind_rnn import IndRNNCell
from keras_recurrent.cells.lstm import LSTMCell, LSTMState
from keras_recurrent.cells.minimal_gru import MinimalGRUCell
from keras_recurrent.cells.residual import Residual
from keras_recurrent.cells.simple_rnn import SimpleRNNCell
from keras_recurrent.cells.stacked import StackedCells
from keras_recurrent.cells.weight_drop import WeightDrop
from keras_recurrent.cells.zoneout import Zoneout

__all__ = [
    "Cell",
    "GRUCell",
    "GatedCell",
    "HiddenState",
    "IndRNNCell",
    "LSTMCell",
    "LSTMState",
    "MinimalGRUCell",
    "Residual",
    "SimpleRNNCell",
    "StackedCells",
    "WeightDrop",
    "Zoneout",
]
