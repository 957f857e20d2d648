"""Both directions of a sequence and stacks of layers in one cuDNN call: the numbers of the loop."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance.check import MASKS
from layers.kit import FEATURES, array, arrays, close, randomize, sequences

import keras_recurrent as kr

ALL = {"return_sequences": True, "return_state": True}


def _stack(layer, **kwargs):
    """Three layers with the same options."""
    return kr.Stack([layer(4, **ALL, **kwargs) for _ in range(3)])


def _pair(layer, merge_mode="concat", **kwargs):
    return kr.Bidirectional(layer(4, **ALL, **kwargs), merge_mode)


def _last(layer, **kwargs):
    """Only the last step of the last layer."""
    first = layer(4, return_sequences=True, return_state=True, **kwargs)
    return kr.Stack([first, layer(4, return_state=True, **kwargs)])


MAKE = {
    "pair-lstm": lambda **kw: _pair(kr.LSTM, **kw),
    "pair-gru": lambda **kw: _pair(kr.GRU, None, weight_dropout=0.3, **kw),
    "pair-projection": lambda **kw: _pair(kr.LSTM, "sum", projection_units=3, **kw),
    "pair-last": lambda **kw: kr.Bidirectional(kr.SimpleRNN(4, return_state=True, **kw)),
    "stack-lstm": lambda **kw: _stack(kr.LSTM, projection_units=2, **kw),
    "stack-gru": lambda **kw: _stack(kr.GRU, zero_output_for_mask=True, **kw),
    "stack-last": lambda **kw: _last(kr.GRU, weight_dropout=0.2, **kw),
}


@pytest.fixture
def policy():
    """Sets the default dtype policy: the layers around others have one of their own."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


def _twins(make):
    """The layer on cuDNN and on the loop, with the same weights and seeds."""
    fast, slow = make(seed=3), make(seed=3, engine="loop")
    for layer in (fast, slow):
        layer.build((None, None, FEATURES))
    randomize(slow)
    fast.set_weights(slow.get_weights())
    return fast, slow


def _results(layer, x, states, mask, training):
    """Outputs, states, and all gradients of their weighted sum."""
    rng = np.random.default_rng(5)
    x, *states = [tf.constant(value) for value in (x, *states)]
    with tf.GradientTape() as tape:
        tape.watch([x, *states])
        results = layer(x, initial_state=states or None, mask=mask, training=training)
        loss = sum(
            tf.reduce_sum(rng.normal(size=part.shape) * tf.cast(part, "float64"))
            for part in tf.nest.flatten(results)
        )
    sources = [x, *states, *[v.value for v in layer.trainable_variables]]
    return results, tape.gradient(loss, sources, unconnected_gradients="zero")


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", MAKE)
def test_numbers_and_gradients_of_the_loop(name, mask, policy, cudnn_model):
    policy("float64")
    fast, slow = _twins(MAKE[name])
    valid = None if MASKS[mask] is None else np.array(MASKS[mask], bool)
    rng = np.random.default_rng(4)
    sizes = [s for part in _parts(slow) for s in tf.nest.flatten(part.state_size)]
    states = [rng.normal(size=(3, size)) for size in sizes]
    x = sequences().astype("float64")
    for training, given in ((False, []), (True, states)):
        arguments = (x, given, valid, training)
        close(_results(fast, *arguments), _results(slow, *arguments), tolerance=1e-9)
    assert len(cudnn_model.calls) == 3  # once a call; for a gradient outside training once more


def _parts(layer):
    if isinstance(layer, kr.Stack):
        return layer.layers
    return [layer.forward_layer, layer.backward_layer]


@pytest.mark.parametrize("name", ["pair-lstm", "stack-gru"])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_dtypes(name, dtype, policy, cudnn_model):
    policy(dtype)
    fast, slow = _twins(MAKE[name])
    results = fast(sequences())
    tolerance = {"float32": 1e-5, "mixed_float16": 1e-2, "mixed_bfloat16": 6e-2}[dtype]
    close(results, slow(sequences()), tolerance)
    assert {r.dtype for r in tf.nest.flatten(results)} == {tf.as_dtype(fast.compute_dtype)}


@pytest.mark.parametrize("name", ["pair-lstm", "stack-lstm"])
def test_stateful_layers_keep_their_states(name, cudnn_model):
    fast, slow = (MAKE[name](stateful=True, engine=engine) for engine in ("cudnn", "loop"))
    for layer in (fast, slow):
        layer.build((3, 5, FEATURES))
    fast.set_weights(slow.get_weights())
    for seed in range(3):
        x = sequences(seed=seed)
        close(fast(x), slow(x))
    assert len(cudnn_model.calls) == 3
    for ours, theirs in zip(_parts(fast), _parts(slow), strict=True):
        close(ours.states, theirs.states)
        assert all(np.any(array(state)) for state in ours.states)


