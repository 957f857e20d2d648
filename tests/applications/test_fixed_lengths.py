"""`one_to_one`, `many_to_one`, `many_to_many` against their equations."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from applications import kit

import keras_recurrent as kr
import keras_recurrent.applications as applications

IDS = np.array([[3, 1, 2, 0, 0], [4, 4, 1, 5, 2], [0, 2, 0, 1, 0], [0, 0, 0, 0, 0]])


def test_one_to_one_is_the_first_step_of_the_plain_net():
    model = applications.one_to_one(3, features=5, units=4, depth=2, residual=True)
    x = np.random.default_rng(0).normal(size=(6, 5))
    h = kit.dense(model.get_layer("hidden_1"), x, np.tanh)
    h = h + kit.dense(model.get_layer("hidden_2"), h, np.tanh)
    wanted = kit.dense(model.get_layer("output"), h, kit.softmax)
    np.testing.assert_allclose(model(x), wanted, rtol=1e-5, atol=1e-6)
    one_step = keras.Sequential([keras.Input((1, 5)), kr.SimpleRNN(4)])
    kernel, bias = model.get_layer("hidden_1").get_weights()
    one_step.set_weights([kernel, np.ones((4, 4)), bias])
    np.testing.assert_allclose(
        one_step(x[:, None]), kit.dense(model.get_layer("hidden_1"), x, np.tanh), atol=1e-6
    )


def test_one_to_one_reads_ids():
    model = applications.one_to_one(3, vocabulary_size=7, units=4, output_activation=None)
    vectors = model.get_layer("embedding").get_weights()[0][[2, 0]]
    hidden = kit.dense(model.get_layer("hidden_1"), vectors, np.tanh)
    wanted = kit.dense(model.get_layer("output"), hidden)
    np.testing.assert_allclose(model(np.array([2, 0])), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("kind", ["simple_rnn", "gru", "lstm"])
def test_many_to_one(kind, pooling):
    model = applications.many_to_one(
        3, vocabulary_size=6, cell=kind, units=4, bidirectional=True, pooling=pooling
    )
    mask = IDS != 0
    x = model.get_layer("embedding").get_weights()[0][IDS]
    layer = model.get_layer("recurrent_1_both_directions")
    outputs, last, _ = kit.both(layer, kind, x, mask)
    pooled = {
        "last": last,
        "mean": outputs.sum(1) / np.maximum(mask.sum(1), 1)[:, None],
        "max": np.where(
            mask.any(1)[:, None], np.where(mask[..., None], outputs, -np.inf).max(1), 0.0
        ),
    }[pooling]
    wanted = kit.dense(model.get_layer("output"), pooled, kit.softmax)
    np.testing.assert_allclose(model(IDS), wanted, rtol=1e-5, atol=1e-6)


def test_many_to_many_in_depth_with_residuals():
    model = applications.many_to_many(
        3, features=4, mask_value=-1.0, cell="gru", units=4, depth=3, residual=True
    )
    x = np.random.default_rng(1).normal(size=(3, 5, 4)).astype("float32")
    x[0, 3:] = x[1, 1] = -1.0
    mask = (x != -1.0).any(-1)
    first, _, _ = kit.run(model.get_layer("recurrent_1"), "gru", x, mask)
    second = first + kit.run(model.get_layer("recurrent_2"), "gru", first, mask)[0]
    third = second + kit.run(model.get_layer("recurrent_3"), "gru", second, mask)[0]
    wanted = kit.dense(model.get_layer("output"), third, kit.softmax)
    given = model(x)
    np.testing.assert_allclose(given[mask], wanted[mask], rtol=1e-5, atol=1e-6)


def test_padding_does_not_count_in_the_loss_of_many_to_many():
    model = applications.many_to_many(3, vocabulary_size=6, cell="gru", units=4)
    model.compile(loss=kr.losses.SumOverTime("sparse_categorical_crossentropy"))
    targets = np.random.default_rng(2).integers(3, size=IDS.shape)
    probabilities = np.asarray(model(IDS))
    valid = IDS != 0
    picked = -np.log(np.take_along_axis(probabilities, targets[..., None], -1)[..., 0])
    wanted = (picked * valid).sum() / valid.any(1).sum()
    assert model.evaluate(IDS, targets, verbose=0) == pytest.approx(wanted, rel=1e-5)


def test_last_layer_of_many_to_one_has_no_residual():
    model = applications.many_to_one(2, features=3, units=4, depth=2, residual=True, cell="gru")
    x = np.random.default_rng(3).normal(size=(2, 5, 3))
    first, _, _ = kit.run(model.get_layer("recurrent_1"), "gru", x)
    _, last, _ = kit.run(model.get_layer("recurrent_2"), "gru", first)
    wanted = kit.dense(model.get_layer("output"), last, kit.softmax)
    np.testing.assert_allclose(model(x), wanted, rtol=1e-5, atol=1e-6)


def test_trains_and_is_the_same_after_loading(tmp_path):
    def peephole(units):
        return kr.LSTMCell(units, peephole=True)

    keras.utils.set_random_seed(1)
    model = applications.many_to_one(
        2,
        vocabulary_size=6,
        cell=peephole,
        units=8,
        dropout=0.1,
        pooling="max",
        engine="loop",
        name="first_ids",
    )
    rate = keras.optimizers.Adam(0.01)
    model.compile(rate, "sparse_categorical_crossentropy", jit_compile=False)
    ids = np.random.default_rng(4).integers(1, 6, size=(256, 4))
    losses = model.fit(ids, ids[:, 0] > 2, 32, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.name == "first_ids"
    np.testing.assert_allclose(loaded(IDS), model(IDS), atol=1e-7)


def test_output_has_32_bits_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = applications.many_to_many(3, features=2, units=4)
    finally:
        keras.config.set_dtype_policy("float32")
    given = model(np.ones((1, 3, 2), "float32"))
    assert model.get_layer("recurrent_1").compute_dtype == "float16"
    assert given.dtype == "float32"


def test_exports_as_a_sequence_and_as_a_stream(tmp_path):
    export = pytest.importorskip("keras_recurrent.export")
    pytest.importorskip("ai_edge_litert")
    whole = applications.many_to_one(3, vocabulary_size=6, units=4, bidirectional=True)
    report = export.to_tflite(whole, tmp_path / "whole.tflite", batch_size=None)
    assert report.largest_difference < 1e-5
    steps = applications.many_to_many(3, features=2, units=4, depth=2, residual=True, cell="gru")
    export.to_tflite(steps, tmp_path / "step.tflite", streaming=True)
    x = np.random.default_rng(5).normal(size=(1, 6, 2)).astype("float32")
    given = export.Stream(tmp_path / "step.tflite").push(x)
    np.testing.assert_allclose(given, steps(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_ragged_input_gives_what_padded_input_gives(pooling):
    rows = [[1, 2, 0, 3], [], [4]]
    ids = tf.ragged.constant(rows, dtype=tf.int32)
    model = applications.many_to_one(
        3, vocabulary_size=5, units=4, depth=2, bidirectional=True, pooling=pooling
    )
    np.testing.assert_allclose(model(ids), model(ids.to_tensor()), rtol=1e-5)
    frames = np.random.default_rng(7).normal(size=(5, 2)).astype("float32")
    ragged = tf.RaggedTensor.from_row_lengths(frames, [4, 0, 1])
    numbers = applications.many_to_one(3, features=2, units=4, pooling=pooling)
    given = numbers(ragged)
    np.testing.assert_allclose(given[:1], numbers(frames[None, :4]), rtol=1e-5)
    np.testing.assert_allclose(given[2:], numbers(frames[None, 4:]), rtol=1e-5)
    assert np.isfinite(given).all()  # an empty row counts as zeros


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_pooling_streams(pooling, tmp_path):
    export = pytest.importorskip("keras_recurrent.export")
    pytest.importorskip("ai_edge_litert")
    model = applications.many_to_one(3, features=2, units=4, pooling=pooling)
    export.to_tflite(model, tmp_path / "step.tflite", streaming=True)  # compared with the model


class TestMaskedPooling:
    MASK = np.array([[True, True, False], [False, False, False]])

    @pytest.mark.parametrize("mode", ["mean", "max"])
    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_what_masked_steps_hold_changes_nothing(self, mode, bad):
        x = np.array([[[1.0], [-3.0], [bad]], [[bad]] * 3], "float32")
        given = applications.MaskedPooling(mode)(x, mask=self.MASK)
        np.testing.assert_array_equal(given, [[-1.0 if mode == "mean" else 1.0], [0.0]])

    @pytest.mark.parametrize("mode", ["mean", "max"])
    def test_of_no_time_step_at_all(self, mode):
        none = np.zeros((2, 0, 3), "float32")
        given = applications.MaskedPooling(mode)(none, mask=np.zeros((2, 0), bool))
        np.testing.assert_array_equal(given, np.zeros((2, 3)))

    def test_means_of_16_bits_do_not_overflow(self):
        mask = np.arange(5000)[None] < 4000
        x = np.where(mask[..., None], 100.0, 7.0).astype("float16")
        given = applications.MaskedPooling("mean", dtype="float16")(x, mask=mask)
        assert given.dtype == "float16"
        np.testing.assert_array_equal(given, [[100.0]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one of features and vocabulary_size"),
        ({"features": 3, "vocabulary_size": 3}, "features=3, vocabulary_size=3"),
        ({"features": 3, "units": 0}, "`units` must be a positive whole number"),
        ({"features": 3, "depth": 1.5}, "depth=1.5"),
        ({"features": 3, "cell": "rnn"}, "cell='rnn'"),
        ({"features": 3, "cell": kr.LSTMCell(3)}, "a function that makes a cell"),
        ({"features": 3, "pooling": "sum"}, "pooling='sum'"),
        ({"features": 3, "dropout": 1.0}, r"lie in \[0, 1\)"),
        ({"features": 3, "mask_value": float("nan")}, "NaN equals nothing"),
        ({"vocabulary_size": 3, "mask_value": 0.0}, "`mask_value` is for raw input"),
        ({"features": 3, "name": 3}, "`name` must be text"),
        ({"features": 3, "embedding_dim": 8}, r"is for ids.*features=3, embedding_dim=8"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        applications.many_to_one(2, **arguments)


def test_only_sequences_are_said_to_have_padding():
    assert "padding" not in applications.one_to_one.__doc__
    for build in (applications.many_to_one, applications.many_to_many, applications.one_to_many):
        assert build.__doc__.count("padding and masked") == 1


def test_refuses_unknown_arguments_by_the_functions_name():
    with pytest.raises(TypeError, match=r"many_to_many\(\): .*'unit'"):
        applications.many_to_many(2, features=3, unit=3)


@pytest.mark.parametrize("build", [applications.one_to_one, applications.many_to_many])
def test_refuses_a_softmax_over_one_output(build):
    with pytest.raises(ValueError, match=r"always 1.*'sigmoid'.*outputs=1"):
        build(1, features=3)
    assert build(1, features=3, output_activation="sigmoid").output_shape[-1] == 1


def test_one_to_one_of_numbers_has_no_embedding():
    with pytest.raises(ValueError, match="embedding_dim=8"):
        applications.one_to_one(2, features=3, embedding_dim=8)
