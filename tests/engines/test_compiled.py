"""The compiled engine beyond the numbers of the conformance matrix: fit, caching, gathered gradients."""

import functools
import gc
import time
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr
from keras_recurrent.cells.noise import Noise
from keras_recurrent.engines import compiled


def _data(rows=12, steps=6, features=3):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, steps, features)).astype("float32")
    x[2, 4:] = x[5, :2] = 0.0
    return x, rng.normal(size=(rows, 1)).astype("float32")


def _model(engine, jit_compile=False):
    keras.utils.set_random_seed(3)
    options = {"engine": engine, "seed": 4, "dropout": 0.2, "recurrent_dropout": 0.1}
    model = keras.Sequential(
        [
            keras.Input((6, 3)),
            keras.layers.Masking(),
            kr.LSTM(4, zoneout=0.2, weight_dropout=0.2, return_sequences=True, **options),
            kr.GRU(3, normalization="layer", go_backwards=True, **options),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit_compile)
    return model


@pytest.fixture
def _double():
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_gives_the_losses_of_the_loop(jit_compile):
    x, y = _data()
    losses = []
    for engine in ("loop", "compiled"):
        model = _model(engine, jit_compile)
        history = model.fit(x, y, batch_size=6, epochs=2, shuffle=False, verbose=0)
        losses.append([*history.history["loss"], *model.predict(x, verbose=0).ravel()])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-9)


class _OwnWeights(kr.Cell):
    """A user's cell that multiplies by weights that the engine does not know of."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units

    def build(self, input_shape):
        self.into = self.add_weight(shape=(input_shape[-1], self.units), name="into")
        self.again = self.add_weight(shape=(self.units, self.units), name="again")
        self.built = True

    def read_weights(self, noise=None):
        return ()

    def project(self, inputs, weights, noise=None):
        return tf.tensordot(inputs, tf.convert_to_tensor(self.into), 1)

    def step(self, z, states, weights, noise=None):
        h = tf.tanh(z + tf.matmul(states[0], tf.convert_to_tensor(self.again)))
        return h, [h]


def _gradients(engine, layer, x):
    layer.engine = engine
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x) ** 2)
    return [loss, *tape.gradient(loss, [x, *[v.value for v in layer.trainable_variables]])]


def test_weights_that_a_step_reads_by_itself_get_their_gradients():
    layer, x = kr.RNN(_OwnWeights(4), return_sequences=True), tf.constant(_data()[0])
    expected = _gradients("loop", layer, x)
    assert len(expected) == 4
    for got, wanted in zip(_gradients("compiled", layer, x), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def test_a_frozen_layer_still_hands_gradients_to_its_input():
    layer, x = kr.LSTM(4), tf.constant(_data()[0])
    layer(x)
    layer.trainable = False
    expected = _gradients("loop", layer, x)
    assert len(expected) == 2
    for got, wanted in zip(_gradients("compiled", layer, x), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_a_gradient_outside_training_is_right_too():
    layer, x = kr.GRU(4, engine="compiled"), tf.constant(_data()[0])
    layer(x)
    (_, d_training, *_), (_, d_inference, *_) = (
        _tape(layer, x, training) for training in (True, False)
    )
    np.testing.assert_allclose(d_inference, d_training, rtol=1e-5, atol=1e-6)


def _tape(layer, x, training):
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x, training=training) ** 2)
    return [loss, tape.gradient(loss, x)]


def test_eager_calls_compile_once():
    layer, (x, _) = kr.LSTM(4, engine="compiled"), _data()
    for _ in range(3):
        layer(x)
    (programs,) = compiled._engines[layer.cell].values()
    assert programs.run.experimental_get_tracing_count() == 1
    layer(x[:, :4])
    assert programs.run.experimental_get_tracing_count() == 2


def test_programs_go_with_their_cell():
    model = keras.Sequential([keras.Input((6, 3)), kr.GRU(2), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(*_data(), verbose=0)
    cell = weakref.ref(model.layers[0].cell)
    assert cell() in compiled._engines
    del model
    keras.backend.clear_session()
    gc.collect()
    assert cell() is None


@pytest.mark.parametrize(
    ("layer", "kernels"),
    [(kr.LSTM, 1), (lambda u, **kw: kr.GRU(u, reset_after=False, **kw), 2)],
    ids=["lstm", "gru-before"],
)
def test_weight_gradients_of_all_steps_are_one_product(layer, kernels):
    layer, x = layer(4, engine="compiled"), tf.constant(_data()[0])
    layer(x)
    function = tf.function(lambda x: _tape(layer, x, True)).get_concrete_function(x)
    library = function.graph.as_graph_def().library.function
    bodies = [f for f in library if "while_body" in f.signature.name]
    inside = [node for body in bodies for node in body.node_def if node.op == "MatMul"]
    assert len(inside) == 2 * kernels  # one a kernel forward, one backward
    assert not any(node.attr["transpose_a"].b for node in inside)


def test_no_time_steps():
    layer = kr.LSTM(3, engine="compiled", return_sequences=True)
    assert layer(np.zeros((2, 0, 3), "float32")).shape == (2, 0, 3)


class _Clock(keras.callbacks.Callback):
    """Seconds of every step."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_train_batch_begin(self, batch, logs=None):
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self._start)


