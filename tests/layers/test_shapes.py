"""Odd shapes: no time steps, no rows, sizes known only at run time."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers.kit import BATCH, FEATURES, NAMES, STEPS, UNITS, close, make, sequences, states_of

import keras_recurrent as kr

LAYERS = {
    **{name: (lambda name=name, **o: make(name, **o)) for name in NAMES},
    "cells": lambda **o: kr.RNN([kr.LSTMCell(UNITS), kr.GRUCell(UNITS)], **o),
    "Bidirectional": lambda **o: kr.Bidirectional(make("LSTM", **o), merge_mode="sum"),
    "Stack": lambda **o: kr.Stack(
        [make("GRU", **{**o, "return_sequences": True}), make("GRU", **o)]
    ),
}


@pytest.mark.parametrize("engine", ["loop", "unroll"])
@pytest.mark.parametrize("name", NAMES)
def test_no_time_steps(name, engine):
    """The states stay what they were; the last output is zeros, as for a fully masked row."""
    layer = make(name, return_sequences=True, return_state=True, engine=engine)
    x = tf.zeros((BATCH, 0, FEATURES))
    layer(sequences())
    states = [tf.constant(s) for s in states_of(layer)]
    with tf.GradientTape() as tape:
        tape.watch([x, *states])
        output, *final = layer(x, initial_state=states)
        loss = sum(tf.reduce_sum(s) for s in final) + tf.reduce_sum(output)
    gradients = tape.gradient(loss, [x, *states], unconnected_gradients="zero")
    assert output.shape == (BATCH, 0, UNITS)
    close(final, states)
    assert gradients[0].shape == x.shape
    close(gradients[1:], [np.ones((BATCH, UNITS))] * len(states))
    last = make(name, engine=engine)
    last.build(x.shape)
    close(last(x), np.zeros((BATCH, UNITS)))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    ("return_sequences", "execution"), [(False, "eager"), (True, "eager"), (True, "graph")]
)
def test_no_rows_or_no_steps(name, return_sequences, execution):
    layer = LAYERS[name](return_sequences=return_sequences)
    layer(sequences())

    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = layer(x)
            loss = tf.reduce_sum(output)
        sources = [x, *[v.value for v in layer.trainable_variables]]
        return output, tape.gradient(loss, sources, unconnected_gradients="zero")

    if execution == "graph":
        run = tf.function(run, input_signature=[tf.TensorSpec((None, None, FEATURES))])
    for batch, steps in [(0, STEPS), (BATCH, 0), (0, 0)]:
        x = tf.zeros((batch, steps, FEATURES))
        output, gradients = run(x)
        assert output.shape == ((batch, steps, UNITS) if return_sequences else (batch, UNITS))
        assert gradients[0].shape == x.shape
        assert all(not np.any(g) for g in gradients[1:])


@pytest.mark.parametrize("name", LAYERS)
def test_sizes_known_at_run_time_only(name):
    layer = LAYERS[name](return_sequences=True)
    layer(sequences())
    run = tf.function(
        lambda x, n: layer(x, lengths=n),
        input_signature=[tf.TensorSpec((None, None, FEATURES)), tf.TensorSpec((None,), tf.int32)],
    )
    for batch, steps in [(1, 1), (2, 7), (4, 3)]:
        x = sequences(batch, steps)
        lengths = np.arange(batch, dtype="int32") % (steps + 1)
        close(run(x, lengths), layer(x, lengths=lengths))
    assert run.get_concrete_function().structured_outputs.shape.as_list() == [None, None, UNITS]


@pytest.mark.parametrize("name", LAYERS)
def test_static_shapes_survive(name):
    for shape in [(None, None, FEATURES), (None, STEPS, FEATURES), (2, None, FEATURES)]:
        layer = LAYERS[name](return_sequences=True)
        output = layer(keras.Input(batch_shape=shape))
        assert output.shape == (*shape[:2], UNITS)
        assert layer.compute_output_shape(shape) == (*shape[:2], UNITS)
        function = tf.function(lambda x, layer=layer: layer(x)).get_concrete_function(
            tf.TensorSpec(shape)
        )
        assert function.structured_outputs.shape.as_list() == [*shape[:2], UNITS]


def test_one_row_one_step_one_unit_one_feature():
    x = sequences(1, 1, 1)
    for name in NAMES:
        assert make(name, 1)(x).shape == (1, 1)


def test_shapes_with_a_projection():
    layer = kr.LSTM(UNITS, projection_units=3, return_sequences=True, return_state=True)
    shapes = layer.compute_output_shape((None, None, FEATURES))
    assert shapes == ((None, None, 3), (None, 3), (None, UNITS))
    assert [tuple(t.shape) for t in layer(keras.Input((None, FEATURES)))] == list(shapes)
    assert layer.state_size == [3, UNITS]
    both = kr.Bidirectional(kr.LSTM(UNITS, projection_units=3))
    assert both.compute_output_shape((None, None, FEATURES)) == (None, 6)
    assert both(sequences()).shape == (BATCH, 6)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shape", [(FEATURES,), (STEPS, FEATURES), (2, BATCH, STEPS, FEATURES)])
def test_sequences_of_a_wrong_rank_are_refused(name, shape):
    with pytest.raises(ValueError, match=r"ndim=3|batch, timesteps, features"):
        LAYERS[name]()(np.zeros(shape, "float32"))


@pytest.mark.parametrize("name", LAYERS)
def test_another_number_of_features_is_refused(name):
    layer = LAYERS[name]()
    layer(sequences())
    for features in (1, FEATURES * 2):
        with pytest.raises(ValueError, match=f"{FEATURES}.*{features}"):
            layer(sequences(features=features))
    run = tf.function(lambda x: layer(x))
    with pytest.raises(ValueError, match="expected axis -1"):
        run.get_concrete_function(tf.TensorSpec((None, None, FEATURES * 2)))


def test_unknown_number_of_features_is_refused():
    with pytest.raises(ValueError, match="last axis"):
        make("LSTM")(keras.Input((STEPS, None)))


def test_several_batch_axes_go_through_time_distributed():
    x = np.zeros((2, BATCH, STEPS, FEATURES), "float32")
    assert keras.layers.TimeDistributed(make("GRU"))(x).shape == (2, BATCH, UNITS)
