"""The form that TFLite fuses: the loop's numbers, and a reason wherever it cannot serve."""

import keras
import numpy as np
import pytest

import keras_recurrent as kr
from keras_recurrent import engines
from keras_recurrent.cells import fused_rules

X = np.random.default_rng(0).normal(size=(2, 7, 3)).astype("float32")


def run(layer, form, *args, **kwargs):
    with engines.lowering(form) as told:
        return layer(X, *args, **kwargs), told.choices


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("backwards", [True, False])
@pytest.mark.parametrize("sequences", [True, False])
def test_same_numbers_as_the_loop(use_bias, backwards, sequences):
    layer = kr.LSTM(
        4,
        use_bias=use_bias,
        go_backwards=backwards,
        return_sequences=sequences,
        cell_clip=0.1,
        engine="loop",
    )
    expected = layer(X)
    output, [(name, choice)] = run(layer, "fused")
    np.testing.assert_allclose(output, expected, atol=1e-6)
    assert (name, choice.engine) == (layer.name, "fused")


def test_in_wrappers():
    layer = kr.Bidirectional(kr.RNN(kr.WeightDrop(kr.LSTMCell(3), 0.3)))
    expected = layer(X)
    output, choices = run(layer, "fused")
    np.testing.assert_allclose(output, expected, atol=1e-6)
    assert [choice.engine for _, choice in choices] == ["fused", "fused"]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (kr.GRUCell(2), "an LSTM, not GRUCell"),
        (kr.Zoneout(kr.LSTMCell(2), 0.1), "an LSTM, not Zoneout"),
        (kr.LSTMCell(2, peephole=True), "peephole=True"),
        (kr.LSTMCell(2, relevance_gate=True), "relevance_gate=True"),
        (kr.LSTMCell(2, coupled_gates=True), "coupled_gates=True"),
        (kr.LSTMCell(2, projection_units=1), "projection_units=1"),
        (kr.LSTMCell(2, normalization="layer"), "normalization='layer'"),
        (kr.LSTMCell(2, zoneout=0.1), "zoneout=0.1"),
        (kr.LSTMCell(2, activation="relu"), "activation=relu"),
        (kr.LSTMCell(2, output_activation="relu"), "output_activation=relu"),
        (kr.LSTMCell(2, recurrent_activation="hard_sigmoid"), "recurrent_activation=hard_sigmoid"),
        (kr.LSTMCell(2, dtype="float64"), "computes in float32"),
    ],
)
def test_cells_that_it_cannot_run(cell, reason):
    assert reason in fused_rules.refusal(cell)
    layer = kr.RNN(cell)
    with pytest.raises(ValueError, match=f"form='fused' cannot serve.*{reason}"):
        run(layer, "fused")
    assert run(layer, "fused_or_unroll")[1][0][1].engine == "unroll"


@pytest.mark.parametrize(
    ("options", "arguments", "reason"),
    [
        ({}, {"mask": np.ones((2, 7), bool)}, "no masks"),
        ({}, {"lengths": np.array([7, 3])}, "no masks"),
        ({}, {"initial_state": [np.ones((2, 3), "float32")] * 2}, "starts from zeros"),
        ({"stateful": True}, {}, "starts from zeros"),
        ({"return_state": True}, {}, "does not give its states"),
    ],
)
def test_calls_that_it_cannot_serve(options, arguments, reason):
    layer = kr.LSTM(3, **options)
    expected = layer(X, **arguments)
    with pytest.raises(ValueError, match=reason):
        run(layer, "fused", **arguments)
    if not layer.stateful:
        output, [(_, choice)] = run(layer, "fused_or_unroll", **arguments)
        assert reason in choice.reason
        for got, wanted in zip(
            keras.tree.flatten(output), keras.tree.flatten(expected), strict=True
        ):
            np.testing.assert_allclose(got, wanted, atol=1e-6)
