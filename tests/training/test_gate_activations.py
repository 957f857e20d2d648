"""Gates and states over time: against NumPy, for every kind of model, and as pictures."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance.check import BATCH, STEPS
from conformance.registry import CASES, UNITS, oracle_weights
from oracle.tape import as_node

import keras_recurrent as kr
from keras_recurrent.cells.naming import noted_by
from keras_recurrent.training import gate_activations

MASK = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 1, 1, 1, 1]], bool)
GRU_GATES = {"update", "relevance", "candidate"}
LSTM_GATES = {"update", "forget", "output", "candidate"}


def sequences(features, masked=True, seed=3):
    x = np.random.default_rng(seed).normal(size=(BATCH, STEPS, features))
    return np.where(MASK[..., None], x, 0) if masked else x


def truth(case, cell, x, backwards):
    """The oracle's gates and states after each step, in the order of time."""
    weights = {name: as_node(weight) for name, weight in oracle_weights(cell).items()}
    names = cell.state_type._fields
    states = [np.zeros((BATCH, n)) for n in tf.nest.flatten(cell.state_size)]
    gates, held = [{} for _ in range(STEPS)], [None] * STEPS
    for t in reversed(range(STEPS)) if backwards else range(STEPS):
        options = {**case.options, "named": gates[t]}
        _, new = case.step(as_node(x[:, t]), tuple(map(as_node, states)), weights, options)
        pairs = zip(new, states, strict=True)
        states = [np.where(MASK[:, t, None], after.value, before) for after, before in pairs]
        held[t] = states
    gates = {name: np.stack([step[name] for step in gates], 1) for name in gates[0]}
    for gate in gates.values():
        gate[~MASK] = np.nan
    states = zip(names, zip(*held, strict=True), strict=True)
    return gates, {name: np.stack(values, 1) for name, values in states}


