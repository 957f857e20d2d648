"""The state: given, returned, kept between batches, reset."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers.kit import (
    BATCH,
    FEATURES,
    NAMES,
    STEPS,
    UNITS,
    array,
    close,
    differ,
    make,
    randomize,
    sequences,
    states_of,
    twins,
)

import keras_recurrent as kr


def _parts(name: str) -> list[str]:
    return ["h", "c"] if name == "LSTM" else ["h"]


@pytest.mark.parametrize("name", NAMES)
def test_initial_state_in_every_form(name):
    layer = make(name, return_state=True)
    x = sequences()
    layer(x)
    states = states_of(layer)
    expected = layer(x, initial_state=states)
    assert differ(expected, layer(x))
    forms = [tuple(states), [tf.constant(s) for s in states], [s.astype("float64") for s in states]]
    forms.append(layer.cell.state_type(*states))
    if len(states) == 1:
        forms += [states[0], tf.constant(states[0])]
    for form in forms:
        close(layer(x, initial_state=form), expected)
    close(layer(x, states), expected)


def test_a_dictionary_of_states_goes_by_its_names():
    layer = make("LSTM")
    x = sequences()
    layer(x)
    h, c = states_of(layer)
    try:
        received = layer(x, initial_state={"h": h, "c": c})
    except (TypeError, ValueError):
        return  # refused is fine, swapped is not
    close(received, layer(x, initial_state=[h, c]))


@pytest.mark.parametrize("name", NAMES)
def test_returned_states(name):
    layer = make(name, return_state=True, return_sequences=True)
    outputs, *states = layer(sequences())
    assert len(states) == len(_parts(name))
    assert all(s.shape == (BATCH, UNITS) for s in states)
    close(outputs[:, -1], states[0])
    last, *same = make_like(layer, return_sequences=False)(sequences())
    close([last, *same], [outputs[:, -1], *states])


def make_like(layer, **changes):
    """A layer with the same weights and some options changed."""
    copy = type(layer).from_config({**layer.get_config(), **changes})
    copy.build(layer.get_build_config()["input_shape"])
    copy.set_weights(layer.get_weights())
    return copy


def test_states_have_names():
    layer = make("LSTM", return_state=True, projection_units=2)
    h, c = (states := kr.LSTMState(*layer(sequences())[1:]))
    assert (states.h is h, states.c is c) == (True, True)
    assert (h.shape, c.shape) == ((BATCH, 2), (BATCH, UNITS))
    assert layer.cell.get_initial_state(batch_size=2)._fields == ("h", "c")
    assert kr.GRUCell(2).get_initial_state(batch_size=2)._fields == ("h",)


def test_states_of_a_list_of_cells():
    cells = [kr.LSTMCell(UNITS), kr.GRUCell(3), kr.SimpleRNNCell(2)]
    layer = kr.RNN(cells, return_state=True)
    x = sequences()
    output, *states = layer(x)
    assert [len(s) if isinstance(s, list | tuple) else 1 for s in states] == [2, 1, 1]
    shapes = [tuple(s.shape) for s in keras.tree.flatten(states)]
    assert shapes == [(BATCH, UNITS), (BATCH, UNITS), (BATCH, 3), (BATCH, 2)]
    close(output, keras.tree.flatten(states)[-1])
    close(layer(x, initial_state=states), layer(x, initial_state=keras.tree.flatten(states)))
    close(layer(x), keras.layers.RNN(cells, return_state=True)(x))


@pytest.mark.parametrize("name", NAMES)
def test_stateful_batches_are_one_long_sequence(name):
    ours, stock = twins(name, stateful=True, return_sequences=True)
    whole = make_like(ours, stateful=False)
    x = sequences(steps=3 * STEPS)
    expected = whole(x)
    parts = [x[:, :STEPS], x[:, STEPS : 2 * STEPS], x[:, 2 * STEPS :]]
    close(np.concatenate([ours(p) for p in parts], 1), expected)
    close(np.concatenate([stock(p) for p in parts], 1), expected)
    close(ours.states, stock.states)


@pytest.mark.parametrize("name", NAMES)
def test_stateful_in_predict_and_fit(name):
    layer = make(name, stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=(BATCH, STEPS, FEATURES)), layer])
    x = sequences(steps=2 * STEPS)
    first = model.predict(x[:, :STEPS], verbose=0)
    second = model.predict(x[:, STEPS:], verbose=0)
    close(second, make_like(layer, stateful=False)(x))
    close(layer.states[0], second)
    layer.reset_state()
    close(model.predict(x[:, :STEPS], verbose=0), first)
    model.compile("sgd", "mse")
    before = array(layer.states[0])
    model.fit(x[:, STEPS:], second, verbose=0)
    assert differ(before, layer.states[0])


@pytest.mark.parametrize("name", NAMES)
def test_initial_state_overrides_the_kept_one(name):
    layer = make(name, stateful=True)
    x = sequences()
    layer(x)
    states = states_of(layer)
    close(layer(x, initial_state=states), make_like(layer, stateful=False)(x, initial_state=states))


def test_stateful_refuses_another_batch_size():
    layer = make("GRU", stateful=True)
    layer(sequences())
    with pytest.raises(ValueError, match=r"3 rows.*4 rows"):
        layer(sequences(4))
    with pytest.raises(ValueError, match="batch size"):
        make("GRU", stateful=True)(keras.Input((STEPS, FEATURES)))


def test_stateful_refuses_another_batch_size_inside_a_function():
    layer = make("GRU", stateful=True)
    layer(sequences())
    run = tf.function(lambda x: layer(x), input_signature=[tf.TensorSpec([None, STEPS, FEATURES])])
    close(run(sequences()), layer.states[0])
    before = array(layer.states[0])
    for batch in (1, 4):  # one row would be broadcast
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
            run(sequences(batch))
    close(layer.states[0], before)


def test_a_stateful_layer_refuses_the_short_batch_at_the_end_of_predict():
    """One row left over would be added to the states of all rows."""
    inputs = keras.Input(batch_shape=(2, STEPS, FEATURES))
    model = keras.Sequential([inputs, make("GRU", stateful=True)])
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        model.predict(sequences(3), batch_size=2, verbose=0)


@pytest.mark.parametrize("name", NAMES)
def test_reset_state_to_values(name):
    layer = make(name, stateful=True)
    layer(sequences())
    states = states_of(layer)
    layer.reset_state(states=states)
    close(layer.states, states)
    expected = make_like(layer, stateful=False)(sequences(), initial_state=states)
    close(layer(sequences()), expected)
    layer.reset_states()
    close(layer.states, [np.zeros_like(s) for s in states])


@pytest.mark.parametrize(
    "rows", [[0, 2], np.array([0, 2]), [True, False, True], np.array([True, False, True]), (0, 2)]
)
def test_reset_some_rows(rows):
    layer = make("LSTM", stateful=True)
    layer(sequences())
    before = [array(s) for s in layer.states]
    layer.reset_state(rows=rows)
    for old, new in zip(before, layer.states, strict=True):
        close(new, old * [[0], [1], [0]])
    values = states_of(layer, batch=2)
    layer.reset_state(states=values, rows=rows)
    for old, new, value in zip(before, layer.states, values, strict=True):
        close(new, np.stack([value[0], old[1], value[1]]))


def test_reset_one_row_by_number():
    layer = make("GRU", stateful=True)
    layer(sequences())
    kept = array(layer.states[0])
    layer.reset_state(rows=1)
    close(layer.states[0], kept * [[1], [0], [1]])
    layer.reset_state(rows=[])
    close(layer.states[0], kept * [[1], [0], [1]])


@pytest.mark.parametrize("rows", [[3], [-1], [0.5], [True], [[0, 1]], "all", None])
def test_reset_refuses_wrong_rows(rows):
    layer = make("GRU", stateful=True)
    layer(sequences())
    before = array(layer.states[0])
    states = np.ones((2, UNITS))  # None means all three rows
    with pytest.raises(ValueError, match="Received"):
        layer.reset_state(states=states, rows=rows)
    close(layer.states[0], before)


def test_reset_refuses_wrong_states():
    layer = make("LSTM", stateful=True)
    layer(sequences())
    for states in ([np.ones((BATCH, UNITS))], np.ones((BATCH, UNITS)), [np.ones((2, UNITS))] * 2):
        with pytest.raises(ValueError, match="Received"):
            layer.reset_state(states)
    with pytest.raises(ValueError, match="stateful"):
        make("LSTM").reset_state(states_of(layer))
    make("LSTM").reset_state()  # nothing to reset, as in Keras


def test_a_stateful_list_of_cells():
    cells = [kr.LSTMCell(UNITS), kr.GRUCell(3)]
    layer = kr.RNN(cells, stateful=True)
    x = sequences(steps=2 * STEPS)
    layer(x[:, :STEPS])
    close(layer(x[:, STEPS:]), kr.RNN(cells)(x))
    layer.reset_state()  # keras.layers.RNN raises here
    close(layer(x[:, :STEPS]), kr.RNN(cells)(x[:, :STEPS]))
    values = [np.ones((BATCH, UNITS)), np.zeros((BATCH, UNITS)), np.ones((BATCH, 3))]
    layer.reset_state(values)
    close(layer.states, values)


def test_a_stateful_keras_cell():
    cell = keras.layers.LSTMCell(UNITS)
    layer = kr.RNN(cell, stateful=True)
    x = sequences(steps=2 * STEPS)
    layer(x[:, :STEPS])
    close(layer(x[:, STEPS:]), keras.layers.RNN(cell)(x))
    layer.reset_state(rows=[0])
    assert not np.any(layer.states[0][0])
    assert np.any(layer.states[0][1])


def test_a_stateful_stack():
    stack = kr.Stack(
        [
            make("LSTM", stateful=True, return_sequences=True, return_state=True),
            make("GRU", stateful=True, return_state=True),
        ]
    )
    x = sequences(steps=2 * STEPS)
    whole = stack(x)
    stack.reset_state()
    stack(x[:, :STEPS])
    close(stack(x[:, STEPS:]), whole)
    stack.reset_state(rows=[1])
    assert all(not np.any(s[1]) for layer in stack.layers for s in layer.states)
    states = [np.full((BATCH, UNITS), v, "float32") for v in (0.1, 0.2, 0.3)]
    stack.reset_state(states)
    expected = stack(x)
    close(stack(x, initial_state=states), expected)


@pytest.mark.parametrize("merge_mode", ["concat", None])
def test_a_stateful_bidirectional_layer_with_states_and_mask(merge_mode):
    """keras.layers.Bidirectional raises a TypeError for these options together."""
    layer = kr.Bidirectional(
        make("LSTM", stateful=True, return_state=True, return_sequences=True), merge_mode
    )
    x = sequences()
    x[1, 3:] = 0
    first = layer(keras.layers.Masking()(x))
    outputs = 2 if merge_mode is None else 1
    assert len(first) == outputs + 4
    close(first[outputs:], [*layer.forward_layer.states, *layer.backward_layer.states])
    second = layer(keras.layers.Masking()(x))
    assert differ(second, first)
    close(second, _stateless(layer)(keras.layers.Masking()(x), initial_state=first[outputs:]))
    layer.reset_state()
    close(layer(keras.layers.Masking()(x)), first)
    layer.reset_state(first[outputs:])
    close(layer(keras.layers.Masking()(x)), second)


def _stateless(layer):
    config = layer.get_config()
    for part in ("layer", "backward_layer"):
        config[part]["config"]["stateful"] = False
    copy = kr.Bidirectional.from_config(config)
    copy.build((None, STEPS, FEATURES))
    copy.set_weights(layer.get_weights())
    return copy


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_stateful_under_other_types(dtype):
    layer = make("LSTM", stateful=True, dtype=dtype, return_state=True)
    x = sequences()
    layer(x)
    output, *states = layer(x)
    assert output.dtype == layer.compute_dtype
    assert all(s.dtype == layer.compute_dtype for s in states)
    close(layer.states, states, 1e-3)
    assert all(v.dtype == layer.variable_dtype for v in layer.states)
    layer.reset_state(rows=[0])
    assert not np.any(layer.states[0][0])


def test_the_states_are_not_trained():
    layer = make("GRU", stateful=True)
    layer(sequences())
    assert len(layer.trainable_variables) == 3
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(sequences()))
    assert all(g is not None for g in tape.gradient(loss, layer.trainable_variables))


def test_initial_states_carry_gradients():
    layer = randomize_built("LSTM")
    states = [tf.constant(s) for s in states_of(layer)]
    with tf.GradientTape() as tape:
        tape.watch(states)
        loss = tf.reduce_sum(layer(sequences(), initial_state=states))
    assert all(np.any(g) for g in tape.gradient(loss, states))


def randomize_built(name):
    layer = make(name)
    layer.build((None, None, FEATURES))
    return randomize(layer)
