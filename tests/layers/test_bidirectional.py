"""Both directions: merge modes, states, a backward layer of one's own."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers.kit import BATCH, FEATURES, MASK, NAMES, STEPS, UNITS, close, make, sequences, states_of

import keras_recurrent as kr

MERGE = {
    "concat": lambda a, b: np.concatenate([a, b], -1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
    None: lambda a, b: (a, b),
}


@pytest.mark.parametrize("merge_mode", MERGE)
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_merge_modes(merge_mode, return_sequences, masked):
    layer = kr.Bidirectional(make("GRU", return_sequences=return_sequences), merge_mode)
    x, mask = sequences(), MASK if masked else None
    output = layer(x, mask=mask)
    forward = layer.forward_layer(x, mask=mask).numpy()
    backward = layer.backward_layer(x, mask=mask).numpy()
    if return_sequences:
        backward = backward[:, ::-1]
    close(output, MERGE[merge_mode](forward, backward))
    if masked and return_sequences:
        assert not np.any(np.concatenate(output if merge_mode is None else [output])[:3][~MASK])


@pytest.mark.parametrize("merge_mode", MERGE)
@pytest.mark.parametrize("return_state", [False, True])
def test_as_keras_s(merge_mode, return_state):
    ours, stock = (
        package.Bidirectional(
            package.LSTM(UNITS, return_sequences=True, return_state=return_state), merge_mode
        )
        for package in (kr, keras.layers)
    )
    x = sequences()
    ours(x), stock(x)
    ours.set_weights(stock.get_weights())
    close(ours(x), stock(x))
    assert type(ours(x)) is type(stock(x))
    states = states_of(make("LSTM")) + states_of(make("LSTM"), seed=2)
    close(ours(x, initial_state=states), stock(x, initial_state=states))
    for shape in [(None, None, FEATURES), (BATCH, STEPS, FEATURES)]:
        assert ours.compute_output_shape(shape) == stock.compute_output_shape(shape)
    model = keras.Model(inputs := keras.Input((None, FEATURES)), ours(inputs))
    close(model(x), stock(x))
    assert _paths(ours) == _paths(stock)


def _paths(layer):
    return [re.sub(r"_\d+(?=/)", "", w.path) for w in layer.weights]


@pytest.mark.parametrize("name", NAMES)
def test_each_direction_reads_padded_rows_in_its_own_order(name):
    layer = kr.Bidirectional(make(name, return_sequences=True))
    x, lengths = sequences(), [5, 2, 3]
    output = layer(x, lengths=lengths).numpy()
    for row, length in enumerate(lengths):
        close(output[row, :length], layer(x[row : row + 1, :length])[0])
        assert not np.any(output[row, length:])


def test_a_backward_layer_of_another_kind():
    backward = make("GRU", go_backwards=True, activation="relu")
    layer = kr.Bidirectional(make("LSTM"), backward_layer=backward)
    x = sequences()
    close(layer(x), np.concatenate([layer.forward_layer(x), backward(x)], -1))
    copy = kr.Bidirectional.from_config(layer.get_config())
    assert isinstance(copy.backward_layer, kr.GRU)
    assert copy.backward_layer.go_backwards


def test_directions_of_different_width():
    backward = make("LSTM", 3, go_backwards=True, return_sequences=True)
    layer = kr.Bidirectional(make("LSTM", return_sequences=True), backward_layer=backward)
    assert layer(sequences()).shape == (BATCH, STEPS, UNITS + 3)
    assert layer.compute_output_shape((None, None, FEATURES)) == (None, None, UNITS + 3)
    assert layer(keras.Input((None, FEATURES))).shape == (None, None, UNITS + 3)
    inputs = keras.Input((STEPS, FEATURES))
    model = keras.Model(inputs, keras.layers.Dense(2)(layer(inputs)))
    assert model(sequences()).shape == (BATCH, STEPS, 2)


def test_states_of_directions_of_different_kind():
    backward = make("GRU", go_backwards=True, return_state=True)
    layer = kr.Bidirectional(make("LSTM", return_state=True), backward_layer=backward)
    x = sequences()
    output, *states = layer(x)
    assert len(states) == 3
    assert len(layer.compute_output_shape(x.shape)) == 4
    assert len(keras.tree.flatten(layer(keras.Input((None, FEATURES))))) == 4
    close(layer(x, initial_state=[np.zeros_like(s) for s in states]), [output, *states])


def test_initial_weights():
    first = kr.Bidirectional(make("GRU"))
    first(sequences())
    layer = kr.Bidirectional(make("GRU"), weights=first.get_weights())
    close(layer(sequences()), first(sequences()))


def test_the_layer_given_is_not_touched():
    inner = make("LSTM", return_sequences=True, go_backwards=True)
    layer = kr.Bidirectional(inner, backward_layer=make("LSTM", return_sequences=True))
    layer(sequences())
    assert not inner.built
    assert layer.forward_layer.go_backwards
    assert not layer.backward_layer.go_backwards


def test_a_forward_layer_that_goes_backwards():
    options = {"return_sequences": True}
    ours, stock = (
        package.Bidirectional(
            package.GRU(UNITS, go_backwards=True, **options),
            backward_layer=package.GRU(UNITS, **options),
        )
        for package in (kr, keras.layers)
    )
    x = sequences()
    ours(x), stock(x)
    ours.set_weights(stock.get_weights())
    close(ours(x), stock(x))


def test_initial_state_that_does_not_fit():
    layer = kr.Bidirectional(make("LSTM"))
    states = states_of(make("LSTM"))
    for wrong in (states[0], states[:1] * 3, states, np.zeros((2, BATCH, UNITS))):
        with pytest.raises(ValueError, match=r"initial_state.*Received|initial_state"):
            layer(sequences(), initial_state=wrong)


def test_layers_that_do_not_fit():
    with pytest.raises(ValueError, match="go_backwards"):
        kr.Bidirectional(make("GRU"), backward_layer=make("GRU"))
    backward = make("GRU", go_backwards=True, return_sequences=True)
    with pytest.raises(ValueError, match="return_sequences"):
        kr.Bidirectional(make("GRU"), backward_layer=backward)
    with pytest.raises(ValueError, match=r"merge mode.*max"):
        kr.Bidirectional(make("GRU"), merge_mode="max")
    for wrong in (kr.LSTMCell(2), keras.layers.Dense(2), 4, None):
        with pytest.raises(ValueError, match="Received"):
            kr.Bidirectional(wrong)


def test_engine_and_options_reach_both_directions():
    layer = kr.Bidirectional(make("LSTM", engine="unroll", peephole=True, zoneout=0.25))
    for part in (layer.forward_layer, layer.backward_layer):
        assert (part.engine, part.peephole, part.zoneout) == ("unroll", True, 0.25)
    assert layer.explain_engine((None, 4, FEATURES)).engine == "unroll"


@pytest.mark.parametrize("package", [kr, keras.layers])
def test_states_of_lists_of_cells(package):
    cells = [package.LSTMCell(UNITS), package.GRUCell(3)]
    layer = kr.Bidirectional(package.RNN(cells, return_state=True))
    x = sequences()
    output, *states = layer(x)
    whole = layer(x, initial_state=[tf.zeros_like(s) for s in tf.nest.flatten(states)])
    close(whole, [output, *states])
    close(layer(x, initial_state=states), layer(x, initial_state=tf.nest.flatten(states)))
