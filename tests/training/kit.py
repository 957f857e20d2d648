"""Small models that carry a state, and documents for them."""

import keras
import numpy as np

import keras_recurrent as kr

BATCH, WINDOW, FEATURES, OUTPUTS = 2, 4, 3, 2
LENGTHS = (9, 4, 6, 13, 1)


def documents(lengths=LENGTHS, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = [rng.normal(size=(n, FEATURES)).astype(dtype) for n in lengths]
    y = [rng.normal(size=(n, OUTPUTS)).astype(dtype) for n in lengths]
    return x, y


def dataset(lengths=LENGTHS, window=WINDOW, batch=BATCH, dtype="float64", seed=0):
    x, y = documents(lengths, dtype, seed)
    return kr.training.windows(x, y, batch_size=batch, window=window)


def model(*layers, window=WINDOW, batch=BATCH, dtype="float64", stateful=True, **options):
    """The recurrent layers (an LSTM by default, in the engine that starts fastest), one output layer."""
    keep = {"stateful": stateful, "return_sequences": True, "dtype": dtype, "engine": "loop"}
    keep |= options
    layers = layers or (kr.LSTM(4, **keep),)
    shape = (batch if stateful else None, window, FEATURES)
    inputs = keras.Input(batch_shape=shape, dtype=dtype.removeprefix("mixed_"))
    return keras.Sequential([inputs, *layers, keras.layers.Dense(OUTPUTS, dtype=dtype)])


def squares(dtype="float64"):
    return kr.losses.SumOverTime("mse", dtype=dtype)


def weights(of):
    return [keras.ops.convert_to_numpy(w).copy() for w in of.trainable_weights]


def close(got, expected, tolerance=1e-9):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
