"""gradient_flow against ordinary gradients, truth by hand and steps of fit."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance.check import MASKS
from conformance.registry import CASES

import keras_recurrent as kr
from keras_recurrent.training import gradient_flow

B, T, D, U = 3, 5, 3, 4
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(B, T, D)), RNG.normal(size=(B, 2))
HOLES = np.array(MASKS["holes"], bool)
MSE = keras.losses.MeanSquaredError(dtype="float64")


class Masked(keras.Model):
    """A recurrent layer whose mask is given with the sequences."""

    def __init__(self, layer):
        super().__init__(dtype="float64")
        self.layer, self.dense = layer, keras.layers.Dense(2, dtype="float64")

    def call(self, inputs, training=None):
        x, mask = inputs
        found = self.layer(x, mask=mask, training=training)
        return self.dense(tf.identity(found))  # without its mask: all steps count in the loss


def _sequential(*layers, shape=(T, D), batch=None):
    inputs = keras.Input(batch_shape=(batch, *shape), dtype="float64")
    return keras.Sequential([inputs, *layers, keras.layers.Dense(2, dtype="float64")])


def _ordinary(model, x, y, training=False, weights=1.0):
    """Gradients of the mean squared error by the engine of each layer, by path."""
    with tf.GradientTape() as tape:
        outputs = model(x, training=training)
        loss = tf.reduce_mean(weights * tf.reduce_mean((outputs - y) ** 2, -1))
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [v.value for v in variables])
    return loss, {v.path: g.numpy() for v, g in zip(variables, gradients, strict=True)}


def _check_sums(model, flow, expected, layers=None, rtol=1e-5):
    """The kept shares of all calls of each layer add up to the expected gradients."""
    layers = layers or {name: name for name in flow.layers}
    totals = {}
    for name, layer in flow.layers.items():
        for weight, kept in layer.kept.items():
            key = layers[name], weight
            totals[key] = totals.get(key, 0) + kept.sum(0)
            sizes = np.sqrt(np.sum(kept.reshape(len(kept), -1) ** 2, -1))
            np.testing.assert_allclose(layer.weights[weight], sizes, rtol=rtol)
        squares = sum(values**2 for values in layer.weights.values())
        np.testing.assert_allclose(layer.shares**2, squares, rtol=rtol)
    found = []
    for (layer, weight), total in totals.items():
        ends = [p for p in expected if f"/{layer}/" in f"/{p}" and p.endswith(f"/{weight}")]
        assert len(ends) == 1
        found += ends
        gradient = expected[ends[0]]
        np.testing.assert_allclose(total, gradient, rtol=rtol, atol=rtol * np.abs(gradient).max())
        assert np.any(gradient)
    rest = [path.split("/")[-3:-1] for path in set(expected) - set(found)]
    assert not {*layers.values()} & {part for parts in rest for part in parts}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_shares_of_every_cell_add_up_to_the_gradient(case):
    backwards = CASES.index(case) % 2 == 1  # both directions in turn
    layer = kr.RNN(
        case.make(dtype="float64"),
        go_backwards=backwards,
        engine="unroll",
        dtype="float64",
        name="rnn",
    )
    model = Masked(layer)
    x = RNG.normal(size=(B, T, case.features)), HOLES
    model(x)
    model.compile("sgd", "mse")
    for variable in model.trainable_variables:
        if (
            variable.name == "projection_kernel"
        ):  # else all of it is clipped, and without a gradient
            variable.assign(0.3 * variable)
    flow = gradient_flow(
        model, x, Y, training=True, keep_shares=True
    )  # leaves the seeds as they are
    loss, expected = _ordinary(model, x, Y, training=True)
    np.testing.assert_allclose(flow.loss, loss, rtol=1e-5)
    _check_sums(model, flow, expected)
    squares = sum(np.sum(g**2) for path, g in expected.items() if "dense" not in path)
    np.testing.assert_allclose(flow.layers["rnn"].gradient, np.sqrt(squares), rtol=1e-5)


@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("zero_masked", [False, True], ids=["repeats", "zeros"])
def test_hidden_states_by_hand(backwards, zero_masked):
    """The recursion δ(t-1) = output + U (δ(t) * (1 - h(t)²)), over the valid steps of each row."""
    layer = kr.SimpleRNN(
        U,
        return_sequences=True,
        go_backwards=backwards,
        zero_output_for_mask=zero_masked,
        dtype="float64",
    )
    model = Masked(layer)
    y = RNG.normal(size=(B, T, 2))
    flow = gradient_flow(model, (X, HOLES), y, loss=MSE)
    kernel, recurrent, bias = layer.get_weights()
    outputs = model((X, HOLES)).numpy()
    to_output = 2 / y.size * (outputs - y) @ model.dense.get_weights()[0].T
    order = range(T - 1, -1, -1) if backwards else range(T)
    hidden, shares = np.zeros((T, B, U)), np.zeros((T, *recurrent.shape))
    for row in range(B):
        valid = [t for t in order if HOLES[row, t]]
        before, h = {}, np.zeros(U)
        for t in valid:
            before[t], h = h, np.tanh(X[row, t] @ kernel + h @ recurrent + bias)
            hidden[t, row] = 1 - h**2  # for now the slope
        later = np.zeros(U)
        for t in reversed(valid):
            shown = [t]  # where this step's output stands
            following = list(order)[list(order).index(t) + 1 :]
            while not zero_masked and following and not HOLES[row, following[0]]:
                shown.append(following.pop(0))
            places = [T - 1 - s if backwards else s for s in shown]
            total = later + sum(to_output[row, p] for p in places)
            later = total * hidden[t, row]
            shares[t] += np.outer(before[t], later)
            later, hidden[t, row] = recurrent @ later, total
    found = flow.layers[layer.name]
    np.testing.assert_allclose(found.hidden, np.linalg.norm(hidden, axis=(1, 2)), rtol=1e-8)
    sizes = np.linalg.norm(shares, axis=(1, 2))
    np.testing.assert_allclose(found.weights["recurrent_kernel"], sizes, rtol=1e-8, atol=1e-15)


def test_every_part_of_the_state():
    """Against the gradient by the initial state of a run that starts after step t."""
    layer = kr.LSTM(U, return_state=True, dtype="float64", name="lstm")
    inputs = keras.Input((T, D), dtype="float64")
    dense = keras.layers.Dense(2, dtype="float64")
    model = keras.Model(inputs, dense(layer(inputs)[0]))
    flow = gradient_flow(model, X, Y, loss=MSE).layers["lstm"]
    for t in range(1, T):
        h, c = layer(X[:, :t])[1:]
        with tf.GradientTape() as tape:
            tape.watch([h, c])
            loss = tf.reduce_mean((dense(layer(X[:, t:], initial_state=[h, c])[0]) - Y) ** 2)
        d_h, d_c = tape.gradient(loss, [h, c])
        np.testing.assert_allclose(flow.states["h"][t - 1], np.linalg.norm(d_h), rtol=1e-8)
        # h(t) shows c(t) too, so that the total derivative by c has both ways
        assert flow.states["c"][t - 1] != pytest.approx(np.linalg.norm(d_c))
    np.testing.assert_array_equal(flow.hidden, flow.states["h"])


def _bidirectional():
    layer = kr.Bidirectional(kr.LSTM(U, return_sequences=True, name="a", dtype="float64"))
    return _sequential(layer, kr.GRU(U, dtype="float64", name="b"))


def _stack():
    layers = [kr.GRU(U, return_sequences=True, name="a"), kr.LSTM(U, name="b")]
    return _sequential(kr.Stack(layers), keras.layers.Dropout(0.4))


def _cells():
    cells = [kr.GRUCell(U), keras.layers.LSTMCell(3, dropout=0.3)]
    one = [kr.LSTMCell(U), kr.Residual(kr.GRUCell(U))]
    return _sequential(
        kr.RNN(one, return_sequences=True, name="own"),
        kr.RNN(cells, go_backwards=True, name="mixed"),
    )


class Drawing(keras.layers.Layer):
    """A cell of a user's own, which draws at every step and shows twice its state."""

    state_size, output_size = U, U

    def __init__(self):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(3)

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], U), name="w")
        self.v = self.add_weight(shape=(U, U), name="v")

    def call(self, x, states):
        noise = keras.random.uniform((U,), seed=self.seeds, dtype=x.dtype)
        h = keras.ops.tanh(x @ self.w + noise * (states[0] @ self.v))
        return 2 * h, [h]


