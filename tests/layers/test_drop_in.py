"""A program that uses keras.layers' recurrent layers runs with ours in their place."""

import inspect
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers.kit import (
    BATCH,
    FEATURES,
    MASK,
    NAMES,
    OTHER,
    STEPS,
    UNITS,
    close,
    differ,
    make,
    sequences,
    states_of,
    twins,
)

import keras_recurrent as kr

CELLS = [f"{name}Cell" for name in NAMES]
DROP_INS = [*NAMES, *CELLS, "RNN", "Bidirectional"]


def _positional(cls) -> list:
    parameters = inspect.signature(cls).parameters.values()
    return [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


@pytest.mark.parametrize("name", DROP_INS)
def test_signature_starts_as_the_namesakes(name):
    expected = [(p.name, p.default) for p in _positional(getattr(keras.layers, name))]
    received = [(p.name, p.default) for p in _positional(getattr(kr, name))]
    assert received[: len(expected)] == expected


@pytest.mark.parametrize("name", NAMES + CELLS)
def test_arguments_by_position_mean_the_same(name):
    stock_class = getattr(keras.layers, name)
    values = [OTHER[p.name] for p in _positional(stock_class)]
    ours, stock = getattr(kr, name)(*values).get_config(), stock_class(*values).get_config()
    # keras.layers.SimpleRNN drops its activity_regularizer
    own_names = {"name", "dtype", "activity_regularizer"} if "Simple" in name else {"name", "dtype"}
    compared = set(stock) - own_names
    assert {n: ours[n] for n in compared} == {n: stock[n] for n in compared}


@pytest.mark.parametrize("name", NAMES)
def test_attributes_that_keras_layers_have(name):
    values = {p.name: OTHER[p.name] for p in _positional(getattr(keras.layers, name))}
    ours, stock = getattr(kr, name)(**values), getattr(keras.layers, name)(**values)
    for layer in (ours, stock):
        layer.build((BATCH, STEPS, FEATURES))
    for mine, theirs in ((ours, stock), (ours.cell, stock.cell)):
        public = {n for n in dir(theirs) if not n.startswith("_")} - {"dropout_mask_count"}
        assert public <= set(dir(mine))
        for attribute in (public & set(values)) - {"activity_regularizer"}:
            a, b = getattr(mine, attribute), getattr(theirs, attribute)
            if callable(b):
                a, b = (keras.saving.serialize_keras_object(v) for v in (a, b))
            assert a == b, attribute
    assert ours.state_size == stock.state_size
    assert len(ours.states) == len(stock.states)
    assert ours.cell.output_size == stock.cell.output_size


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"stateful": True}], ids=str)
def test_weights_are_keras_s_in_order_shape_and_path(name, options):
    stock = getattr(keras.layers, name)(UNITS, name="memory", **options)
    ours = make(name, name="memory", **options)
    for layer in (ours, stock):
        layer.build((BATCH, None, FEATURES))
    assert [(w.path, tuple(w.shape)) for w in ours.weights] == [
        (w.path, tuple(w.shape)) for w in stock.weights
    ]
    assert len(ours.trainable_weights) == len(stock.trainable_weights)
    stock.set_weights([np.full(w.shape, n + 1.0) for n, w in enumerate(stock.get_weights())])
    ours.set_weights(stock.get_weights())
    close([ours.cell.kernel, ours.cell.recurrent_kernel], stock.get_weights()[:2])
    stock.set_weights(ours.get_weights())


@pytest.mark.parametrize("name", NAMES)
def test_initial_weights_follow_the_same_rules(name):
    options = {
        "kernel_initializer": keras.initializers.GlorotUniform(seed=3),
        "recurrent_initializer": keras.initializers.Orthogonal(seed=4),
        "bias_initializer": keras.initializers.RandomNormal(seed=5),
    }
    ours, stock = make(name, **options), getattr(keras.layers, name)(UNITS, **options)
    for layer in (ours, stock):
        layer.build((None, None, FEATURES))
    ours, stock = ours.get_weights(), stock.get_weights()
    close(ours[:2], stock[:2])
    plain = [getattr(package, name)(UNITS) for package in (kr, keras.layers)]
    for layer in plain:
        layer.build((None, None, FEATURES))
    close(plain[0].get_weights()[2], plain[1].get_weights()[2])  # zeros, but for the forget gate


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"return_sequences": True, "return_state": True},
        {"go_backwards": True, "return_sequences": True, "unroll": True},
        {"use_bias": False, "return_state": True, "activation": "relu"},
        {"zero_output_for_mask": True, "return_sequences": True},
    ],
    ids=lambda o: "-".join(o) or "plain",
)
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_same_numbers(name, options, mask):
    ours, stock = twins(name, **options)
    x = sequences()
    close(ours(x, mask=mask), stock(x, mask=mask))
    close(ours(x, states_of(ours), mask), stock(x, states_of(ours), mask))