@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_cell_against_numpy(case, backwards):
    cell = case.make(dtype="float64")
    rnn = kr.RNN(cell, go_backwards=backwards, dtype="float64", name="seen")
    masking = keras.layers.Masking(dtype="float64")
    model = keras.Sequential([keras.Input((STEPS, case.features), dtype="float64"), masking, rnn])
    rng = np.random.default_rng(7)
    for variable in cell.trainable_variables:
        variable.assign(variable + 0.3 * rng.normal(size=variable.shape))
    x = sequences(case.features)

    seen = gate_activations(model, x).layers["seen"]

    gates, states = truth(case, cell, x, backwards)
    np.testing.assert_array_equal(seen.mask, MASK)
    assert seen.gates.keys() == gates.keys()
    assert list(seen.states) == list(states)
    for got, expected in ((seen.gates, gates), (seen.states, states)):
        for name in expected:
            np.testing.assert_allclose(got[name], expected[name], rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("engine", ["loop", "compiled"])
def test_engines_are_left_alone_and_their_states_are_these(engine):
    layer = kr.LSTM(UNITS, engine=engine, return_sequences=True, coupled_gates=True)
    model = keras.Sequential([keras.Input((STEPS, 2)), layer])
    x = sequences(2, masked=False).astype("float32")
    before = model.predict(x, verbose=0)
    seen = gate_activations(model, x).layers[layer.name]
    np.testing.assert_allclose(seen.states["h"], before, atol=1e-6)
    np.testing.assert_allclose(seen.gates["forget"], 1 - seen.gates["update"], atol=1e-6)
    assert seen.mask.all()
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


def test_names_cost_a_graph_nothing():
    """Traced while somebody looks or not, a step is the same operations."""
    cell = kr.GRUCell(UNITS)
    cell.build((None, 3))

    def operations():
        function = tf.function(lambda x, h: cell(x, [h])[0])
        graph = function.get_concrete_function(tf.zeros((2, 3)), tf.zeros((2, UNITS))).graph
        return [operation.type for operation in graph.get_operations()]

    plain = operations()
    with noted_by(lambda *_: None):
        noted = operations()
    assert len(noted) == len(plain) + 2  # 1 - z: a constant and a difference


class Net(keras.Model):
    """A subclassed model whose call is a function of its own, without `training`."""

    def __init__(self):
        super().__init__()
        lower = kr.GRU(3, return_sequences=True, engine="loop", name="gru")
        self.both = kr.Bidirectional(lower, name="both")
        cells = [kr.Zoneout(kr.MinimalGRUCell(4), 0.2), kr.Residual(kr.LSTMCell(4))]
        self.upper = kr.RNN(cells, engine="loop", name="upper")

    def build(self, shape):
        self.both.build(shape)
        self.upper.build((*shape[:2], 6))

    @tf.function
    def call(self, x):
        return self.upper(self.both(x))


def test_directions_and_cells_within_cells_of_a_subclassed_model():
    model, x = Net(), sequences(2, masked=False)
    output = model(x)
    seen = gate_activations(model, x).layers
    assert list(seen) == ["forward_gru", "backward_gru", "upper/1", "upper/2"]
    assert seen["upper/1"].gates.keys() == {"update", "candidate"}
    assert seen["upper/2"].gates.keys() == LSTM_GATES
    np.testing.assert_allclose(
        seen["upper/2"].states["h"][:, -1] + seen["upper/1"].states["h"][:, -1], output, atol=1e-6
    )
    forward, backward = seen["forward_gru"].states["h"], seen["backward_gru"].states["h"]
    np.testing.assert_allclose(np.concatenate([forward, backward], -1), model.both(x), atol=1e-6)


def test_stacks_nested_models_shared_layers_and_several_inputs():
    stack = kr.Stack([kr.GRU(2, return_sequences=True, name="low"), kr.GRU(2, name="high")])
    encoder = keras.Sequential([keras.Input((STEPS, 2)), stack], name="encoder")
    other = keras.Sequential([keras.Input((STEPS, 2)), kr.SimpleRNN(2, name="low")], name="other")
    inputs = {name: keras.Input((STEPS, 2), name=name) for name in ("a", "b")}
    outputs = keras.layers.Add()([encoder(inputs["a"]), other(inputs["b"]), encoder(inputs["b"])])
    model = keras.Model(inputs, outputs)
    x = {"a": sequences(2), "b": sequences(2, seed=4)}

    seen = gate_activations(model, x).layers

    low, high = stack.layers[0].path, "high"
    assert set(seen) == {low, high, f"{low}/call_2", "high/call_2", other.layers[0].path}
    expected = sum(seen[name].states["h"][:, -1] for name in (high, "high/call_2"))
    expected = expected + seen[other.layers[0].path].states["h"][:, -1]
    np.testing.assert_allclose(expected, model(x), atol=1e-6)
    assert not seen[other.layers[0].path].gates  # a vanilla cell has none


def test_stateful_layers_go_on_and_stay_as_they_were():
    layer = kr.LSTM(UNITS, stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=(BATCH, STEPS, 2)), layer])
    x = sequences(2, masked=False)
    model(x)
    kept = [state.numpy() for state in layer.states]
    seen = gate_activations(model, x).layers[layer.name]
    for state, before in zip(layer.states, kept, strict=True):
        np.testing.assert_array_equal(state, before)
    np.testing.assert_allclose(model(x), seen.states["h"][:, -1], atol=1e-6)


def test_a_stateful_bilm_stays_as_it_was():
    bilm = kr.elmo.BiLM(num_layers=1, units=3, projection_units=2, stateful=True)
    ids = kr.elmo.batch_to_ids([["a", "word"]])
    first = np.array(bilm(ids).activations[-1])
    bilm.reset_state()
    seen = gate_activations(bilm, ids)
    assert all(s.gates.keys() == LSTM_GATES for s in seen.layers.values())
    np.testing.assert_array_equal(bilm(ids).activations[-1], first)