def _drawing():
    # Keras's other loop draws once more beforehand, to know the shapes
    layer = kr.RNN(Drawing(), name="user", zero_output_for_mask=True, engine="unroll")
    return _sequential(keras.layers.Masking(1.0), layer)


MODELS = {
    "bidirectional": _bidirectional,
    "stack": _stack,
    "cells": _cells,
    "user's cell": _drawing,
}


@pytest.mark.parametrize("kind", MODELS)
def test_models_of_many_kinds(kind):
    model = MODELS[kind]()
    x = np.where(HOLES[..., np.newaxis], X, 1.0)
    model.compile("sgd", MSE)
    weights = np.array([0.5, 2.0, 1.0])
    flow = gradient_flow(model, x, Y, sample_weight=weights, training=True, keep_shares=True)
    assert np.all([layer.hidden.shape == (T,) for layer in flow.layers.values()])
    loss, expected = _ordinary(model, x, Y, training=True, weights=weights)
    np.testing.assert_allclose(flow.loss, loss, rtol=1e-5)
    _check_sums(model, flow, expected)


def _fitted(model, x, y, sample_weight=None):
    """The gradient that `fit` computes: what a step of size 1 takes away."""
    before = {v.path: v.numpy() for v in model.trainable_variables}
    model.fit(x, y, batch_size=B, sample_weight=sample_weight, verbose=0, shuffle=False)
    return {v.path: before[v.path] - v.numpy() for v in model.trainable_variables}


