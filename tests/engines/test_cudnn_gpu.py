"""cuDNN itself, on a machine with an NVIDIA GPU: `make test-gpu`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance.check import MASKS
from layers.kit import FEATURES, close, randomize, sequences

import keras_recurrent as kr
from keras_recurrent.cells import cudnn_rules
from keras_recurrent.engines import cudnn_blob

pytestmark = pytest.mark.gpu

MODES = {
    "lstm": lambda: kr.LSTMCell(4),
    "projection": lambda: kr.LSTMCell(4, projection_units=3),
    "gru": lambda: kr.GRUCell(4),
    "simple_rnn": lambda: kr.SimpleRNNCell(4),
}


def _gates(kind, columns) -> list:
    """Column blocks in the order of cuDNN's documentation."""
    blocks = np.split(np.array(columns), columns.shape[-1] // kind.units, -1)
    return [blocks[1], blocks[0], blocks[2]] if kind.mode == "gru" else blocks


@pytest.mark.parametrize(("layers", "directions"), [(1, 1), (1, 2), (2, 1), (2, 2)])
@pytest.mark.parametrize("name", MODES)
def test_params_are_laid_out_as_tensorflow_does(name, layers, directions):
    cells, kind = [], cudnn_rules.kind(MODES[name]())
    for place in range(layers * directions):
        cell = MODES[name]()
        width = kind.projection_units or kind.units
        cell.build((None, FEATURES if place < directions else width * directions))
        cells.append(randomize(cell, place))
    weights = [cell.read_weights() for cell in cells]
    matrices, biases = [], []
    for one in weights:
        matrices += [gate.T for gate in _gates(kind, one.kernel)]
        matrices += [gate.T for gate in _gates(kind, one.recurrent_kernel)]
        if name == "projection":
            matrices.append(np.array(one.projection_kernel).T)
        for row in one.bias if name == "gru" else (np.zeros_like(one.bias), one.bias):
            biases += _gates(kind, row)
    expected = tf.raw_ops.CudnnRNNCanonicalToParamsV2(
        num_layers=layers,
        num_units=kind.units,
        input_size=FEATURES,
        weights=[tf.constant(matrix) for matrix in matrices],
        biases=[tf.constant(bias) for bias in biases],
        rnn_mode=kind.mode,
        direction="bidirectional" if directions == 2 else "unidirectional",
        num_proj=kind.projection_units,
    )
    np.testing.assert_array_equal(cudnn_blob.pack(kind.mode, weights, tf.float32), expected)


ALL = {"return_sequences": True, "return_state": True}
MAKE = {
    "pair": lambda **kw: kr.Bidirectional(kr.LSTM(4, **ALL, **kw)),
    "stack": lambda **kw: kr.Stack([kr.LSTM(4, projection_units=3, **ALL, **kw) for _ in range(3)]),
    "single": lambda **kw: kr.GRU(4, **ALL, **kw),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", MAKE)
def test_masks_one_after_the_other(name, training):
    """All in one process and of one shape: what is kept from one batch must fit the next."""
    fast, slow = MAKE[name](engine="cudnn"), MAKE[name](engine="loop")
    for layer in (fast, slow):
        layer.build((None, None, FEATURES))
    randomize(slow)
    fast.set_weights(slow.get_weights())
    full = [[1] * 5] * 3
    for mask in (None, full, *MASKS.values(), full, None):
        valid = None if mask is None else np.array(mask, bool)
        results = []
        for layer in (fast, slow):
            x = tf.constant(sequences())
            with tf.GradientTape() as tape:
                tape.watch(x)
                parts = layer(x, mask=valid, training=training)
                loss = sum(tf.reduce_sum(part**2) for part in parts)
            sources = [x, *[v.value for v in layer.trainable_variables]]
            results.append([*parts, *tape.gradient(loss, sources)])
        close(*results, tolerance=1e-4)


def test_fit_on_the_gpu():
    x, losses = sequences(batch=32), []
    for engine in ("auto", "loop"):
        keras.utils.set_random_seed(1)
        pair = kr.Bidirectional(kr.LSTM(8, engine=engine, dropout=0.1, weight_dropout=0.1, seed=2))
        assert pair.explain_engine().engine == {"auto": "cudnn", "loop": "loop"}[engine]
        model = keras.Sequential([keras.layers.Masking(), pair, keras.layers.Dense(1)])
        model.compile("adam", "mse", jit_compile=False)
        history = model.fit(x, x[:, 0, :1], epochs=3, batch_size=8, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
