"""`Stack`: recurrent layers on top of each other as one."""

import keras
import numpy as np
import pytest
from layers.kit import BATCH, FEATURES, MASK, STEPS, UNITS, close, make, sequences

import keras_recurrent as kr


def _layers(names=("LSTM", "GRU", "SimpleRNN"), last=None, **options):
    options = {"return_sequences": True, **options}
    layers = [make(name, **options) for name in names[:-1]]
    return [*layers, make(names[-1], **{**options, **(last or {})})]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_a_stack_is_its_layers_in_a_row(residual, masked):
    stack = kr.Stack(_layers(), residual=residual)
    x, mask = sequences(), MASK if masked else None
    output = stack(x, mask=mask)
    y = stack.layers[0](x, mask=mask)
    for layer in stack.layers[1:]:
        y = layer(y, mask=mask) + (y if residual else 0)
    close(output, y)


def test_a_stack_equals_a_list_of_cells():
    cells = [kr.LSTMCell(UNITS), kr.GRUCell(3)]
    one_loop = kr.RNN(cells, return_state=True, return_sequences=True)
    options = {"return_state": True, "return_sequences": True}
    stack = kr.Stack([kr.RNN(cell, **options) for cell in cells])
    x = sequences()
    close(stack(x, lengths=[5, 2, 3]), one_loop(x, lengths=[5, 2, 3]))


def test_states_are_one_flat_list():
    stack = kr.Stack(_layers(("LSTM", "GRU"), return_state=True))
    x = sequences()
    _output, *states = stack(x)
    assert len(states) == 3
    assert len(stack.compute_output_shape((None, None, FEATURES))) == 4
    assert len(stack(keras.Input((None, FEATURES)))) == 4
    whole = stack(np.concatenate([x, x], 1))
    close(stack(x, initial_state=states)[1:], whole[1:])
    nested = [states[:2], states[2]]
    close(stack(x, initial_state=nested), stack(x, initial_state=states))


def test_bidirectional_layers_in_a_stack():
    layers = [
        kr.Bidirectional(make("LSTM", return_sequences=True, return_state=True)),
        kr.Bidirectional(make("GRU", return_sequences=True, return_state=True), merge_mode="sum"),
    ]
    stack = kr.Stack(layers)
    x = sequences()
    output, *states = stack(x)
    assert output.shape == (BATCH, STEPS, UNITS)
    assert len(states) == 6
    close(stack(x, initial_state=[np.zeros_like(s) for s in states]), [output, *states])


def test_stacks_in_a_stack():
    inner = kr.Stack(_layers(("LSTM", "GRU")))
    stack = kr.Stack([inner, make("GRU")])
    x = sequences()
    close(stack(x, lengths=[5, 2, 3]), stack.layers[1](inner(x, lengths=[5, 2, 3])))


def test_stacks_with_states_in_a_stack():
    inner = kr.Stack(_layers(("LSTM", "GRU"), return_state=True))
    stack = kr.Stack([inner, make("GRU", return_state=True)])
    x = sequences()
    output, *states = stack(x)
    assert len(states) == 4
    close(stack(x, initial_state=[np.zeros_like(s) for s in states]), [output, *states])


def test_keras_layers_in_a_stack():
    stack = kr.Stack([keras.layers.LSTM(UNITS, return_sequences=True), keras.layers.GRU(UNITS)])
    x = sequences()
    output = stack(x, mask=MASK)
    first, second = stack.layers
    close(output, second(first(x, mask=MASK), mask=MASK))


def test_a_stack_trains_and_predicts():
    stack = kr.Stack(_layers(("LSTM", "GRU"), last={"return_sequences": False}))
    model = keras.Sequential([keras.Input((None, FEATURES)), stack, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x, y = sequences(8), np.ones((8, 1))
    losses = model.fit(x, y, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert len(model.trainable_weights) == 2 * 3 + 2


def test_engines_of_a_stack():
    stack = kr.Stack([*_layers(("GRU", "LSTM"), engine="unroll"), make("GRU", engine="loop")])
    choices = stack.explain_engine((None, 5, FEATURES))
    assert [c.engine for c in choices] == ["unroll", "unroll", "loop"]


@pytest.mark.parametrize(
    "layers", [[], None, kr.LSTM(2), [keras.layers.Dense(2)], [kr.LSTMCell(2)], "LSTM"], ids=repr
)
def test_no_layers(layers):
    with pytest.raises(ValueError, match=r"recurrent layer.*Received"):
        kr.Stack(layers)


def test_layers_that_do_not_fit():
    with pytest.raises(ValueError, match="return_sequences=False in 'low'"):
        kr.Stack([make("GRU", name="low"), make("GRU")])
    with pytest.raises(ValueError, match="return_state"):
        kr.Stack([make("GRU", return_sequences=True, return_state=True), make("GRU")])
    with pytest.raises(ValueError, match="return_sequences=False"):
        kr.Stack(_layers(last={"return_sequences": False}), residual=True)
    layers = [make("GRU", return_sequences=True), make("GRU", 3, return_sequences=True)]
    with pytest.raises(ValueError, match="reads 4 and gives 3"):
        kr.Stack(layers, residual=True)(sequences())
    with pytest.raises(ValueError, match="residual"):
        kr.Stack(_layers(), residual="yes")


def test_states_that_do_not_fit():
    stack = kr.Stack(_layers())
    with pytest.raises(ValueError, match=r"has 4 tensors.*Received: 1"):
        stack(sequences(), initial_state=[np.zeros((BATCH, UNITS))])
    with pytest.raises(ValueError, match="stateful"):
        stack.reset_state([np.zeros((BATCH, UNITS))] * 4)


def test_a_pair_of_outputs_in_a_stack_is_refused():
    pair = kr.Bidirectional(make("GRU", return_sequences=True), merge_mode=None)
    with pytest.raises(ValueError, match="Received"):
        kr.Stack([pair, make("GRU")])(sequences())


@pytest.mark.parametrize("around", ["Bidirectional", "Stack"])
def test_stock_layers_inside(around):
    stock = keras.layers.LSTM(UNITS, stateful=True)
    layer = kr.Bidirectional(stock) if around == "Bidirectional" else kr.Stack([stock])
    first = layer(sequences())
    layer.reset_states()
    close(layer(sequences()), first)
    with pytest.raises(ValueError, match="stock layer"):
        layer.reset_state(rows=[0])
    choice = layer.explain_engine((None, STEPS, FEATURES))
    assert "keras" in str(choice)
    assert "stock layer" in str(choice)