@pytest.mark.parametrize("dtype", ["int32", "float64", "float16", "uint8"])
def test_sequences_of_other_types_are_cast_as_in_keras(dtype):
    ours, stock = twins("GRU")
    x = np.abs(sequences() * 2).astype(dtype)
    close(ours(x), stock(x), 1e-3 if dtype == "float16" else 1e-5)
    assert ours(x).dtype == stock(x).dtype


def _models(name):
    ours, stock = twins(name, return_sequences=True)
    models = []
    for layer in (ours, stock):
        models.append(keras.Sequential([keras.Input((None, FEATURES)), layer]))
        models[-1].add(keras.layers.Dense(1, kernel_initializer="ones"))
        models[-1].compile("sgd", "mse")
    return models


@pytest.mark.parametrize("name", NAMES)
def test_fit_predict_and_weight_files_are_the_same(name, tmp_path):
    ours, stock = _models(name)
    x, y = sequences(8), sequences(8, features=1, seed=1)
    close(ours.predict(x, verbose=0), stock.predict(x, verbose=0))
    losses = [
        m.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0).history["loss"]
        for m in (ours, stock)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert losses[0][1] < losses[0][0]
    close(ours.get_weights(), stock.get_weights())

    before = stock.get_weights()
    stock.save_weights(tmp_path / "stock.weights.h5")
    ours.set_weights([np.zeros_like(w) for w in before])
    ours.load_weights(tmp_path / "stock.weights.h5")
    close(ours.get_weights(), before)
    ours.save_weights(tmp_path / "ours.weights.h5")
    stock.set_weights([np.zeros_like(w) for w in before])
    stock.load_weights(tmp_path / "ours.weights.h5")
    close(stock.get_weights(), before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("return_state", [False, True])
def test_shapes_and_masks_of_the_output(name, return_sequences, return_state):
    options = {"return_sequences": return_sequences, "return_state": return_state}
    ours, stock = twins(name, **options)
    for shape in [(None, None, FEATURES), (BATCH, STEPS, FEATURES)]:
        assert ours.compute_output_shape(shape) == stock.compute_output_shape(shape)
    x = sequences()
    mask = tf.constant(MASK)
    assert _as_lists(ours.compute_mask(x, mask)) == _as_lists(stock.compute_mask(x, mask))
    symbolic = [layer(keras.Input((None, FEATURES))) for layer in (ours, stock)]
    assert [t.shape for t in keras.tree.flatten(symbolic[0])] == [
        t.shape for t in keras.tree.flatten(symbolic[1])
    ]
    masked = keras.layers.Masking()(x)
    received = [_travelling(layer(masked)) for layer in (ours, stock)]
    assert received[0] == received[1]
    assert type(ours(x)) is type(stock(x))


def _as_lists(mask):
    return keras.tree.map_structure(lambda m: None if m is None else np.array(m).tolist(), mask)


def _travelling(outputs) -> list:
    return [
        _as_lists(kr.keras_hooks.attached_mask(t))
        for t in (outputs if isinstance(outputs, list | tuple) else [outputs])
    ]


@pytest.mark.parametrize("name", [*NAMES, *CELLS])
def test_default_names(name):
    ours, stock = (getattr(package, name)(UNITS).name for package in (kr, keras.layers))
    assert re.sub(r"_\d+$", "", ours) == re.sub(r"_\d+$", "", stock)


@pytest.mark.parametrize("name", NAMES)
def test_regularizers_and_constraints(name):
    options = {
        "kernel_regularizer": "l2",
        "recurrent_regularizer": "l1",
        "bias_regularizer": "l2",
        "kernel_constraint": "non_neg",
        "return_sequences": True,
    }
    if name != "SimpleRNN":  # whose namesake ignores it
        options["activity_regularizer"] = "l1"
    ours, stock = twins(name, **options)
    x = sequences()
    ours(x), stock(x)
    assert len(ours.losses) == len(stock.losses) > 0
    np.testing.assert_allclose(sum(ours.losses), sum(stock.losses), rtol=1e-5)
    weights = []
    for layer in (ours, stock):
        model = keras.Sequential([keras.Input((None, FEATURES)), layer])
        model.compile("sgd", "mse")
        model.train_on_batch(x, np.zeros((BATCH, STEPS, UNITS)))
        weights.append(layer.get_weights())
        assert np.min(layer.cell.kernel) >= 0
    close(*weights)


def test_they_are_keras_s_recurrent_layers():
    for layer in [make(n) for n in NAMES] + [kr.RNN(kr.IndRNNCell(2))]:
        assert isinstance(layer, keras.layers.RNN)
    assert isinstance(kr.Bidirectional(make("GRU")), keras.layers.Bidirectional)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("masked", [False, True])
def test_our_cells_inside_keras_rnn(name, masked):
    cell = getattr(kr, name)(UNITS)
    options = {"return_sequences": True, "return_state": True}
    x, mask = sequences(), MASK if masked else None
    ours = kr.RNN(cell, **options)
    close(ours(x, mask=mask), keras.layers.RNN(cell, **options)(x, mask=mask))


def test_a_list_of_our_cells_inside_keras_rnn():
    cells = [kr.LSTMCell(UNITS), kr.SimpleRNNCell(3), kr.GRUCell(2)]
    options = {"return_sequences": True, "return_state": True}
    x = sequences()
    close(kr.RNN(cells, **options)(x), keras.layers.RNN(cells, **options)(x))


def test_a_cell_by_itself_steps_as_keras_s():
    x = sequences()[:, 0]
    for name in CELLS:
        ours, stock = getattr(kr, name)(UNITS), getattr(keras.layers, name)(UNITS)
        states = stock.get_initial_state(batch_size=BATCH)
        stock(x, states), ours(x, states)
        ours.set_weights(stock.get_weights())
        output, states = stock(x, stock(x, states)[1])
        own_output, own_states = ours(x, ours(x, ours.get_initial_state(batch_size=BATCH))[1])
        close([own_output, own_states], [output, states])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("return_sequences", [False, True])
def test_inside_keras_bidirectional(name, return_sequences):
    ours, stock = (
        keras.layers.Bidirectional(getattr(package, name)(UNITS, return_sequences=return_sequences))
        for package in (kr, keras.layers)
    )
    x = sequences()
    ours(x), stock(x)
    ours.set_weights(stock.get_weights())
    close(ours(x), stock(x))
    close(ours(x, mask=MASK), stock(x, mask=MASK))


@pytest.mark.parametrize("wrapper", [kr.Bidirectional, keras.layers.Bidirectional])
def test_keras_layers_inside_bidirectional(wrapper):
    layer = wrapper(keras.layers.LSTM(UNITS, return_sequences=True))
    stock = keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=True))
    x = sequences()
    layer(x), stock(x)
    layer.set_weights(stock.get_weights())
    close(layer(x, mask=MASK), stock(x, mask=MASK))


