"""The carry: states in and out of recurrent layers by name."""

from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr
from keras_recurrent.engines.carry import Carry, carry_of, carrying


class Pair(NamedTuple):
    h: tf.Tensor
    c: tf.Tensor


def x(steps=4):
    return np.random.default_rng(0).normal(size=(2, steps, 3)).astype("float32")


def test_states_go_on_in_the_next_call():
    layer = kr.LSTM(3, return_sequences=True, name="a")
    whole = layer(x())
    with carrying(Carry()) as first:
        start = layer(x()[:, :1])
    assert list(first.zeros) == list(first.new) == ["state_a_h", "state_a_c"]
    assert not any(np.any(zero) for zero in first.zeros.values())
    with carrying(Carry(first.new)):
        rest = layer(x()[:, 1:])
    np.testing.assert_allclose(np.concatenate([start, rest], 1), whole, atol=1e-6)
    assert carry_of(layer) is None


def test_names_are_identifiers_and_unique():
    layer, carry = kr.GRU(2, name="my-gru.1"), Carry(reserved={"state_my_gru_1_h"})
    with carrying(carry):
        layer(x())
        layer(x())
    assert list(carry.new) == ["state_my_gru_1_h_2", "state_my_gru_1_h_3"]


def test_parts_of_any_structure():
    layer, carry = kr.GRU(2, name="a"), Carry()
    zeros = {"cells": (Pair(1.0, 2.0), [3.0]), "count": 4.0}
    assert carry.begin(layer, zeros) == zeros
    carry.finish(layer, tf.nest.map_structure(lambda v: 10 * v, zeros))
    assert carry.new == {
        "state_a_cells_0_h": 10.0,
        "state_a_cells_0_c": 20.0,
        "state_a_cells_1_0": 30.0,
        "state_a_count": 40.0,
    }


@pytest.mark.parametrize("sequences", [True, False])
def test_a_masked_step_repeats_the_output_of_an_earlier_call(sequences):
    layer = kr.RNN(kr.Residual(kr.GRUCell(3)), return_sequences=sequences, name="a")
    mask = np.array([[1, 0, 0, 1], [0, 0, 1, 0]], bool)
    whole = layer(x(), mask=mask)
    carry, parts = Carry(), []
    for step in range(4):
        carry = Carry(carry.new or None)
        with carrying(carry):
            parts.append(layer(x()[:, step : step + 1], mask=mask[:, step : step + 1]))
    assert list(carry.new) == ["state_a_h", "state_a_output"]
    streamed = np.concatenate(parts, 1) if sequences else parts[-1]
    np.testing.assert_allclose(streamed, whole, atol=1e-6)


def test_local_layers_begin_anew():
    layer = kr.GRU(2)
    with carrying(Carry(local={id(layer)})) as carry:
        output = layer(x())
    assert not carry.new
    np.testing.assert_array_equal(output, layer(x()))


def test_stateful_layers_leave_their_variables_alone():
    layer = kr.GRU(2, stateful=True, name="a")
    layer(x())
    kept = layer.states[0].numpy()
    with carrying(Carry()):
        layer(x())
    np.testing.assert_array_equal(layer.states[0].numpy(), kept)


def test_refused():
    with carrying(Carry()):
        with pytest.raises(ValueError, match="GRU 'b' cannot stream: with go_backwards=True"):
            kr.GRU(2, go_backwards=True, name="b")(x())
        with pytest.raises(ValueError, match=r"GRU 'g' cannot stream: .*initial_state"):
            kr.GRU(2, name="g")(x(), initial_state=np.zeros((2, 2), "float32"))
