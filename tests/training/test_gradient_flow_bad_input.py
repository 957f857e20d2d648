"""gradient_flow refuses what it cannot measure, and says what was received."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr
from keras_recurrent.training import gradient_flow

B, T, D, U = 3, 5, 3, 4
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(B, T, D)), RNG.normal(size=(B, 2))


class Mapped(keras.Model):
    """Calls a layer in a graph of its own."""

    def __init__(self):
        super().__init__()
        self.layer = kr.GRU(U)
        self.layer.build((B, T, D))
        self.built = True

    def call(self, x):
        return tf.vectorized_map(lambda row: self.layer(row[tf.newaxis])[0], x)


def _model():
    return keras.Sequential([keras.Input((None, D)), kr.GRU(U), keras.layers.Dense(2)])


BAD = {
    "no model": (lambda: kr.GRU(U), X, Y, "mse", TypeError, "must be a whole Keras model.*gru"),
    "no recurrent layer": (
        lambda: keras.Sequential([keras.Input((T, D)), keras.layers.Dense(2, name="only")]),
        X,
        Y,
        "mse",
        ValueError,
        "there are none in.*only",
    ),
    "stock layers": (
        lambda: keras.Sequential([keras.Input((T, D)), keras.layers.LSTM(2, name="stock")]),
        X,
        Y,
        "mse",
        ValueError,
        r"stock layers of Keras.*kr.LSTM.*\['stock'\]",
    ),
    "no loss": (_model, X, Y, None, ValueError, "not compiled with one"),
    "lengths": (_model, X, Y[:2], "mse", ValueError, r"'x': 3, 'y': 2"),
    "no rows": (_model, X[:0], Y[:0], "mse", ValueError, r"at least one sequence.*\(0, 5, 3\)"),
    "no steps": (_model, X[:, :0], Y, "mse", ValueError, r"at least one time step.*\(3, 0, 3\)"),
    "no steps left": (
        lambda: keras.Sequential(
            [
                keras.Input((T, D)),
                keras.layers.Lambda(lambda x: x[:, :0]),
                kr.GRU(U),
                keras.layers.Dense(2),
            ]
        ),
        X,
        Y,
        "mse",
        ValueError,
        "reads a sequence of 0 time steps",
    ),
    "labels out of range": (
        _model,
        X,
        np.array([0, 1, 7]),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ValueError,
        r"outputs are float32 \(3, 2\).*int64 \(3,\) from 0 to 7",
    ),
    "labels of another shape": (
        _model,
        X,
        np.ones((B, 5)),
        "categorical_crossentropy",
        ValueError,
        r"\(3, 2\).*float64 \(3, 5\) from 1.0 to 1.0",
    ),
    "no targets": (_model, X, None, "mse", ValueError, r"cannot be computed.*the targets None"),
    "a data set": (
        _model,
        tf.data.Dataset.from_tensors((X, Y)),
        None,
        "mse",
        ValueError,
        r"one batch.*next\(iter\(dataset\)\)",
    ),
    "not finite": (_model, X, Y * np.nan, "mse", ValueError, "The loss is nan.*from nan to nan"),
    "inside a graph": (Mapped, X, Y, "mse", ValueError, "called inside a graph"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input(kind):
    make, x, y, loss, error, message = BAD[kind]
    with pytest.raises(error, match=f"(?s){message}"):
        gradient_flow(make(), x, y, loss=loss)
    assert not tf.config.functions_run_eagerly()
