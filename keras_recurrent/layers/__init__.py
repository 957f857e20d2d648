"""Layers: a cell run over time, with masks, lengths, directions and state."""

from keras_recurrent.layers.bidirectional import Bidirectional
from keras_recurrent.layers.named import GRU, LSTM, SimpleRNN
from keras_recurrent.layers.rnn import RNN
from keras_recurrent.layers.stack import Stack

__all__ = ["GRU", "LSTM", "RNN", "Bidirectional", "SimpleRNN", "Stack"]