def test_a_mask_travels_on(cudnn_model):
    x = tf.constant(np.r_[sequences()[:1], np.zeros((1, 5, FEATURES), "float32"), sequences()[2:]])
    for layer in (MAKE["pair-lstm"](), MAKE["stack-lstm"]()):
        output = layer(keras.layers.Masking()(x))[0]
        assert array(keras.ops.any(output._keras_mask, 1)).tolist() == [True, False, True]


CALLS = [
    ("pair-lstm", {}, 1, 1),
    ("pair-lstm", {"dropout": 0.1}, 1, 2),  # each direction masks the inputs its own way
    ("pair-lstm", {"activity_regularizer": "l2"}, 2, 2),
    ("stack-gru", {}, 1, 1),
    ("stack-gru", {"dropout": 0.1}, 1, 3),  # cuDNN's own dropout draws a mask for each step
    ("stack-gru", {"go_backwards": True}, 3, 3),
]


@pytest.mark.parametrize(("name", "options", "inference", "training"), CALLS, ids=str)
def test_number_of_calls(name, options, inference, training, cudnn_model):
    layer = MAKE[name](**options)
    for mode, expected in ((False, inference), (True, training)):
        cudnn_model.calls.clear()
        layer(sequences(), training=mode)
        assert len(cudnn_model.calls) == expected
    close(layer(sequences()), _on_the_loop(layer)(sequences()))


def _on_the_loop(layer):
    """A copy whose layers all run on the loop."""
    copy = layer.from_config(layer.get_config())
    copy.build((None, None, FEATURES))
    copy.set_weights(layer.get_weights())
    for part in _parts(copy):
        part.engine = "loop"
    return copy


def test_a_stack_may_mask_what_its_first_layer_reads(policy, cudnn_model):
    policy("float64")
    make = lambda **kw: kr.Stack(  # noqa: E731
        [kr.GRU(4, dropout=0.4, return_sequences=True, **kw), kr.GRU(4, weight_dropout=0.2, **kw)]
    )
    fast, slow = _twins(make)
    x = sequences().astype("float64")
    close(_results(fast, x, [], None, True), _results(slow, x, [], None, True), 1e-9)
    assert len(cudnn_model.calls) == 1


@keras.saving.register_keras_serializable("tests")
class _OwnCall(kr.LSTM):
    def call(self, sequences, **kwargs):
        return 2 * super().call(sequences, **kwargs)


OTHERS = [
    (lambda: kr.Stack([kr.LSTM(4, return_sequences=True), kr.LSTM(3)]), 2),
    (lambda: kr.Stack([kr.LSTM(4, return_sequences=True), kr.GRU(4)]), 2),
    (lambda: kr.Stack([kr.LSTM(4, return_sequences=True), kr.LSTM(4, peephole=True)]), 1),
    (lambda: kr.Stack([kr.LSTM(4, return_sequences=True), kr.LSTM(4, engine="loop")]), 1),
    (lambda: kr.Stack([kr.GRU(4, return_sequences=True) for _ in range(2)], residual=True), 2),
    (lambda: kr.Stack([kr.Bidirectional(kr.GRU(4, return_sequences=True)), kr.GRU(4)]), 2),
    (lambda: kr.Stack([kr.GRU(4)]), 1),
    (lambda: kr.Bidirectional(kr.GRU(4), backward_layer=kr.GRU(3, go_backwards=True)), 2),
    (lambda: kr.Bidirectional(kr.LSTM(4), backward_layer=kr.LSTM(4, "relu", go_backwards=True)), 1),
    (lambda: kr.Bidirectional(kr.RNN(kr.WeightDrop(kr.LSTMCell(4), 0.5))), 1),
    (lambda: kr.Bidirectional(_OwnCall(4)), 2),
    (lambda: kr.Bidirectional(keras.layers.SimpleRNN(4)), 0),
]


@pytest.mark.parametrize(("make", "calls"), OTHERS, ids=range(len(OTHERS)))
def test_layers_that_differ_run_one_by_one(make, calls, cudnn_model):
    layer = make()
    results = layer(sequences())
    assert len(cudnn_model.calls) == calls
    assert all(np.all(np.isfinite(part)) for part in arrays(results))


def test_fit_gives_the_losses_of_the_loop(policy, cudnn_model):
    policy("float64")
    x, losses = sequences(batch=4), []
    for engine in ("cudnn", "loop"):
        keras.utils.set_random_seed(1)
        pair = kr.Bidirectional(kr.LSTM(3, weight_dropout=0.2, seed=2, engine=engine))
        model = keras.Sequential([keras.Input((5, FEATURES)), pair, keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        history = model.fit(x, x[:, 0, :1], epochs=2, batch_size=2, shuffle=False, verbose=0)
        losses.append([*history.history["loss"], *model.predict(x, verbose=0).ravel()])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-9)