def test_a_model_compiled_as_a_whole_compiles_once():
    """XLA must not take sizes from the pass forward for input: it would compile at every step."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 6, 3)), rng.normal(size=(80, 1))
    model = keras.Sequential([keras.Input((6, 3)), kr.LSTM(4), keras.layers.Dense(1)])
    model.compile("adam", "mse", jit_compile=True)
    clock = _Clock()
    model.fit(x, y, batch_size=16, verbose=0, callbacks=[clock])
    first, *others = clock.seconds
    assert max(others) < first / 3


@functools.cache
def _gru(engine):
    """A model and its first weights; its steps are traced for batches of any size."""
    keras.utils.set_random_seed(1)
    layers = [kr.GRU(4, engine=engine), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((6, 3)), *layers])
    model.compile("sgd", "mse")
    return model, model.get_weights()


@pytest.mark.parametrize("batch", [1, 2, 5, 7])
def test_last_batches_of_any_size(batch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8 + batch, 6, 3)), rng.normal(size=(8 + batch, 1))
    losses = []
    for engine in ("auto", "loop"):
        model, start = _gru(engine)
        model.set_weights(start)
        history = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        losses.append([*history.history["loss"], *model.predict(x[:batch], verbose=0).ravel()])
    assert model.layers[0].explain_engine((None, 6, 3)).engine == "loop"
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


class _Foreign(kr.SimpleRNNCell):
    """A cell with an operation that XLA does not know."""

    problem = "PyFunc"

    def step(self, z, states, weights, noise=None):
        h = tf.ensure_shape(tf.numpy_function(np.tanh, [z], z.dtype), z.shape)
        return h, kr.HiddenState(h)


class _Drawing(kr.SimpleRNNCell):
    """A cell whose step draws: run again in the pass back, it would draw other numbers."""

    problem = "draw them in `draw`"

    def step(self, z, states, weights, noise=None):
        h = tf.tanh(z) * tf.round(tf.random.uniform(tf.shape(z)))
        return h, kr.HiddenState(h)


class _Counting(kr.SimpleRNNCell):
    """A cell with a state that is no real number."""

    problem = "keep real numbers as states"

    def get_initial_state(self, batch_size=None):
        return kr.HiddenState(tf.zeros((batch_size, self.units), tf.int32))

    def step(self, z, states, weights, noise=None):
        return z, kr.HiddenState(states.h + 1)


REFUSED = [_Foreign, _Drawing, _Counting]


@pytest.mark.parametrize("cell", REFUSED)
def test_a_cell_that_must_not_be_compiled_keeps_its_loop_under_auto(cell):
    layer = kr.RNN(cell(4))
    model = keras.Sequential([keras.Input((5, 3)), layer])
    assert model.predict(np.ones((2, 5, 3)), verbose=0).shape == (2, 4)
    choice = layer.explain_engine((None, 5, 3))
    assert choice.engine == "loop"
    assert f"the cell {cell.__name__}" in choice.reason
    assert cell.problem in choice.reason


@pytest.mark.parametrize("cell", REFUSED)
@pytest.mark.parametrize("engine", ["compiled", "recomputed"])
def test_asked_for_it_is_refused_while_the_model_is_put_together(engine, cell):
    layer = kr.RNN(cell(4), engine=engine)
    with pytest.raises(ValueError, match=rf"the cell {cell.__name__}.*Use engine='auto'"):
        keras.Sequential([keras.Input((5, 3)), layer])


@pytest.mark.parametrize(
    ("engine", "policy"),
    [("auto", "mixed_float16"), ("auto", "mixed_bfloat16"), ("recomputed", "mixed_float16")],
)
def test_a_cell_that_reads_its_own_weights_trains_under_every_policy(engine, policy):
    x, y = _data()
    losses = []
    for asked in ("loop", engine):
        keras.utils.set_random_seed(1)
        layer = kr.RNN(_OwnWeights(4, dtype=policy), engine=asked, dtype=policy)
        model = keras.Sequential([keras.Input((6, 3)), layer, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        losses.append(model.fit(x, y, verbose=0, epochs=2, shuffle=False).history["loss"])
    assert layer.explain_engine((None, 6, 3)).engine in ("compiled", "recomputed")
    tolerance = {"mixed_float16": 2e-3, "mixed_bfloat16": 2e-2}[policy]
    np.testing.assert_allclose(losses[1], losses[0], rtol=tolerance)


class _SharedNoise(_OwnWeights):
    """Masks without an axis for the batch's rows."""

    def draw(self, batch, timesteps, training=False):
        mask = tf.reshape(tf.range(1.0, timesteps + 1), [-1, 1, 1])
        return Noise(fixed=tf.fill([1, self.units], 0.5), steps=mask) if training else None

    def step(self, z, states, weights, noise=None):
        scale = 1.0 if noise is None else noise.steps * noise.fixed
        return super().step(z * scale, states, weights)


