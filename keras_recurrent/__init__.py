"""Recurrent layers for Keras 3 that train under `model.fit` and export to SavedModel and TFLite."""

import keras as _keras

if _keras.backend.backend() != "tensorflow":
    raise ImportError(
        "keras_recurrent runs on Keras's TensorFlow backend. Set KERAS_BACKEND=tensorflow before "
        f"importing keras. Received: backend {_keras.backend.backend()!r}"
    )

from keras_recurrent import applications, elmo, losses, training
from keras_recurrent.cells import (
    Cell,
    GatedCell,
    GRUCell,
    HiddenState,
    IndRNNCell,
    LSTMCell,
    LSTMState,
    MinimalGRUCell,
    Residual,
    SimpleRNNCell,
    WeightDrop,
    Zoneout,
)
from keras_recurrent.elmo import ELMo
from keras_recurrent.gates import Gate
from keras_recurrent.layers import GRU, LSTM, RNN, Bidirectional, SimpleRNN, Stack
from keras_recurrent.version import __version__

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "Cell",
    "ELMo",
    "GRUCell",
    "Gate",
    "GatedCell",
    "HiddenState",
    "IndRNNCell",
    "LSTMCell",
    "LSTMState",
    "MinimalGRUCell",
    "Residual",
    "SimpleRNN",
    "SimpleRNNCell",
    "Stack",
    "WeightDrop",
    "Zoneout",
    "__version__",
    "applications",
    "elmo",
    "losses",
    "training",
]
