"""What the tests of layers share: twins of keras.layers, small data, comparisons."""

import keras
import numpy as np
import tensorflow as tf

import keras_recurrent as kr

NAMES = ["SimpleRNN", "GRU", "LSTM"]
BATCH, STEPS, FEATURES, UNITS = 3, 5, 2, 4

MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 1, 1, 0]], bool)

# A value other than the default for every constructor argument.
OTHER = {
    "units": 3,
    "activation": "relu",
    "recurrent_activation": "hard_sigmoid",
    "use_bias": False,
    "kernel_initializer": "he_normal",
    "recurrent_initializer": "glorot_normal",
    "bias_initializer": "ones",
    "unit_forget_bias": False,
    "kernel_regularizer": "l1",
    "recurrent_regularizer": "l2",
    "bias_regularizer": "l1",
    "activity_regularizer": "l2",
    "kernel_constraint": "max_norm",
    "recurrent_constraint": "non_neg",
    "bias_constraint": "unit_norm",
    "dropout": 0.25,
    "recurrent_dropout": 0.5,
    "return_sequences": True,
    "return_state": True,
    "go_backwards": True,
    "stateful": True,
    "unroll": True,
    "reset_after": False,
    "use_cudnn": False,
    "seed": 7,
    "implementation": 1,
    "zero_output_for_mask": True,
    "engine": "loop",
    "output_activation": "softsign",
    "projection_units": 2,
    "peephole": True,
    "relevance_gate": True,
    "coupled_gates": True,
    "normalization": "layer",
    "cell_clip": 1.5,
    "projection_clip": 0.5,
    "zoneout": 0.125,
    "weight_dropout": 0.375,
}


def make(name: str, /, *args, **kwargs):
    """A layer of this package by name, `UNITS` wide unless told."""
    return getattr(kr, name)(*(args or (UNITS,)), **kwargs)


def twins(name: str, /, **kwargs):
    """A layer of ours and its namesake in keras.layers with the same random weights."""
    ours = make(name, **kwargs)
    stock = getattr(keras.layers, name)(UNITS, **kwargs)
    shape = (BATCH if kwargs.get("stateful") else None, None, FEATURES)
    for layer in (ours, stock):
        layer.build(shape)
    randomize(stock)
    ours.set_weights(stock.get_weights())
    return ours, stock


def randomize(layer, seed: int = 0):
    """Other than initial weights, so that biases and gains count too."""
    rng = np.random.default_rng(seed)
    for variable in layer.trainable_variables:
        variable.assign(variable + 0.5 * rng.normal(size=variable.shape))
    return layer


def sequences(batch: int = BATCH, steps: int = STEPS, features: int = FEATURES, seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, steps, features)).astype("float32")


def states_of(layer, batch: int = BATCH, seed: int = 1) -> list:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(batch, n)).astype("float32") for n in layer.state_size]


def arrays(value) -> list:
    """All tensors of a nested value as arrays."""
    return [keras.ops.convert_to_numpy(v) for v in tf.nest.flatten(value)]


def array(value) -> np.ndarray:
    """A copy of one tensor or variable."""
    return keras.ops.convert_to_numpy(value).copy()


def close(got, expected, tolerance: float = 1e-5) -> None:
    got, expected = arrays(got), arrays(expected)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(
            a.astype("float64"), b.astype("float64"), rtol=tolerance, atol=tolerance
        )


def differ(a, b) -> bool:
    return any(not np.allclose(x, y, atol=1e-6) for x, y in zip(arrays(a), arrays(b), strict=True))