@pytest.mark.parametrize("rows", [3, 17])
def test_noise_that_all_rows_share(rows):
    x = tf.constant(np.random.default_rng(0).normal(size=(rows, 4, 3)), tf.float32)
    layer = kr.RNN(_SharedNoise(4))
    layer(x)
    results = []
    for engine in ("loop", "compiled"):
        layer.engine = engine
        results.append(_tape(layer, x, True))
    for got, wanted in zip(*results, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def _traced(function, x, traced):
    return (tf.function(function) if traced else function)(x)


@pytest.mark.parametrize("traced", [True, False])
def test_persistent_and_nested_tapes(traced):
    layer, x = kr.GRU(4), tf.constant(_data()[0])
    layer(x)

    def persistent(x):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = layer(x, training=True)
            first, second = tf.reduce_sum(y), tf.reduce_sum(y**2)
        return tape.gradient(first, x), tape.gradient(second, x)

    def nested(x):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = layer(x, training=True)
                first = tf.reduce_sum(y)
            d_x = inner.gradient(first, x)
            second = tf.reduce_sum(y**2)
        return d_x, outer.gradient(second, layer.trainable_variables[0].value)

    for function in (persistent, nested):
        results = []
        for engine in ("loop", "compiled"):
            layer.engine = engine
            results.append(_traced(function, x, traced))
        for got, wanted in zip(*results, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("traced", [True, False])
def test_a_second_derivative_is_an_error_not_a_wrong_number(traced):
    layer, x = kr.GRU(4, engine="compiled"), tf.constant(_data()[0])
    layer(x)

    def penalty(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = layer(x, training=True)
            total = tf.reduce_sum(inner.gradient(y, x) ** 2)
        return outer.gradient(total, x)

    with pytest.raises(tf.errors.InvalidArgumentError, match="no second derivative"):
        _traced(penalty, x, traced)


def test_no_time_step_where_their_number_is_unknown():
    layer = kr.GRU(3, engine="compiled")
    layer(np.ones((2, 2, 3), "float32"))
    run = tf.function(layer, input_signature=[tf.TensorSpec((None, None, 3))])
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least one time step"):
        run(np.zeros((2, 0, 3), "float32"))