@pytest.mark.parametrize("name", NAMES)
def test_inside_time_distributed(name):
    ours, stock = twins(name)
    x = np.stack([sequences(seed=n) for n in range(2)], 1)
    ours, stock = keras.layers.TimeDistributed(ours), keras.layers.TimeDistributed(stock)
    close(ours(x), stock(x))
    assert ours.compute_output_shape(x.shape) == (BATCH, 2, UNITS)


class PlainCell(keras.layers.Layer):
    """A user's cell as Keras's documentation writes it."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="u")

    def call(self, inputs, states):
        h = keras.ops.matmul(inputs, self.kernel)
        h = keras.ops.tanh(h + keras.ops.matmul(states[0], self.recurrent_kernel))
        return h, [h]


KERAS_CELLS = {
    "lstm": lambda: keras.layers.LSTMCell(UNITS, dropout=0.3, recurrent_dropout=0.2),
    "list": lambda: [keras.layers.LSTMCell(UNITS), keras.layers.GRUCell(3)],
    "plain": lambda: PlainCell(UNITS),
    "plain list": lambda: [PlainCell(UNITS), PlainCell(3)],
}


@pytest.mark.parametrize("cells", KERAS_CELLS)
@pytest.mark.parametrize("options", [{"go_backwards": True}, {"unroll": True}], ids=str)
def test_keras_cells_inside_our_rnn(cells, options):
    options = {**options, "return_sequences": True, "return_state": True}
    cells = KERAS_CELLS[cells]()
    ours, stock = kr.RNN(cells, **options), keras.layers.RNN(cells, **options)
    x = sequences()
    close(ours(x), stock(x))
    close(ours(x, mask=MASK), stock(x, mask=MASK))
    states = stock(x)[1:]
    close(ours(x, initial_state=states), stock(x, initial_state=states))
    close(ours(x, lengths=[*MASK[:2].sum(1).tolist(), 3]), stock(x, mask=_prefix([5, 2, 3])))
    assert ours.explain_engine((None, STEPS, FEATURES)).engine == "keras"


def _prefix(lengths):
    return np.arange(STEPS) < np.array(lengths)[:, None]


def test_keras_cells_train_inside_our_rnn():
    cell = keras.layers.LSTMCell(UNITS, dropout=0.5, recurrent_dropout=0.5, seed=1)
    layer = kr.RNN(cell)
    x = sequences()
    assert differ(layer(x, training=True), layer(x))
    assert cell._dropout_mask is None  # no mask is left over for the next batch
    model = keras.Sequential([keras.Input((None, FEATURES)), layer])
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(x, np.zeros((BATCH, UNITS)), verbose=0).history["loss"][0])


def test_mixed_lists_of_cells_run():
    layer = kr.RNN([kr.LSTMCell(UNITS), keras.layers.GRUCell(3)], return_state=True)
    stock = keras.layers.RNN(layer.cell.cells, return_state=True)
    x = sequences()
    close(layer(x), stock(x))


@pytest.mark.parametrize("name", ["GRU", "LSTM"])
@pytest.mark.parametrize("implementation", [0, 1, 2])
def test_implementation_is_accepted(name, implementation):
    ours, stock = twins(name, implementation=implementation)
    close(ours(sequences()), stock(sequences()))
    assert ours.get_config()["implementation"] == implementation


@pytest.mark.parametrize("name", ["GRU", "LSTM"])
@pytest.mark.parametrize("use_cudnn", ["auto", False])
def test_use_cudnn_is_accepted_and_kept(name, use_cudnn):
    ours, stock = twins(name, use_cudnn=use_cudnn)
    close(ours(sequences()), stock(sequences()))
    copy = type(ours).from_config(ours.get_config())
    assert copy.use_cudnn == use_cudnn


@pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`")
@pytest.mark.parametrize("name", NAMES)
def test_input_shape_is_accepted(name):
    model = keras.Sequential([make(name, input_shape=(STEPS, FEATURES))])
    assert model.output_shape == (None, UNITS)


@pytest.mark.parametrize("name", NAMES)
def test_initial_states_have_keras_s_structure(name):
    ours, stock = twins(name)
    mine, theirs = ours.get_initial_state(batch_size=2), stock.get_initial_state(batch_size=2)
    assert type(mine) is type(theirs)
    close(mine, theirs)


class Doubled(kr.LSTM):
    """A user's own layer on top of ours."""

    def __init__(self, units, extra=1, **kwargs):
        super().__init__(units * 2, **kwargs)
        self.extra = extra

    def call(self, sequences, initial_state=None, mask=None, training=None, *, lengths=None):
        output = super().call(sequences, initial_state, mask, training, lengths=lengths)
        return output * self.extra

    def get_config(self):
        return {**super().get_config(), "units": self.units // 2, "extra": self.extra}


def test_a_subclass_with_its_own_constructor():
    layer = Doubled(3, extra=2.0, projection_units=5)
    x = sequences()
    plain = kr.LSTM(6, projection_units=5)
    plain(x)
    layer(x)
    plain.set_weights(layer.get_weights())
    close(layer(x, lengths=[1, 2, 3]), 2 * plain(x, lengths=[1, 2, 3]))
    copy = Doubled.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_is_a_function_for_tensorflow(name):
    layer = make(name)
    x = tf.constant(sequences())
    close(tf.function(layer)(x), layer(x))
    assert "sequences" in inspect.signature(layer).parameters
    assert "units" in inspect.signature(type(layer)).parameters


def test_keras_cells_with_no_steps_and_where_keras_is_wrong():
    layer = kr.RNN(keras.layers.LSTMCell(UNITS), return_sequences=True, return_state=True)
    layer(sequences())
    outputs, *states = layer(np.zeros((BATCH, 0, FEATURES), "float32"))
    assert outputs.shape == (BATCH, 0, UNITS)
    assert not any(np.any(state) for state in states)
    with pytest.raises(ValueError, match="zeroes the wrong"):
        kr.RNN(
            keras.layers.GRUCell(UNITS), unroll=True, go_backwards=True, zero_output_for_mask=True
        )