@pytest.mark.parametrize("engine", ["compiled", "unroll"])
def test_a_step_of_fit(engine):
    layer = kr.LSTM(U, dropout=0.3, activity_regularizer="l2", engine=engine, name="lstm")
    model = keras.Sequential([keras.Input((T, D)), layer, keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    weights = np.array([0.5, 2.0, 1.0])
    flow = gradient_flow(model, X, Y, sample_weight=weights, training=True, keep_shares=True)
    _check_sums(model, flow, _fitted(model, X, Y, weights))


def test_stateful_layers_start_from_their_states_and_keep_them():
    layer = kr.GRU(U, stateful=True, return_sequences=True, dtype="float64", name="gru")
    model = _sequential(layer, batch=B)
    y = RNG.normal(size=(B, T, 2))
    model.compile(keras.optimizers.SGD(1.0), MSE, run_eagerly=True)
    model(X)
    states = layer.states[0].numpy()
    flow = gradient_flow(model, X, y, keep_shares=True)
    np.testing.assert_array_equal(layer.states[0].numpy(), states)
    assert np.any(states)
    _check_sums(model, flow, _fitted(model, X, y))


def test_several_outputs_named_losses_and_a_layer_called_twice():
    left, right = (keras.Input((T, D), name=name) for name in ("left", "right"))
    shared = kr.GRU(U, name="shared")
    found = [shared(left), shared(right)]
    outputs = {
        "near": keras.layers.Dense(1, name="near")(keras.layers.subtract(found)),
        "kind": keras.layers.Dense(3, name="kind", activation="softmax")(found[0]),
    }
    model = keras.Model([left, right], outputs)
    x = X.astype("float32"), X[::-1].astype("float32")
    y = {"near": Y[:, :1], "kind": np.array([0, 2, 1])}
    losses = {"near": "mse", "kind": "sparse_categorical_crossentropy"}
    uncompiled = gradient_flow(model, x, y, loss=losses)
    model.compile(keras.optimizers.SGD(1.0), losses, {"near": 3.0, "kind": 1.0}, run_eagerly=True)
    flow = gradient_flow(model, list(x), y, keep_shares=True)
    assert list(flow.layers) == ["shared", "shared/call_2"]
    assert uncompiled.loss < flow.loss
    _check_sums(model, flow, _fitted(model, x, y), {"shared": "shared", "shared/call_2": "shared"})


@pytest.mark.parametrize("sampling", [0.0, 0.5])
def test_sequence_to_sequence(sampling):
    model = kr.applications.sequence_to_sequence(
        source_features=D,
        target_vocabulary=6,
        units=U,
        bidirectional=True,
        attention="dot",
        scheduled_sampling=sampling,
        dropout=0.3,
    )
    previous, y = kr.applications.teacher_forcing([[3, 4], [5, 3, 4, 3], [4]])
    x = {"source": X.astype("float32"), "previous": previous}
    model.compile(keras.optimizers.SGD(1.0), "sparse_categorical_crossentropy", run_eagerly=True)
    flow = gradient_flow(model, x, y, training=True, keep_shares=True)
    assert len({name.split("/call_")[0] for name in flow.layers}) == 3
    steps = {layer.timesteps for layer in flow.layers.values()}
    assert {T, previous.shape[1]} <= steps
    names = {name: name.split("/call_")[0] for name in flow.layers}
    _check_sums(model, flow, _fitted(model, x, y), names)


def test_ids_with_a_mask_and_ragged_sequences():
    ids = np.array([[1, 2, 2, 0, 0], [3, 1, 1, 2, 1], [2, 0, 0, 0, 0]])
    model = keras.Sequential(
        [
            keras.layers.Embedding(4, D, mask_zero=True),
            kr.LSTM(U, name="lstm"),
            keras.layers.Dense(2),
        ]
    )
    model.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=True)
    y = Y.astype("float32")
    flow = gradient_flow(model, ids, y, keep_shares=True)  # it was not built before
    _check_sums(model, flow, _fitted(model, ids, y))
    ragged = kr.LSTM(U)
    rows = tf.RaggedTensor.from_tensor(X.astype("float32"), lengths=[3, 5, 1])

    class Reader(keras.Model):
        def call(self, x):
            return ragged(x)

    reader = Reader()
    reader.layer = ragged
    found = gradient_flow(reader, rows, np.zeros((B, U)), loss="mse").layers[ragged.name]
    assert found.timesteps == 5
    assert np.all(found.hidden > 0)  # the last step of row 1 is step 5


def test_frozen_layers_pass_the_gradient_on():
    model = _sequential(kr.GRU(U, return_sequences=True, name="frozen"), kr.GRU(U, name="trained"))
    model.layers[0].trainable = False
    flow = gradient_flow(model, X, Y, loss="mse").layers
    assert not flow["frozen"].weights
    assert not np.any(flow["frozen"].shares)
    assert np.all(flow["frozen"].hidden > 0)
    assert np.all(flow["trained"].shares > 0)


def test_sixteen_bits_with_loss_scaling():
    x, y = X.astype("float32"), Y.astype("float32")
    flows = []
    for policy in ("float32", "mixed_float16"):
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [keras.Input((T, D)), kr.LSTM(U, dtype=policy), keras.layers.Dense(2, dtype=policy)]
        )
        model.compile("sgd", "mse")
        if policy == "mixed_float16":
            model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()), "mse")
        flows.append(next(iter(gradient_flow(model, x, y).layers.values())))
    exact, rounded = flows
    assert rounded.gradient == pytest.approx(exact.gradient, rel=2e-2)
    np.testing.assert_allclose(rounded.hidden, exact.hidden, rtol=2e-2)
    np.testing.assert_allclose(rounded.shares, exact.shares, rtol=2e-2)


