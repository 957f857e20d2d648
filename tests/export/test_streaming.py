"""Models that stream: block by block they give what Keras gives on the whole sequence."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance.registry import CASES
from conformance.streams import check, sequential, shaken, step_in_tensorflow
from keras import layers

import keras_recurrent as kr
from keras_recurrent.export import roll_out, streaming
from keras_recurrent.export.signature import signature_of
from keras_recurrent.export.verification import VerificationError


@pytest.fixture(autouse=True)
def shorter(monkeypatch):
    monkeypatch.setattr(roll_out, "LONGEST", 12)


@pytest.mark.parametrize("place", range(len(CASES)), ids=[str(case) for case in CASES])
def test_every_cell(place):
    """In float64, where no cell's rounding hides a mistake; every other one with masked steps."""
    case, masked = CASES[place], place % 2 == 1
    cell = case.make(dtype="float64")
    inputs = keras.Input((None, case.features), dtype="float64")
    x = layers.Masking(dtype="float64")(inputs) if masked else inputs
    model = shaken(keras.Model(inputs, kr.RNN(cell, return_sequences=True, name="a")(x)))
    streamed, _, states, run = step_in_tensorflow(model, block=2)
    assert all(t.name.startswith("state_a_") for t in states)
    assert ("state_a_output" in {t.name for t in states}) == masked
    x = np.random.default_rng(5).normal(size=(2, 8, case.features))
    if masked:
        x[0, :3], x[0, 5], x[1, 1:6] = 0, 0, 0
    parts = [outputs["output_0"] for outputs in roll_out.blocks(run, streamed, [x], states)]
    np.testing.assert_allclose(np.concatenate(parts, 1), model(x), rtol=0, atol=1e-12)


def test_forty_steps(monkeypatch):
    monkeypatch.setattr(roll_out, "LONGEST", 40)
    check(sequential(kr.LSTM(5, return_sequences=True), layers.GRU(4)))


def test_stack_of_cells_in_one_layer():
    model = sequential(layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], name="deep"))
    assert check(model) == ["state_deep_0_h", "state_deep_0_c", "state_deep_1_h"]


def test_stack_of_layers_and_what_is_local_to_a_step():
    pair = [kr.LSTM(3, return_sequences=True, name="a"), kr.GRU(3, return_sequences=True, name="b")]
    names = check(
        sequential(
            layers.BatchNormalization(),
            layers.EinsumDense("btf,fg->btg", (None, 3)),
            kr.Stack(pair, residual=True),
            layers.LayerNormalization(),
            layers.Dropout(0.5),
            layers.Reshape((-1, 3, 1)),
            layers.TimeDistributed(layers.LSTM(2, return_sequences=True)),
            layers.TimeDistributed(layers.Flatten()),
            layers.Conv1D(4, 1, activation="relu"),
            layers.Softmax(),
        ),
        block=3,
    )
    assert names == ["state_a_h", "state_a_c", "state_b_h"]


def test_causal_convolutions_and_pooling():
    model = sequential(
        layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu", name="wide"),
        layers.MaxPooling1D(2),
        layers.Conv1D(4, 2, padding="causal", groups=2, use_bias=False, strides=2, name="coarse"),
        layers.GRU(3, return_sequences=True, name="g"),
    )
    assert check(model, block=4) == ["state_wide_frames", "state_coarse_frames", "state_g_h"]
    with pytest.raises(
        ValueError, match=r"'coarse' cannot stream.*`block` that is 2 times as long"
    ):
        streaming.check_streamable(model, block=2)


@pytest.mark.parametrize("keepdims", [False, True])
def test_pooling_over_time_runs(keepdims):
    x = keras.Input((None, 3), name="x")
    y = layers.Masking(mask_value=0.5)(x)
    model = keras.Model(
        x,
        {
            "mean": layers.GlobalAveragePooling1D(keepdims=keepdims, name="mean")(y),
            "plain": layers.GlobalAveragePooling1D(name="plain")(x),
            "max": layers.GlobalMaxPooling1D(keepdims=keepdims, name="max")(x),
        },
    )
    names = check(model, block=2)
    assert set(names) == {
        "state_mean_count",
        "state_mean_sum",
        "state_plain_count",
        "state_plain_sum",
        "state_max_max",
        "state_max_started",
    }


def ids_beside_constants():
    ids, who = keras.Input((None,), dtype="int32", name="ids"), keras.Input((2,), name="who")
    y = layers.Embedding(7, 4, mask_zero=True)(ids)
    shared = kr.LSTM(4, return_sequences=True, zero_output_for_mask=True, name="lstm")
    inner = keras.Sequential([keras.Input((None, 4)), layers.GRU(4, name="lstm"), layers.Dense(3)])
    y = shared(shared(y))
    z = layers.Add()([inner(y), layers.Dense(3)(who)])
    return shaken(keras.Model({"ids": ids, "who": who}, {"all": y, "last": z}))


