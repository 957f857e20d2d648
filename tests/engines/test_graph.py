"""What the engines put into a graph: the work that must be done once is done once."""

import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr


def _graphs(function):
    """The operations of the outer graph, and those of the loop's body."""
    graph = function.get_concrete_function().graph.as_graph_def()
    bodies = [f for f in graph.library.function if "while_body" in f.signature.name]
    inner = [node.op for body in bodies for node in body.node_def]
    return [node.op for node in graph.node], inner


def _traced(layer, steps=5):
    x = tf.constant(np.ones((2, steps, 3), "float32"))
    layer(x)
    return tf.function(lambda: layer(x))


@pytest.mark.parametrize(
    ("layer", "products"),
    [
        (kr.LSTM, 1),
        (kr.GRU, 1),
        (kr.SimpleRNN, 1),
        (lambda u, **kw: kr.GRU(u, reset_after=False, **kw), 2),
        (lambda u, **kw: kr.LSTM(u, projection_units=2, **kw), 2),
    ],
    ids=["lstm", "gru", "simple_rnn", "gru-before", "lstm-projection"],
)
def test_inputs_are_projected_outside_the_loop(layer, products):
    outer, inner = _graphs(_traced(layer(4, engine="loop")))
    assert outer.count("MatMul") == 1
    assert inner.count("MatMul") == products


def test_unrolled_graph_has_no_loop():
    outer, inner = _graphs(_traced(kr.LSTM(4, engine="unroll")))
    assert outer.count("MatMul") == 1 + 5
    assert not inner