@keras.saving.register_keras_serializable("test_gate_activations")
class Leaky(kr.GatedCell):
    """h(t) = (1 - g) h(t-1) + g tanh(...), g named or not."""

    gates = ("leak", "candidate")
    tells = True

    def step(self, z, states, weights, noise=None):
        leak, new = self.bank.split(z + self.recurrent(states.h, weights, noise))
        leak = tf.sigmoid(leak)
        if self.tells:
            leak = self.named("leak", leak)
        h = states.h + leak * (tf.tanh(new) - states.h)
        return h, kr.HiddenState(h)


class Silent(Leaky):
    tells = False


def test_a_user_s_cell_shows_what_it_names():
    x = sequences(2, masked=False).astype("float32")
    for cell, names in ((Leaky(UNITS), {"leak"}), (Silent(UNITS), set())):
        layer = kr.RNN(cell, return_sequences=True)
        seen = gate_activations(layer, x).layers[layer.name]
        assert seen.gates.keys() == names
        np.testing.assert_allclose(seen.states["h"], layer(x), atol=1e-6)


@pytest.mark.parametrize(
    ("cell", "states"),
    [
        (lambda: keras.layers.LSTMCell(3, dropout=0.5), ["h", "c"]),
        (lambda: keras.layers.GRUCell(3), ["h"]),
        (
            lambda: [keras.layers.GRUCell(2), keras.layers.LSTMCell(3)],
            ["state_1", "state_2", "state_3"],
        ),
    ],
)
def test_stock_cells_in_our_layer_show_their_states(cell, states):
    layer = kr.RNN(cell(), go_backwards=True)
    x = sequences(2)
    masked = keras.Sequential([keras.Input((STEPS, 2)), keras.layers.Masking(), layer])
    seen = gate_activations(masked, x).layers[layer.name]
    assert list(seen.states) == states
    assert not seen.gates
    shown = seen.states[states[0] if len(states) < 3 else "state_2"]
    np.testing.assert_allclose(shown[:, 0], masked(x), atol=1e-6)


def test_a_layer_within_time_and_16_bit_values():
    model = keras.Sequential(
        [
            keras.Input((2, STEPS, 3)),
            keras.layers.TimeDistributed(kr.GRU(2, name="inner", dtype="mixed_bfloat16")),
        ]
    )
    x = np.ones((BATCH, 2, STEPS, 3), "float32")
    seen = gate_activations(model, x).layers
    assert list(seen) == ["inner", "inner/call_2"]
    assert seen["inner"].gates["update"].dtype == np.float32


# ---------------------------------------------------------------- refusals