def test_names_are_unique_in_shared_and_nested_layers():
    names = check(ids_beside_constants(), block=2)
    assert names[:4] == ["state_lstm_h", "state_lstm_c", "state_lstm_h_2", "state_lstm_c_2"]
    assert set(names[4:]) == {"state_lstm_h_3", "state_lstm_output"}


def test_names_of_inputs_and_outputs_stay_theirs():
    x = keras.Input((None, 3), name="state_a_h")
    y = layers.GRU(2, return_sequences=True, name="a")(x)
    model = keras.Model(x, {"state_b_h": layers.GRU(2, name="b")(y)})
    assert check(model) == ["state_a_h_2", "state_b_h_2"]
    model = keras.Model(x, {"state_a_h": y})
    with pytest.raises(ValueError, match=r"share a name.*\['state_a_h'\]"):
        step_in_tensorflow(model)


def test_length_fixed_by_the_model():
    inner = keras.Sequential([keras.Input((10, 3)), layers.LSTM(3, return_sequences=True)])
    model = sequential(inner, layers.GRU(2, unroll=True), steps=10)
    weights = model.get_weights()
    check(model, block=4)
    assert all(map(np.array_equal, weights, model.get_weights()))


def test_what_comes_behind_the_last_step_begins_anew():
    model = sequential(
        layers.LSTM(4, name="encoder"),
        layers.RepeatVector(3),
        layers.LSTM(2, return_sequences=True, name="decoder"),
        layers.Flatten(),
        layers.Dense(2),
    )
    assert check(model) == ["state_encoder_h", "state_encoder_c"]


def test_stateful_layers_stream_without_their_own_state():
    model = keras.Sequential(
        [keras.Input(batch_shape=(4, None, 3)), kr.LSTM(3, stateful=True, name="a")]
    )
    model(np.ones((4, 2, 3), "float32"))
    kept = [s.numpy() for s in model.layers[0].states]
    check(model)
    assert all(
        np.array_equal(k, s.numpy()) for k, s in zip(kept, model.layers[0].states, strict=True)
    )
    assert np.abs(kept[0]).max() > 0


class Own(keras.Model):
    def __init__(self, recurrent):
        super().__init__(name="own")
        self.recurrent, self.dense = recurrent, layers.Dense(2)
        self(np.zeros((1, 5, 3), "float32"))

    def call(self, x):
        return self.dense(self.recurrent(x))


def test_subclassed_model():
    assert check(Own(kr.LSTM(3, name="lstm"))) == ["state_lstm_h", "state_lstm_c"]
    with pytest.raises(ValueError, match="Bidirectional 'b' cannot stream"):
        streaming.check_streamable(Own(kr.Bidirectional(kr.LSTM(3), name="b")))
    with pytest.raises(ValueError, match=r"GlobalAveragePooling1D 'p' .* made by Own 'own'"):
        streaming.check_streamable(Own(layers.GlobalAveragePooling1D(name="p")))


def with_initial_state():
    x, h = keras.Input((None, 3)), keras.Input((2,))
    return keras.Model([x, h], kr.GRU(2, name="g")(x, initial_state=h))


def with_lengths():
    x, n = keras.Input((None, 3)), keras.Input((), dtype="int32")
    return keras.Model([x, n], kr.GRU(2, name="g")(x, lengths=n))


def with_attention():
    x = keras.Input((None, 4))
    return keras.Model(x, layers.MultiHeadAttention(1, 2, name="m")(x, x))


def with_operation():
    x = keras.Input((None, 4))
    return keras.Model(x, kr.GRU(2)(x) + keras.ops.mean(x[..., :2], axis=1))


def called_on_two_kinds():
    x = keras.Input((None, 4))
    gru = kr.GRU(4, name="g")
    return keras.Model(x, gru(layers.RepeatVector(2)(gru(x))))


REFUSED = {
    "Bidirectional 'b' .* starts at the end": [layers.Bidirectional(kr.GRU(2), name="b")],
    "GRU 'g' .* go_backwards": [kr.GRU(2, go_backwards=True, name="g")],
    "LSTM 'l' .* loop of its own": [type("LSTM", (layers.LSTM,), {})(2, name="l")],
    "Flatten 'f' .*TimeDistributed": [layers.Flatten(name="f")],
    "Permute 'p' .* mixes time": [layers.Permute((2, 1), name="p"), layers.Dense(2)],
    "Reshape 'r' .* mixes time": [layers.Reshape((6, 5), name="r"), layers.GRU(1)],
    "Conv1D 'c' .*padding='same'.*padding='causal'": [
        layers.Conv1D(2, 3, padding="same", name="c")
    ],
    "DepthwiseConv1D 'd' .*causal": [layers.DepthwiseConv1D(2, name="d")],
    "UpSampling1D 'u' .* changes the number": [layers.UpSampling1D(name="u")],
    "MaxPooling1D 'm' .* overlap": [layers.MaxPooling1D(3, 1, name="m")],
    "AveragePooling1D 'm' .* 3 frames": [layers.AveragePooling1D(3, name="m")],
    "Softmax 's' .* axis of time": [layers.Softmax(axis=1, name="s")],
    "LayerNormalization 'n' .* axis of time": [layers.LayerNormalization((1, 2), name="n")],
    "GroupNormalization 'n' .* LayerNormalization": [layers.GroupNormalization(1, name="n")],
    "EinsumDense 'e' .* mixes time": [layers.EinsumDense("btf,ts->bsf", (10, 3), name="e")],
    "PReLU 'p' .* shared_axes": [layers.PReLU(name="p")],
    "Nothing .* streaming=False": [layers.Dense(2)],
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused(message):
    model = keras.Sequential([keras.Input((10, 3)), *REFUSED[message]])
    with pytest.raises(ValueError, match=message):
        step_in_tensorflow(model)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_initial_state, "GRU 'g' cannot stream: .*initial_state"),
        (with_lengths, "GRU 'g' cannot stream: `lengths`"),
        (with_attention, "MultiHeadAttention 'm' cannot stream: it looks at all"),
        (with_operation, "Mean 'mean.* axis of time"),
        (called_on_two_kinds, "'g' is called on the sequences and on something else"),
        (
            lambda: keras.Sequential([keras.Input((4,)), layers.Dense(2)]),
            "needs inputs with one axis",
        ),
    ],
)
def test_refused_graphs(make, message):
    with pytest.raises(ValueError, match=message):
        step_in_tensorflow(make())


