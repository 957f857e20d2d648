"""Traced graphs hold TensorFlow's own operation, once, and around it the right numbers go in and out."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers.kit import BATCH, FEATURES, MASK, STEPS, close, randomize, sequences
from oracle import cudnn as oracle

import keras_recurrent as kr
from keras_recurrent import engines

ALL = {"return_sequences": True, "return_state": True}
LAYERS = {
    "lstm": lambda **kw: kr.LSTM(4, **kw),
    "lstm-projection": lambda **kw: kr.LSTM(4, projection_units=3, go_backwards=True, **kw),
    "gru": lambda **kw: kr.GRU(4, **kw),
    "simple_rnn": lambda **kw: kr.SimpleRNN(4, use_bias=False, zero_output_for_mask=True, **kw),
    "simple_rnn-relu": lambda **kw: kr.SimpleRNN(4, activation="relu", **kw),
    "bidirectional": lambda **kw: kr.Bidirectional(kr.GRU(4, **kw), merge_mode=None),
    "bidirectional-projection": lambda **kw: kr.Bidirectional(kr.LSTM(4, projection_units=2, **kw)),
    "stack": lambda **kw: kr.Stack([kr.LSTM(4, **kw) for _ in range(3)]),
    "stack-projection": lambda **kw: kr.Stack(
        [kr.LSTM(4, projection_units=3, **kw), kr.LSTM(4, projection_units=3, **kw)]
    ),
}


def _wrapped(layer, masked: bool):
    """The layer's graph, and the operations in it."""
    x = tf.TensorSpec((None, None, FEATURES))
    valid = tf.TensorSpec((None, None), tf.bool)
    if masked:
        function = tf.compat.v1.wrap_function(lambda x, valid: layer(x, mask=valid), [x, valid])
    else:
        function = tf.compat.v1.wrap_function(layer, [x])
    return function, function.graph.get_operations()


@pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])
@pytest.mark.parametrize("name", LAYERS)
def test_what_goes_into_the_operation_and_comes_out(name, masked, gpu):
    layer = LAYERS[name](**ALL)
    layer.build((None, None, FEATURES))
    randomize(layer)
    function, operations = _wrapped(layer, masked)
    (operation,) = [op for op in operations if op.type == "CudnnRNNV3"]
    given = [sequences(), MASK] if masked else [sequences()]
    feeds = function.inputs[: len(given)]
    into = function.prune(feeds, list(operation.inputs))(*map(tf.constant, given))
    x, h, c, params, lengths = (np.array(value) for value in into)
    if masked:
        assert lengths.tolist() == MASK.sum(1).tolist()
        assert x.shape == (STEPS + 1, BATCH, FEATURES)  # never all of full length
    else:
        assert lengths.tolist() == [STEPS] * BATCH
        assert x.shape == (STEPS, BATCH, FEATURES)
    results = oracle.run(
        x,
        h,
        c,
        params,
        lengths,
        operation.get_attr("rnn_mode").decode(),
        operation.get_attr("direction") == b"bidirectional",
        operation.get_attr("num_proj"),
    )
    results = [tf.constant(r.value, "float32") for r in results]
    out = function.prune([*operation.outputs[:3], *feeds], function.outputs)
    got = out(*results, *map(tf.constant, given))

    slow = LAYERS[name](**ALL, engine="loop")
    slow.build((None, None, FEATURES))
    slow.set_weights(layer.get_weights())
    close(got, slow(sequences(), mask=MASK if masked else None))


ATTRIBUTES = {
    "lstm": {"rnn_mode": b"lstm", "direction": b"unidirectional", "num_proj": 0},
    "lstm-projection": {"rnn_mode": b"lstm", "direction": b"unidirectional", "num_proj": 3},
    "gru": {"rnn_mode": b"gru", "direction": b"unidirectional"},
    "simple_rnn": {"rnn_mode": b"rnn_tanh"},
    "simple_rnn-relu": {"rnn_mode": b"rnn_relu"},
    "bidirectional": {"rnn_mode": b"gru", "direction": b"bidirectional"},
    "bidirectional-projection": {"direction": b"bidirectional", "num_proj": 2},
    "stack": {"rnn_mode": b"lstm", "direction": b"unidirectional"},
    "stack-projection": {"num_proj": 3},
}
ALWAYS = {"input_mode": b"linear_input", "dropout": 0.0, "time_major": True}


@pytest.mark.parametrize("name", LAYERS)
def test_attributes(name, gpu):
    training = list(LAYERS).index(name) % 2 == 1
    layer = LAYERS[name](**ALL)
    function = tf.function(lambda x: layer(x, training=training))
    graph = function.get_concrete_function(tf.TensorSpec((None, None, FEATURES))).graph
    (operation,) = [op for op in graph.get_operations() if op.type == "CudnnRNNV3"]
    expected = {**ATTRIBUTES[name], **ALWAYS, "is_training": training}
    assert {key: operation.get_attr(key) for key in expected} == expected


@pytest.mark.parametrize("training", [False, True])
def test_the_gradient_is_one_operation_too(training, gpu):
    layer = kr.LSTM(4)
    layer.build((None, None, FEATURES))

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x, training=training))
        return tape.gradient(loss, [v.value for v in layer.trainable_variables])

    graph = gradient.get_concrete_function(tf.TensorSpec((8, 5, FEATURES))).graph
    types = [op.type for op in graph.get_operations()]
    assert types.count("CudnnRNNBackpropV3") == 1
    assert types.count("CudnnRNNV3") == (1 if training else 2)


@pytest.mark.parametrize(("form", "engine"), [("saved_model", "auto"), ("loop", "cudnn")])
@pytest.mark.parametrize("name", ["gru", "bidirectional", "stack"])
def test_exported_graphs_hold_none(name, form, engine, gpu):
    layer = LAYERS[name](**ALL, engine=engine)
    with engines.lowering(form):
        function = tf.function(layer).get_concrete_function(tf.TensorSpec((2, STEPS, FEATURES)))
    assert not [op for op in function.graph.get_operations() if "Cudnn" in op.type]


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_keras_packs_the_same_params(name, gpu, monkeypatch):
    """keras.layers on the machine that our layers believe in: its call, as it comes."""
    calls = []

    def recorded(**given):
        calls.append(given)
        raise tf.errors.NotFoundError(None, None, "no such operation here")  # Keras goes on without

    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", recorded)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda *_: ["GPU:0"])
    stock = getattr(keras.layers, name)(4, return_sequences=True, return_state=True)
    stock.build((None, STEPS, FEATURES))
    randomize(stock)
    expected = stock(sequences())
    (call,) = calls
    ours = getattr(kr, name)(4)
    ours.build((None, STEPS, FEATURES))
    ours.set_weights(stock.get_weights())
    function, operations = _wrapped(ours, masked=False)
    (operation,) = [op for op in operations if op.type == "CudnnRNNV3"]
    (params,) = function.prune(function.inputs[:1], [operation.inputs[3]])(tf.constant(sequences()))
    np.testing.assert_array_equal(params, call["params"])
    # ... and the model of the operation finds in them what Keras computes on a CPU.
    x, lengths = sequences().transpose(1, 0, 2), np.full(BATCH, STEPS)
    zeros = np.zeros((1, BATCH, 4))
    c = zeros if name == "LSTM" else np.zeros(())
    output, h, c = oracle.run(x, zeros, c, np.array(params), lengths, name.lower(), False, 0)
    parts = [output.value.transpose(1, 0, 2), h.value[0], *([c.value[0]] if name == "LSTM" else [])]
    close([part.astype("float32") for part in parts], expected)
