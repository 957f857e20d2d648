"""Cells around cells, and several cells as one."""

import keras
import numpy as np
import pytest
from layers.kit import BATCH, FEATURES, STEPS, UNITS, close, differ, sequences

import keras_recurrent as kr
from keras_recurrent.cells import StackedCells

CELLS = {
    "SimpleRNN": kr.SimpleRNNCell,
    "GRU": kr.GRUCell,
    "LSTM": kr.LSTMCell,
    "IndRNN": kr.IndRNNCell,
    "MinimalGRU": kr.MinimalGRUCell,
}
WRAPPERS = {
    "Zoneout": lambda cell: kr.Zoneout(cell, 0.25),
    "WeightDrop": lambda cell: kr.WeightDrop(cell, 0.25),
    "Residual": kr.Residual,
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", CELLS)
def test_every_wrapper_takes_every_cell(name, wrapper):
    inner = CELLS[name](UNITS, dropout=0.2, recurrent_dropout=0.2)
    cell = WRAPPERS[wrapper](inner)
    x = sequences(features=UNITS)
    layer = kr.RNN(cell, return_sequences=True, return_state=True)
    output, *states = layer(x)
    assert output.shape == (BATCH, STEPS, UNITS)
    assert len(states) == len(inner.get_initial_state(batch_size=1))
    assert differ(layer(x, training=True), [output, *states])
    close(list(layer.weights), inner.weights)
    copy = type(cell).from_config(cell.get_config())
    assert copy.get_config() == cell.get_config()
    plain = kr.RNN(inner, return_sequences=True)(x)
    if wrapper == "Residual":
        close(output, plain + x)
    if wrapper == "WeightDrop":
        close(output, plain)
    if wrapper == "Zoneout":
        assert differ(output, plain)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_cell_steps_by_itself(wrapper):
    cell = WRAPPERS[wrapper](kr.LSTMCell(UNITS))
    x = sequences(features=UNITS)
    states = cell.get_initial_state(batch_size=BATCH)
    output, states = cell(x[:, 0], states)
    output, states = cell(x[:, 1], states)
    close([output, *states], kr.RNN(cell, return_state=True)(x[:, :2]))


def test_wrappers_take_the_type_of_their_cell():
    cell = kr.Residual(kr.Zoneout(kr.GRUCell(UNITS, dtype="mixed_float16"), 0.5))
    assert cell.compute_dtype == cell.cell.compute_dtype == "float16"
    assert kr.RNN(cell, dtype="mixed_float16")(sequences(features=UNITS)).dtype == "float16"


def test_zoneout_of_one_part():
    cell = kr.Zoneout(kr.LSTMCell(UNITS), {"c": 0.5})
    x = sequences()[:, 0]
    states = kr.LSTMState(*[np.full((BATCH, UNITS), v, "float32") for v in (0.5, 0.25)])
    output, (h, c) = cell(x, states)
    _, (plain_h, plain_c) = cell.cell(x, states)
    close([h, c], [plain_h, 0.5 * states.c + 0.5 * plain_c])
    close(output, h)


def test_the_output_follows_the_zoned_state():
    cell = kr.Zoneout(kr.GRUCell(UNITS), 0.5)
    x = sequences()[:, 0]
    old = np.ones((BATCH, UNITS), "float32")
    output, (h,) = cell(x, [old])
    _, (plain,) = cell.cell(x, [old])
    close([output, h], [0.5 * old + 0.5 * plain] * 2)


def test_stacked_cells_step_in_a_row():
    cells = [kr.LSTMCell(UNITS), kr.Zoneout(kr.GRUCell(3), 0.25), kr.IndRNNCell(2)]
    stack = StackedCells(cells)
    x = sequences()
    states = stack.get_initial_state(batch_size=BATCH)
    y, expected = x[:, 0], []
    output, new_states = stack(x[:, 0], states)
    for cell, state in zip(cells, states, strict=True):
        y, state = cell(y, list(state))
        expected.append(state)
    close([output, new_states], [y, expected])
    assert stack.state_size == [c.state_size for c in cells]
    assert stack.output_size == 2
    close(kr.RNN(stack)(x), kr.RNN(cells)(x))


def test_stacks_of_stacks():
    inner = StackedCells([kr.LSTMCell(UNITS), kr.GRUCell(3)])
    flat = [*inner.cells, kr.SimpleRNNCell(2)]
    nested = kr.RNN([inner, flat[-1]], return_state=True)
    x = sequences()
    close(nested(x), kr.RNN(flat, return_state=True)(x))


def test_noise_of_stacked_cells_reaches_every_cell():
    cells = [
        kr.GRUCell(UNITS, dropout=0.5),
        kr.GRUCell(UNITS),
        kr.Zoneout(kr.LSTMCell(UNITS), 0.5),
        kr.WeightDrop(kr.IndRNNCell(UNITS), 0.5),
    ]
    layer = kr.RNN(cells, return_state=True)
    x = sequences()
    assert differ(layer(x, training=True), layer(x, training=True))
    close(layer(x), layer(x, training=False))
    noise = layer.cell.draw(BATCH, STEPS, training=True)
    assert [n is None for n in layer.cell._split(noise)] == [False, True, False, False]


def test_residual_needs_equal_widths():
    with pytest.raises(ValueError, match=rf"gives {UNITS}.*{FEATURES}"):
        kr.RNN(kr.Residual(kr.LSTMCell(UNITS)))(sequences())
    projected = kr.Residual(kr.LSTMCell(UNITS, projection_units=FEATURES))
    assert kr.RNN(projected)(sequences()).shape == (BATCH, FEATURES)


def test_what_cannot_be_wrapped():
    for wrong in (keras.layers.LSTMCell(2), kr.LSTM(2), StackedCells([kr.GRUCell(2)]), 3, None):
        for wrapper in WRAPPERS.values():
            with pytest.raises(TypeError, match="Received: cell="):
                wrapper(wrong)


def test_weight_drop_needs_a_recurrent_kernel():
    class NoKernel(kr.Cell):
        state_size = output_size = 2

        def read_weights(self, noise=None):
            return ()

        def project(self, inputs, weights, noise=None):
            return inputs

        def step(self, z, states, weights, noise=None):
            return z, [z]

    with pytest.raises(TypeError, match=r"recurrent_kernel.*Received: NoKernel"):
        kr.RNN(kr.WeightDrop(NoKernel(), 0.5))(sequences())


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan"), "0.1", None, True])
def test_wrong_rates(rate):
    for wrapper in (kr.Zoneout, kr.WeightDrop):
        with pytest.raises(ValueError, match=r"rate.*Received"):
            wrapper(kr.GRUCell(2), rate)
    with pytest.raises(ValueError, match="Received"):
        kr.Zoneout(kr.LSTMCell(2), {"c": rate})
    for names in ({}, {"cell": 0.5}):
        with pytest.raises(ValueError, match=r"'h', 'c'.*Received"):
            kr.Zoneout(kr.LSTMCell(2), names)