def test_the_model_is_as_it_was():
    model = _sequential(
        keras.layers.BatchNormalization(), kr.LSTM(U, dropout=0.5, recurrent_dropout=0.2)
    )
    model.compile("adam", "mse", metrics=["mae"], run_eagerly=True)
    model.fit(X, Y, verbose=0)
    variables = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
    before = [v.numpy() for v in variables]
    first, second = (gradient_flow(model, X, Y, training=True) for _ in range(2))
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert first.loss == second.loss
    assert not tf.config.functions_run_eagerly()


def test_sizes_far_below_the_square_root_of_the_smallest_number():
    model = keras.Sequential(
        [
            keras.Input((30, D)),
            kr.SimpleRNN(U, recurrent_initializer="zeros"),
            keras.layers.Dense(2),
        ]
    )
    layer = model.layers[0]
    weights = layer.get_weights()
    layer.set_weights([weights[0], 0.1 * np.eye(U), weights[2]])
    x = 0.01 * RNG.normal(size=(B, 30, D)).astype("float32")
    hidden = gradient_flow(model, x, Y, loss="mse").layers[layer.name].hidden
    np.testing.assert_allclose(hidden[:-1] / hidden[1:], 0.1, rtol=0.02)
    assert hidden[0] < 1e-28


def test_gates_keep_what_the_vanilla_cell_forgets():
    """Over 60 steps of an untrained net, with forget gates that begin open."""
    ratios = {}
    x, y = RNG.normal(size=(8, 60, D)).astype("float32"), RNG.normal(size=(8, 2))
    for layer in (kr.SimpleRNN(U, recurrent_initializer="glorot_uniform"), kr.LSTM(U)):
        model = keras.Sequential([keras.Input((60, D)), layer, keras.layers.Dense(2)])
        kernel, recurrent, bias = layer.get_weights()
        if isinstance(layer, kr.LSTM):
            bias[U : 2 * U] = 4.0  # σ(4) = 0.98
            layer.set_weights([kernel, recurrent, bias])
        (found,) = gradient_flow(model, x, y, loss="mse").layers.values()
        ratios[type(layer)] = found.ratio
    assert ratios[kr.SimpleRNN] < 1e-8
    assert ratios[kr.LSTM] > 1e-3
