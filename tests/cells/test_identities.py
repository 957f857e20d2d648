"""Cells that must be the same function, each written two ways."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers.kit import FEATURES, UNITS, array, close, randomize, sequences

import keras_recurrent as kr

GATE_OPEN = 1e4  # a bias at which the sigmoid is exactly 1


def _run(cell, training=False, x=None):
    """Outputs and states of a sequence, and the gradient of the input."""
    layer = kr.RNN(cell, return_sequences=True, return_state=True)
    x = tf.constant(sequences() if x is None else x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output, *states = layer(x, training=training)
        loss = tf.reduce_sum(output**2)
    return output, states, tape.gradient(loss, x)


def _built(cell, features=FEATURES):
    cell.build((None, features))
    return randomize(cell)


def _blocks(cell, values) -> dict:
    """Column blocks of a kernel or bias by gate."""
    return dict(
        zip(cell.bank.gates, np.split(array(values), len(cell.bank.gates), -1), strict=True)
    )


def _join(cell, blocks):
    return np.concatenate([blocks[gate] for gate in cell.bank.gates], -1)


def _share(target, source, change=lambda blocks: blocks):
    """Give `target` the gated weights of `source`, block by block."""
    for name in ("kernel", "recurrent_kernel", "bias"):
        blocks = _blocks(source, getattr(source, name))
        getattr(target, name).assign(_join(target, change({**blocks})))


def test_an_lstm_with_three_options_is_a_gru():
    """Relevance gate, coupled gates, open output and no output activation: Γu is the input gate."""
    gru = _built(kr.GRUCell(UNITS, reset_after=False))
    lstm = _built(
        kr.LSTMCell(UNITS, relevance_gate=True, coupled_gates=True, output_activation="linear")
    )

    def as_lstm(blocks):
        # Γu = 1 - z, and σ(-a) = 1 - σ(a)
        blocks["input"] = -blocks.pop("update")
        blocks["output"] = np.zeros_like(blocks["input"])
        return blocks

    _share(lstm, gru, as_lstm)
    bias = _blocks(lstm, lstm.bias)
    bias["output"][:] = GATE_OPEN
    lstm.bias.assign(_join(lstm, bias))

    expected, states, gradient = _run(gru)
    output, (h, c), same_gradient = _run(lstm)
    close([output, h, c, same_gradient], [expected, states[0], states[0], gradient])


def test_a_minimal_gru_is_a_gru_whose_gates_are_one():
    minimal, gru = _built(kr.MinimalGRUCell(UNITS)), _built(kr.GRUCell(UNITS, reset_after=False))

    def with_one_gate(blocks):
        forget = blocks.pop("forget")
        return {**blocks, "update": -forget, "relevance": forget}

    _share(gru, minimal, with_one_gate)
    close(_run(gru), _run(minimal))


def test_coupled_gates_are_an_lstm_with_mirrored_forget_columns():
    coupled, plain = _built(kr.LSTMCell(UNITS, coupled_gates=True)), _built(kr.LSTMCell(UNITS))
    _share(plain, coupled, lambda blocks: {**blocks, "forget": -blocks["input"]})
    close(_run(plain), _run(coupled))


def test_a_relevance_gate_that_is_open_is_none():
    plain, gated = _built(kr.LSTMCell(UNITS)), _built(kr.LSTMCell(UNITS, relevance_gate=True))
    _share(gated, plain, lambda blocks: {**blocks, "relevance": np.zeros_like(blocks["input"])})
    gated.bias.assign(np.concatenate([plain.bias, np.full(UNITS, GATE_OPEN)]))
    close(_run(gated), _run(plain))


def test_reset_after_and_before_agree_where_the_gate_is_open():
    after, before = (_built(kr.GRUCell(UNITS, reset_after=r)) for r in (True, False))
    bias = array(after.bias)
    bias[1] = 0
    bias[0, UNITS : 2 * UNITS] = GATE_OPEN
    after.bias.assign(bias)
    before.bias.assign(bias[0])
    before.kernel.assign(after.kernel)
    before.recurrent_kernel.assign(after.recurrent_kernel)
    close(_run(after), _run(before))


# Options that change nothing for these values of the weights or arguments.
NEUTRAL = {
    "zero peephole": ({"peephole": True}, {"peephole_kernel": np.zeros((3, UNITS))}),
    "identity projection": ({"projection_units": UNITS}, {"projection_kernel": np.eye(UNITS)}),
    "wide projection clip": (
        {"projection_units": UNITS, "projection_clip": 1e6},
        {"projection_kernel": np.eye(UNITS)},
    ),
    "wide cell clip": ({"cell_clip": 1e6}, {}),
    "no zoneout": ({"zoneout": (0.0, 0.0)}, {}),
    "same output activation": ({"output_activation": "tanh"}, {}),
}


@pytest.mark.parametrize("name", NEUTRAL)
def test_neutral_options_of_the_lstm(name):
    options, weights = NEUTRAL[name]
    plain, cell = _built(kr.LSTMCell(UNITS)), _built(kr.LSTMCell(UNITS, **options))
    _share(cell, plain)
    for weight, value in weights.items():
        getattr(cell, weight).assign(value)
    close(_run(cell), _run(plain))


@pytest.mark.parametrize(
    "cell_class", [kr.SimpleRNNCell, kr.GRUCell, kr.LSTMCell, kr.MinimalGRUCell]
)
def test_no_bias_is_a_bias_of_zeros(cell_class):
    without, zeros = cell_class(UNITS, use_bias=False), cell_class(UNITS)
    for cell in (without, zeros):
        _built(cell)
    zeros.kernel.assign(without.kernel)
    zeros.recurrent_kernel.assign(without.recurrent_kernel)
    zeros.bias.assign(np.zeros(zeros.bias.shape))
    close(_run(without), _run(zeros))


def test_an_independent_cell_is_a_vanilla_cell_with_a_diagonal_kernel():
    independent = _built(kr.IndRNNCell(UNITS, activation="tanh"))
    vanilla = _built(kr.SimpleRNNCell(UNITS))
    vanilla.kernel.assign(independent.kernel)
    vanilla.recurrent_kernel.assign(np.diag(independent.recurrent_kernel))
    vanilla.bias.assign(independent.bias)
    close(_run(vanilla), _run(independent))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("cell_class", [kr.GRUCell, kr.LSTMCell])
def test_the_zoneout_wrapper_is_the_option(cell_class, training):
    option = _built(cell_class(UNITS, zoneout=0.25, seed=5))
    wrapper = kr.Zoneout(_built(cell_class(UNITS)), 0.25, seed=5)
    wrapper.cell.set_weights(option.get_weights())
    close(_run(wrapper, training), _run(option, training))


def test_zoneout_by_part_is_the_pair_of_the_option():
    option = _built(kr.LSTMCell(UNITS, zoneout=(0.5, 0.125)))
    wrapper = kr.Zoneout(kr.LSTMCell(UNITS), {"c": 0.5, "h": 0.125})
    wrapper.build((None, FEATURES))
    wrapper.cell.set_weights(option.get_weights())
    close(_run(wrapper), _run(option))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("cell_class", [kr.GRUCell, kr.LSTMCell])
def test_the_weight_drop_wrapper_is_the_option(cell_class, training):
    option = _built(cell_class(UNITS, weight_dropout=0.5, seed=5))
    wrapper = kr.WeightDrop(_built(cell_class(UNITS)), 0.5, seed=5)
    wrapper.cell.set_weights(option.get_weights())
    close(_run(wrapper, training), _run(option, training))


def test_weight_drop_is_a_plain_cell_with_fewer_weights():
    cell = _built(kr.GRUCell(UNITS, weight_dropout=0.5))
    noise = cell.draw(3, 5, training=True)
    cell.draw = lambda *_: noise
    plain = _built(kr.GRUCell(UNITS))
    plain.set_weights(cell.get_weights())
    plain.recurrent_kernel.assign(cell.recurrent_kernel * noise.weights)
    close(_run(cell, training=True), _run(plain))


def test_input_dropout_is_a_plain_cell_on_dropped_inputs():
    cell = _built(kr.LSTMCell(UNITS, dropout=0.5))
    noise = cell.draw(3, 5, training=True)
    cell.draw = lambda *_: noise
    plain = _built(kr.LSTMCell(UNITS))
    plain.set_weights(cell.get_weights())
    dropped = sequences() * noise.fixed.inputs.numpy()[:, None]
    close(_run(cell, training=True)[:2], _run(plain, x=dropped)[:2])


def test_layer_normalization_ignores_the_scale_of_the_kernel():
    for cell in (
        kr.LSTMCell(UNITS, normalization="layer"),
        kr.GRUCell(UNITS, normalization="layer"),
    ):
        _built(cell)
        before = _run(cell)[:2]
        cell.kernel.assign(100 * cell.kernel)
        cell.recurrent_kernel.assign(50 * cell.recurrent_kernel)
        close(_run(cell)[:2], before, 1e-3)  # up to the epsilon under the root


@pytest.mark.parametrize("name", ["update", "forget"])
def test_a_gate_layer_is_a_gate_of_the_cell(name):
    """`kr.Gate` and the fused bank hold the same equation."""
    cell = _built(kr.GRUCell(UNITS, reset_after=False) if name == "update" else kr.LSTMCell(UNITS))
    gate = kr.Gate(UNITS)
    x = sequences()[:, 0]
    states = cell.get_initial_state(batch_size=len(x))
    states = cell.state_type(*[s + 0.5 for s in states])
    gate(states.h, x)
    for weight in ("kernel", "recurrent_kernel", "bias"):
        getattr(gate, weight).assign(_blocks(cell, getattr(cell, weight))[name])
    weights = cell.read_weights()
    place = cell.bank.gates.index(name)
    if name == "update":
        fused = cell.bank.split(cell.project(x, weights))[place] + cell.bank.recurrent(
            states.h, weights, ["update"]
        )
    else:
        fused = cell.bank.split(cell.project(x, weights) + cell.recurrent(states.h, weights))[place]
    values = gate(states.h, x)
    close(values, keras.activations.sigmoid(fused))
    close(gate([states.h, x]), values)
    assert np.all((values > 0) & (values < 1))