def test_what_has_nothing_to_show_is_refused():
    x = sequences(2)
    stock = keras.Sequential([keras.Input((STEPS, 2)), keras.layers.LSTM(2, name="old")])
    with pytest.raises(ValueError, match=r"Use kr\.LSTM.*set_weights.*Received: \['old'\]"):
        gate_activations(stock, x)
    dense = keras.Sequential([keras.Input((STEPS, 2)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="there are none in"):
        gate_activations(dense, x)
    with pytest.raises(TypeError, match="must be a Keras model or layer"):
        gate_activations(lambda x: x, x)


@pytest.mark.parametrize("x", [np.zeros((0, 5, 2)), np.zeros((2, 0, 2)), [np.zeros((2, 0, 2))], []])
def test_empty_input_is_refused(x):
    with pytest.raises(ValueError, match=r"at least one sequence.*Received: shapes"):
        gate_activations(kr.GRU(2), x)


def test_wrong_shapes_are_named():
    model = keras.Sequential([keras.Input((STEPS, 2)), kr.GRU(2)])
    with pytest.raises(ValueError, match=r"\(5, 2\)"):
        gate_activations(model, np.zeros((STEPS, 2)))


class Idle(keras.Model):
    def __init__(self):
        super().__init__()
        self.rnn = kr.GRU(2)

    def call(self, x):
        return x


def test_layers_that_are_not_called_are_refused():
    with pytest.raises(ValueError, match="called none of its recurrent layers"):
        gate_activations(Idle(), sequences(2))


def test_a_layer_called_in_a_graph_is_refused():
    layer = kr.GRU(2)
    layer.build((None, STEPS, 2))
    graph = keras.layers.Lambda(lambda x: _in_a_graph(layer, x))
    model = keras.Sequential([layer, graph])
    with pytest.raises(ValueError, match="called inside a graph"):
        gate_activations(model, sequences(2))


def _in_a_graph(layer, _):
    with tf.Graph().as_default():
        return layer(tf.zeros((2, STEPS, 2)))


# ---------------------------------------------------------------- pictures


@pytest.fixture(scope="module")
def seen():
    model = keras.Sequential(
        [
            keras.Input((STEPS, 2)),
            keras.layers.Masking(),
            kr.LSTM(UNITS, return_sequences=True, name="low"),
            kr.GRU(3, name="high"),
        ]
    )
    return gate_activations(model, sequences(2))


def panels(figure):
    """The heat maps by the label of their colour bar, column by column."""
    shown = [axis for axis in figure.axes if axis.images and axis.axison]
    return [(axis.images[0].colorbar.ax.get_ylabel(), axis) for axis in shown]


def test_a_plot_shows_gates_from_0_to_1_beside_the_tokens(seen):
    figure = seen.plot(row=2, tokens=["w", "x", "y", "z"], layer="low")
    shown = dict(panels(figure))
    labels = [r"$\Gamma_u$", r"$\Gamma_f$", r"$\Gamma_o$", r"$\tilde{c}$", "$c$", "$h$"]
    assert [label.split()[0] for label in shown] == labels
    forget = shown[r"$\Gamma_f$ forget"].images[0]
    assert forget.get_clim() == (0, 1)
    np.testing.assert_allclose(
        forget.get_array().filled(np.nan), seen.layers["low"].gates["forget"][2].T
    )
    cell = shown["$c$ cell"].images[0]
    assert cell.get_clim()[0] == -cell.get_clim()[1] < 0
    assert np.isnan(cell.get_array().filled(np.nan)[:, 0]).all()  # a masked step
    lowest = shown["$h$ hidden state"]
    assert [label.get_text() for label in lowest.get_xticklabels()] == ["w", "x", "y", "z"]
    assert list(lowest.get_xticks()) == [2, 3, 4, 5]  # steps count from 1


def test_a_plot_of_several_layers_leaves_out_what_they_lack(seen):
    figure = seen.plot(gates=["forget", "relevance", "h"])
    assert len(panels(figure)) == 4  # two of each layer
    assert [axis.get_title() for axis in figure.axes if axis.get_title()] == ["low", "high"]
    assert len(panels(seen.plot(gates=["forget"]))) == 1
    figure.canvas.draw()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"row": 3}, "one of the 3 sequences. Received: row=3"),
        ({"row": 1.5}, "one of the 3 sequences. Received: row=1.5"),
        ({"layer": "gru"}, r"name some of \['low', 'high'\]. Received: layer='gru'"),
        ({"gates": ["reset"]}, r"Received: gates=\['reset'\]"),
        ({"gates": []}, r"Received: gates=\[\]"),
        ({"tokens": ["one"]}, "each of the 5 time steps, or each of the 3 .* Received: 1 tokens"),
    ],
)
def test_plots_of_what_is_not_there_are_refused(seen, arguments, message):
    with pytest.raises(ValueError, match=message):
        seen.plot(**arguments)


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_zero_has_the_colour_of_the_background(seen, style):
    matplotlib = pytest.importorskip("matplotlib")
    with matplotlib.style.context(style):
        shown = dict(panels(seen.plot(layer="low")))
        middle = shown["$h$ hidden state"].images[0].cmap(0.5)
        background = matplotlib.colors.to_rgba(matplotlib.rcParams["axes.facecolor"])
    np.testing.assert_allclose(middle, background, atol=0.01)


def test_a_plot_without_matplotlib_says_so(seen, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"keras-recurrent\[plot\]"):
        seen.plot()
