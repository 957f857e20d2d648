"""Training: noise, seeds, number types, strategies."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers.kit import BATCH, FEATURES, NAMES, STEPS, UNITS, array, close, differ, make, sequences

import keras_recurrent as kr

NOISE = {
    "dropout": (NAMES, {"dropout": 0.5}),
    "recurrent_dropout": (NAMES, {"recurrent_dropout": 0.5}),
    "zoneout": (NAMES[1:], {"zoneout": 0.5}),
    "weight_dropout": (NAMES[1:], {"weight_dropout": 0.5}),
}
CASES = [(name, kind) for kind, (names, _) in NOISE.items() for name in names]


def _noisy(name, kind, **more):
    layer = make(name, **NOISE[kind][1], **more)
    layer.build((None, None, FEATURES))
    return layer


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_noise_acts_in_training_only(name, kind):
    layer = _noisy(name, kind, seed=3)
    x = sequences()
    state = array(layer.cell.seed_generator.state)
    still = layer(x)
    close(layer(x, training=False), still)
    assert np.array_equal(array(layer.cell.seed_generator.state), state)  # inference draws nothing
    first, second = layer(x, training=True), layer(x, training=True)
    assert differ(first, still)
    assert differ(first, second)
    assert not np.array_equal(array(layer.cell.seed_generator.state), state)
    if kind != "zoneout":  # which keeps its expected value in inference
        plain = make(name)
        plain.build((None, None, FEATURES))
        plain.set_weights(layer.get_weights())
        close(still, plain(x))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_seeds_reproduce(name, kind):
    x = sequences()
    layers = [_noisy(name, kind, seed=seed) for seed in (7, 7, 8)]
    for layer in layers[1:]:
        layer.set_weights(layers[0].get_weights())
    outputs = [layer(x, training=True) for layer in layers]
    close(outputs[0], outputs[1])
    assert differ(outputs[0], outputs[2])


@pytest.mark.parametrize("wrapper", [kr.Zoneout, kr.WeightDrop])
def test_noise_of_wrappers(wrapper):
    x = sequences()
    outputs = []
    for seed in (7, 7, 8):
        layer = kr.RNN(wrapper(kr.LSTMCell(UNITS, kernel_initializer="ones"), 0.5, seed=seed))
        layer.build((None, None, FEATURES))
        layer.cell.cell.recurrent_kernel.assign(np.full((UNITS, 4 * UNITS), 0.1))
        outputs.append(layer(x, training=True))
        state = array(layer.cell.seed_generator.state)
        assert differ(outputs[-1], layer(x))
        assert np.array_equal(array(layer.cell.seed_generator.state), state)
    close(outputs[0], outputs[1])
    assert differ(outputs[0], outputs[2])


def _identity(name, **options):
    """A SimpleRNN that shows its inputs, or its kept state."""
    return kr.SimpleRNN(
        name,
        activation=None,
        kernel_initializer="identity",
        recurrent_initializer="zeros",
        **options,
    )


def test_one_dropout_mask_for_all_time_steps():
    layer = _identity(8, dropout=0.5, return_sequences=True)
    output = layer(np.ones((BATCH, STEPS, 8), "float32"), training=True).numpy()
    close(output, np.repeat(output[:, :1], STEPS, 1))
    assert set(np.unique(output)) == {0.0, 2.0}
    assert differ(output[0], output[1])  # each row has its own


def test_one_recurrent_mask_for_all_time_steps():
    layer = kr.SimpleRNN(
        8,
        activation=None,
        kernel_initializer="zeros",
        recurrent_initializer="identity",
        recurrent_dropout=0.5,
        return_sequences=True,
    )
    x = np.zeros((BATCH, 3, 1), "float32")
    output = layer(x, initial_state=np.ones((BATCH, 8), "float32"), training=True).numpy()
    for step in range(3):
        assert set(np.unique(output[:, step])) <= {0.0, 2.0 ** (step + 1)}
    assert np.array_equal(output[:, 0] > 0, output[:, 2] > 0)


def test_zoneout_draws_for_every_step_and_keeps_whole_values():
    layer = kr.RNN(
        kr.Zoneout(kr.SimpleRNNCell(16, activation=None, recurrent_initializer="zeros"), 0.5),
        return_sequences=True,
    )
    x = np.arange(1, STEPS + 1, dtype="float32")[None, :, None] * np.ones((BATCH, 1, 16), "float32")
    layer.build(x.shape)
    layer.cell.cell.kernel.assign(np.eye(16))
    output = layer(x, training=True).numpy()
    before = np.zeros((BATCH, 16))
    kept = []
    for step in range(STEPS):
        held = output[:, step] == before
        assert np.all(held | (output[:, step] == step + 1))
        kept.append(held)
        before = output[:, step]
    assert differ(kept[0], kept[1])
    assert 0.3 < np.mean(kept) < 0.7


def test_dropout_keeps_the_expectation():
    layer = _identity(64, dropout=0.25)
    output = layer(np.ones((64, 1, 64), "float32"), training=True).numpy()
    assert abs(output.mean() - 1) < 0.05
    assert abs((output == 0).mean() - 0.25) < 0.05


@pytest.mark.parametrize("inside", [kr.RNN, keras.layers.RNN])
def test_dropout_of_our_cells_is_drawn_once_a_sequence(inside):
    cell = kr.SimpleRNNCell(
        8,
        activation=None,
        kernel_initializer="identity",
        recurrent_initializer="zeros",
        dropout=0.5,
    )
    layer = inside(cell, return_sequences=True)
    x = np.ones((BATCH, STEPS, 8), "float32")
    first, second = layer(x, training=True).numpy(), layer(x, training=True).numpy()
    close(first, np.repeat(first[:, :1], STEPS, 1))
    assert differ(first, second)
    close(layer(x), x)


def test_gradients_with_noise_belong_to_the_noise_of_the_forward_pass():
    """The step draws nothing itself: with a fixed seed the numeric gradient fits."""
    options = {"dropout": 0.4, "recurrent_dropout": 0.4, "zoneout": 0.3, "weight_dropout": 0.3}
    layer = kr.LSTM(2, **options, seed=1, dtype="float64")
    x = tf.constant(sequences(), tf.float64)
    layer.build(x.shape)
    start = layer.cell.seed_generator.state.numpy()

    def loss():
        layer.cell.seed_generator.state.assign(start)
        return tf.reduce_sum(layer(x, training=True) ** 2)

    with tf.GradientTape() as tape:
        value = loss()
    kernel = layer.cell.recurrent_kernel
    gradient = tape.gradient(value, kernel.value).numpy()
    step, origin = 1e-6, kernel.numpy()
    for place in [(0, 0), (1, 3), (0, 5)]:
        shift = np.zeros_like(origin)
        shift[place] = step
        ends = []
        for sign in (1, -1):
            kernel.assign(origin + sign * shift)
            ends.append(float(loss()))
        kernel.assign(origin)
        assert abs((ends[0] - ends[1]) / (2 * step) - gradient[place]) < 1e-6


FITS = {
    "mixed_float16": {"dtype": "mixed_float16"},
    "mixed_bfloat16": {"dtype": "mixed_bfloat16"},
    "float64": {"dtype": "float64"},
    "eager": {"run_eagerly": True},
    "xla": {"jit_compile": True},
}


@pytest.mark.parametrize("how", FITS)
def test_fit_reduces_the_loss(how):
    options = dict(FITS[how])
    dtype = options.pop("dtype", "float32")
    noise = {"dropout": 0.1, "recurrent_dropout": 0.1, "return_sequences": True, "dtype": dtype}
    layers = [
        keras.Input((STEPS, FEATURES), dtype=keras.DTypePolicy(dtype).compute_dtype),
        kr.LSTM(8, zoneout=0.1, weight_dropout=0.1, **noise),
        keras.layers.Dense(1, dtype=dtype),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.05), "mse", **options)
    x = sequences(16)
    y = x[..., :1] * 0.5
    epochs = 5 if how == "eager" else 10
    losses = model.fit(x, y, epochs=epochs, verbose=0).history["loss"]
    assert np.all(np.isfinite(losses))
    assert losses[-1] < 0.9 * losses[0]
    output = model.layers[0](tf.cast(x, dtype.removeprefix("mixed_")))
    assert output.dtype == keras.DTypePolicy(dtype).compute_dtype
    assert {str(w.dtype) for w in model.layers[0].weights} == {
        keras.DTypePolicy(dtype).variable_dtype
    }


def test_noise_is_new_in_every_step_of_fit():
    layer = make("GRU", dropout=0.5, recurrent_dropout=0.5)
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), layer])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x = np.repeat(sequences(1), 8, 0)
    losses = model.fit(x, np.zeros((8, UNITS)), epochs=3, verbose=0).history["loss"]
    assert len(set(losses)) == 3
    evaluated = [model.evaluate(x, np.zeros((8, UNITS)), verbose=0) for _ in range(2)]
    assert evaluated[0] == evaluated[1]


def test_frozen_layers_stay():
    layer = make("LSTM", peephole=True, projection_units=3, normalization="layer", trainable=False)
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), layer, keras.layers.Dense(1)])
    assert len(model.trainable_weights) == 2
    before = layer.get_weights()
    model.compile("sgd", "mse")
    model.train_on_batch(sequences(), np.ones((BATCH, 1)))
    close(layer.get_weights(), before)
    layer.trainable = True
    assert len(layer.trainable_weights) == len(before)