def test_a_layer_that_mixes_time_in_secret_is_found():
    mean = layers.Lambda(lambda t: t - keras.ops.mean(t, 1, keepdims=True), name="secret")
    model = sequential(mean, kr.GRU(2, return_sequences=True))
    streamed, signature, states, run = step_in_tensorflow(model)
    assert "Lambda 'secret'" in streamed.notes[0]
    with pytest.raises(VerificationError, match="does not give the numbers"):
        roll_out.check_roll_out(model, streamed, signature, run, states)


def test_a_state_that_is_lost_is_found():
    model = sequential(kr.LSTM(2, return_sequences=True))
    streamed, signature, states, run = step_in_tensorflow(model)

    def forgetful(inputs):
        return {**run(inputs), states[1].name: inputs[states[1].name]}

    with pytest.raises(VerificationError, match="does not give the numbers"):
        roll_out.check_roll_out(model, streamed, signature, forgetful, states)


def test_roll_out_records_states_as_they_occur(tmp_path):
    model = sequential(kr.GRU(2, name="g"))
    streamed, signature = streaming.check_streamable(model, 2), signature_of(model)
    streaming.trace_step(streamed, signature, 1, tmp_path / "step")
    x = np.random.default_rng(0).normal(size=(2, 7, 3)).astype("float32")
    calls = roll_out.roll_out(tmp_path / "step", streamed, signature, x)
    assert len(calls) == 2 * 3
    assert set(calls[0]) == {"input", "state_g_h"}
    assert not calls[0]["state_g_h"].any()
    assert not calls[3]["state_g_h"].any()
    for row, first in ((0, 0), (1, 3)):
        for place in (1, 2):
            call = calls[first + place]
            np.testing.assert_array_equal(
                call["input"], x[row : row + 1, 2 * place : 2 * place + 2]
            )
            expected = model(x[row : row + 1, : 2 * place])
            np.testing.assert_allclose(call["state_g_h"], expected, atol=1e-6)
    twice = roll_out.roll_out(tmp_path / "step", streamed, signature, x, x[:, :4])
    assert len(twice) == 2 * 3 + 2 * 2
    with pytest.raises(ValueError, match=r"fit the model's input input.*\(2, 7, 5\)"):
        roll_out.roll_out(tmp_path / "step", streamed, signature, np.zeros((2, 7, 5)))
    with pytest.raises(ValueError, match="at least the 2 of a block"):
        roll_out.roll_out(tmp_path / "step", streamed, signature, x[:, :1])


def test_saved_model_with_three_signatures(tmp_path):
    model = ids_beside_constants()
    folder = tmp_path / "m"
    streamed = streaming.check_streamable(model, 2)
    states = streaming.trace_streaming_saved_model(streamed, signature_of(model), folder)
    loaded = tf.saved_model.load(str(folder)).signatures
    assert set(loaded) == {"serve", "serving_default", "step", "initial_state"}
    ids = np.array([[1, 0, 3, 4], [0, 2, 0, 0], [5, 5, 0, 1]], "int32")
    who = np.ones((3, 2), "float32")
    expected = model({"ids": ids, "who": who})
    whole = loaded["serve"](ids=tf.constant(ids), who=tf.constant(who))
    np.testing.assert_allclose(whole["all"], expected["all"], atol=1e-6)
    kept = loaded["initial_state"](batch_size=tf.constant(3))
    assert set(kept) == {t.name for t in states}
    parts = []
    for start in (0, 2):
        block = tf.constant(ids[:, start : start + 2])
        outputs = loaded["step"](ids=block, who=tf.constant(who), **kept)
        kept = {name: outputs[name] for name in kept}
        parts.append(outputs["all"])
    np.testing.assert_allclose(np.concatenate(parts, 1), expected["all"], atol=1e-6)
    np.testing.assert_allclose(outputs["last"], expected["last"], atol=1e-6)
