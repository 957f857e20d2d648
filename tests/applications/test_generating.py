"""`one_to_many` and `sequence_to_sequence` against their equations; what training them needs."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from applications import kit

import keras_recurrent as kr
import keras_recurrent.applications as applications

SOURCE = np.array([[3, 1, 2, 0, 0], [4, 4, 1, 5, 2], [2, 1, 0, 0, 0]])
PREVIOUS, TARGETS = applications.teacher_forcing([[3, 4], [5, 3, 3, 4], []])


def attend(layer, query, memory, valid):
    """The contexts by the equation."""
    if layer.kind == "additive":
        query = kit.dense(layer.query, query)
        (scale,) = layer.attention.get_weights()
        scores = np.tanh(query[:, :, None] + memory[:, None]) @ scale
    else:
        (scale,) = layer.attention.get_weights()
        scores = scale * query @ memory.transpose(0, 2, 1)
    return kit.softmax(np.where(valid[:, None], scores, -1e9)) @ memory


def multi_head(layer, query, memory, valid):
    project = [np.asarray(w, "float64") for w in layer.attention.get_weights()]
    q_k, q_b, k_k, k_b, v_k, v_b, o_k, o_b = project
    q = np.einsum("btd,dhk->bhtk", query, q_k) + q_b[:, None]
    k = np.einsum("btd,dhk->bhtk", memory, k_k) + k_b[:, None]
    v = np.einsum("btd,dhk->bhtk", memory, v_k) + v_b[:, None]
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1])
    heads = kit.softmax(np.where(valid[:, None, None], scores, -1e9)) @ v
    return np.einsum("bhtk,hkd->btd", heads, o_k) + o_b


def by_hand(model, kind, bidirectional, attention):
    encoder, decoder = applications.parts_of(model)
    valid = SOURCE != 0
    x = encoder.get_layer("embedding").get_weights()[0][SOURCE]
    if bidirectional:
        layer = encoder.get_layer("encoder_1_both_directions")
        outputs, _, after = kit.both(layer, kind, x, valid)
        half, names = len(after) // 2, ["h", "c"]
        states = [
            kit.dense(
                encoder.get_layer(f"state_1_{name}"),
                np.concatenate([after[place], after[half + place]], -1),
                np.tanh if name == "h" else None,
            )
            for place, name in zip(range(half), names, strict=False)
        ]
    else:
        outputs, _, states = kit.run(encoder.get_layer("encoder_1"), kind, x, valid)
    y = decoder.get_layer("embedding").get_weights()[0][PREVIOUS]
    h, _, _ = kit.run(decoder.get_layer("decoder_1"), kind, y, PREVIOUS != 0, states)
    if attention is not None:
        memory = kit.dense(encoder.get_layer("memory"), outputs)
        look = multi_head if attention == "multi_head" else attend
        context = look(decoder.get_layer("attention"), h, memory, valid)
        h = kit.dense(decoder.get_layer("attentive"), np.concatenate([h, context], -1), np.tanh)
    return kit.dense(decoder.get_layer("output"), h, kit.softmax)


@pytest.mark.parametrize(
    ("kind", "bidirectional", "attention"),
    [
        ("lstm", True, "dot"),
        ("gru", True, "additive"),
        ("gru", False, "multi_head"),
        ("lstm", False, None),
        ("simple_rnn", True, None),
    ],
)
def test_sequence_to_sequence(kind, bidirectional, attention):
    model = applications.sequence_to_sequence(
        7,
        source_vocabulary=6,
        cell=kind,
        units=8 if attention == "multi_head" else 4,
        bidirectional=bidirectional,
        attention=attention,
    )
    given = np.asarray(model({"source": SOURCE, "previous": PREVIOUS}))
    wanted = by_hand(model, kind, bidirectional, attention)
    valid = PREVIOUS != 0
    np.testing.assert_allclose(given[valid], wanted[valid], rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def deep():
    keras.utils.set_random_seed(3)
    return applications.sequence_to_sequence(
        7, source_vocabulary=6, cell="gru", units=4, depth=2, residual=True, engine="loop"
    )


def test_steps_give_what_the_sequence_gives(deep, tmp_path):
    deep.save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    wanted = np.asarray(deep({"source": SOURCE, "previous": PREVIOUS}))
    encoder, decoder = applications.parts_of(model)
    state = dict(encoder(tf.constant(SOURCE)))
    for t in range(PREVIOUS.shape[1]):
        given = dict(decoder({"previous": tf.constant(PREVIOUS[:, t : t + 1]), **state}))
        valid = PREVIOUS[:, t] != 0
        np.testing.assert_allclose(given.pop("output")[:, 0][valid], wanted[:, t][valid], atol=1e-6)
        for name in given:  # a row that has ended keeps its state
            np.testing.assert_array_equal(given[name][~valid], state[name][~valid])
        state |= given


def test_padding_of_the_source_changes_nothing(deep):
    short = np.asarray(deep({"source": SOURCE, "previous": PREVIOUS}))
    padded = np.pad(SOURCE, [(0, 0), (0, 4)])
    long = np.asarray(deep({"source": padded, "previous": PREVIOUS}))
    np.testing.assert_allclose(long, short, atol=1e-6)


def test_an_empty_source_is_finite(deep):
    given = deep({"source": np.zeros_like(SOURCE), "previous": PREVIOUS})
    assert np.isfinite(given).all()


def test_loss_counts_each_valid_step(deep):
    deep.compile(
        loss=kr.losses.SumOverTime("sparse_categorical_crossentropy"),
        weighted_metrics=["accuracy"],
        run_eagerly=True,
    )
    inputs = {"source": SOURCE, "previous": PREVIOUS}
    probabilities = np.asarray(deep(inputs))
    picked = np.take_along_axis(probabilities, TARGETS[..., None], -1)[..., 0]
    valid = PREVIOUS != 0
    loss, accuracy = deep.evaluate(inputs, TARGETS, verbose=0)
    assert loss == pytest.approx(-(np.log(picked) * valid).sum() / len(SOURCE), rel=1e-5)
    right = (probabilities.argmax(-1) == TARGETS)[valid]
    assert accuracy == pytest.approx(right.mean(), abs=1e-6)


def _deviations(model):
    embeddings = [w for w in model.trainable_weights if w.path.endswith("embeddings")]
    return {w.shape[0]: float(np.std(w)) for w in embeddings}


def test_vectors_of_both_sides_are_wide_and_their_own():
    sizes = {"target_vocabulary": 300, "source_vocabulary": 200, "units": 16}
    model = applications.sequence_to_sequence(**sizes)
    assert _deviations(model) == pytest.approx({200: 1.0, 300: 1.0}, rel=0.05)
    first, second = (w for w in model.trainable_weights if w.path.endswith("embeddings"))
    assert np.abs(first[:200] - second[:200]).max() > 1
    half = keras.initializers.RandomNormal(stddev=0.5)
    model = applications.sequence_to_sequence(**sizes, embeddings_initializer=half)
    assert _deviations(model) == pytest.approx({200: 0.5, 300: 0.5}, rel=0.05)
    model = applications.many_to_one(3, vocabulary_size=300, embeddings_initializer="ones")
    assert _deviations(model) == {300: 0.0}


def test_one_to_many_starts_from_its_condition():
    model = applications.one_to_many(vocabulary_size=6, condition_sizes=(2, 3), units=4)
    condition = np.array([[0, 2], [1, 0], [1, 2]])
    encoder, decoder = applications.parts_of(model)
    vectors = encoder.get_layer("categories").get_weights()[0]
    both = np.concatenate([vectors[condition[:, 0]], vectors[2 + condition[:, 1]]], -1)
    hidden = kit.dense(encoder.get_layer("condition_dense"), both, np.tanh)
    states = [
        kit.dense(encoder.get_layer("state_1_h"), hidden, np.tanh),
        kit.dense(encoder.get_layer("state_1_c"), hidden),
    ]
    y = decoder.get_layer("embedding").get_weights()[0][PREVIOUS]
    h, _, _ = kit.run(decoder.get_layer("decoder_1"), "lstm", y, PREVIOUS != 0, states)
    wanted = kit.dense(decoder.get_layer("output"), h, kit.softmax)
    given = np.asarray(model({"condition": condition, "previous": PREVIOUS}))
    valid = PREVIOUS != 0
    np.testing.assert_allclose(given[valid], wanted[valid], rtol=1e-5, atol=1e-6)


def test_one_to_many_of_frames_without_a_condition():
    model = applications.one_to_many(
        features=3, outputs=3, cell="gru", units=4, output_activation="sigmoid"
    )
    frames = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    _, decoder = applications.parts_of(model)
    h, _, _ = kit.run(decoder.get_layer("decoder_1"), "gru", frames)
    wanted = 1 / (1 + np.exp(-kit.dense(decoder.get_layer("output"), h)))
    np.testing.assert_allclose(model({"previous": frames}), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wrong", [[2, 0], [-1, 0], [0, 3]])
def test_unknown_categories_do_not_get_a_vector_of_the_next_column(wrong):
    layer = applications.one_to_many(vocabulary_size=6, condition_sizes=(2, 3), units=4)
    layer = layer.get_layer("encoder").get_layer("categories")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\(2, 3\) categories"):
        layer(np.array([[0, 0], wrong]))


class TestScheduledSampling:
    def test_mixes_what_the_model_says(self):
        layer = applications.ScheduledSampling(0.5, seed=1)
        previous = np.tile(np.array([[1, 3, 3, 3, 0]], "int32"), (2000, 1))
        says = np.full((2000, 5, 7), 1e-9, "float32")
        says[:, 0, 5] = says[:, 1, 6] = 1.0  # what it says at t is read at t + 1
        says[:, 2, [4, 0]] = 0.5  # 0 is padding: never drawn
        mixed = np.asarray(layer(previous, says, training=True))
        assert (mixed[:, 0] == 1).all()
        assert (mixed[:, 4] == 0).all()
        for t, said in ((1, 5), (2, 6), (3, 4)):
            assert set(mixed[:, t]) == {3, said}
            assert (mixed[:, t] == said).mean() == pytest.approx(0.5, abs=0.05)
        np.testing.assert_array_equal(layer(previous, says, training=False), previous)

    def test_draws_by_the_models_probabilities(self):
        layer = applications.ScheduledSampling(0.999, logits=True, seed=2)
        previous = np.tile(np.array([[1, 3]], "int32"), (4000, 1))
        logits = np.log(np.tile(np.array([0.1, 0.2, 0.3, 0.4], "float32"), (4000, 2, 1)))
        drawn = np.asarray(layer(previous, logits, training=True))[:, 1]
        shares = np.bincount(drawn, minlength=4)[1:] / len(drawn)
        np.testing.assert_allclose(shares, np.array([0.2, 0.3, 0.4]) / 0.9, atol=0.03)

    def test_trains_in_a_model_and_follows_a_schedule(self, tmp_path):
        model = applications.sequence_to_sequence(
            7, source_vocabulary=6, units=4, cell="gru", scheduled_sampling=0.25, engine="loop"
        )
        plain = applications.sequence_to_sequence(7, source_vocabulary=6, units=4, cell="gru")
        layer = model.get_layer("scheduled_sampling")
        assert float(layer.current_rate) == 0.25
        plain.set_weights([w.numpy() for w in model.trainable_weights])
        inputs = {"source": SOURCE, "previous": PREVIOUS}
        np.testing.assert_allclose(model(inputs), plain(inputs), atol=1e-7)
        model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
        rates = []
        seen = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda *_: rates.append(float(layer.current_rate))
        )
        schedule = applications.SamplingRate(lambda epoch: 0.3 * epoch)
        model.fit(inputs, TARGETS, epochs=3, callbacks=[schedule, seen], verbose=0)
        np.testing.assert_allclose(rates, [0.0, 0.3, 0.6], rtol=1e-6)
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_allclose(loaded(inputs), model(inputs), atol=1e-7)

    @pytest.mark.parametrize("dtype", ["mixed_float16", "float64"])
    def test_in_other_types_than_32_bits(self, dtype):
        layer = applications.ScheduledSampling(0.999, dtype=dtype, seed=1)
        previous = np.tile(np.array([[1, 3]], "int32"), (50, 1))
        likely = np.tile(np.array([0.0, 0.0, 1e-9, 0.0], "float32"), (50, 2, 1))
        drawn = np.asarray(layer(previous, likely, training=True))
        assert (drawn[:, 1] == 2).mean() > 0.9  # 1e-9 is more than 0, which 16 bits do not know

    def test_a_schedule_needs_a_model_with_it(self, deep):
        callback = applications.SamplingRate(lambda epoch: 0.1)
        callback.set_model(deep)
        with pytest.raises(ValueError, match="no scheduled sampling"):
            callback.on_epoch_begin(0)

    def test_is_for_ids(self):
        with pytest.raises(ValueError, match="features=3"):
            applications.one_to_many(features=3, outputs=3, scheduled_sampling=0.1)


def test_ragged_sequences():
    model = applications.sequence_to_sequence(7, source_vocabulary=6, units=4, cell="gru")
    rows = {"source": [[3, 1, 2], [4]], "previous": [[1, 3], [1]]}
    ragged = {name: tf.ragged.constant(ids, dtype=tf.int32) for name, ids in rows.items()}
    padded = {name: ids.to_tensor() for name, ids in ragged.items()}
    np.testing.assert_allclose(model(ragged), model(padded), rtol=1e-5)


class TestTeacherForcing:
    def test_shifts(self):
        np.testing.assert_array_equal(PREVIOUS[:2], [[1, 3, 4, 0, 0], [1, 5, 3, 3, 4]])
        np.testing.assert_array_equal(TARGETS[:2], [[3, 4, 2, 0, 0], [5, 3, 3, 4, 2]])
        np.testing.assert_array_equal(PREVIOUS[2], [1, 0, 0, 0, 0])
        np.testing.assert_array_equal(TARGETS[2], [2, 0, 0, 0, 0])
        assert applications.teacher_forcing([[3]], length=6)[0].shape == (1, 6)

    @pytest.mark.parametrize(
        ("sequences", "options", "message"),
        [
            ([], {}, "no sequences"),
            ([[3, 0]], {}, "Received: 0 in sequence 0"),
            ([[3], [2, 3]], {}, "Received: 2 in sequence 1"),
            ([[3, 4]], {"length": 2}, "has 3 steps"),
            ([[3.5]], {}, "whole numbers"),
            ([[3]], {"begin": 2}, "two ids above 0"),
            ([[3]], {"begin": 1.5}, "begin=1.5"),
            ([[3], [5, 9]], {"vocabulary_size": 9}, "Received: 9 in sequence 1"),
            ([[3]], {"end": 9, "vocabulary_size": 9}, "1 to 8. Received: begin=1, end=9"),
        ],
    )
    def test_refuses(self, sequences, options, message):
        with pytest.raises(ValueError, match=message):
            applications.teacher_forcing(sequences, **options)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: applications.one_to_many(vocabulary_size=5, outputs=3), "outputs=3"),
        (lambda: applications.one_to_many(features=5), "outputs=None"),
        (
            lambda: applications.one_to_many(
                vocabulary_size=5, condition_features=2, condition_sizes=(2,)
            ),
            "exactly one of condition_features",
        ),
        (
            lambda: applications.one_to_many(vocabulary_size=5, condition_sizes=(2, 0)),
            r"\(2, 0\)",
        ),
        (lambda: applications.sequence_to_sequence(5), "source_features and source_vocabulary"),
        (
            lambda: applications.sequence_to_sequence(5, source_vocabulary=5, attention="global"),
            "attention='global'",
        ),
        (
            lambda: applications.sequence_to_sequence(5, source_features=5, mask_value="0"),
            "mask_value='0'",
        ),
        (
            lambda: applications.sequence_to_sequence(
                5, source_vocabulary=5, units=6, attention="multi_head"
            ),
            "width 6, 4 heads",
        ),
        (
            lambda: applications.sequence_to_sequence(
                5, source_vocabulary=5, units=4, attention="multi_head"
            ),
            "width 4, 4 heads",
        ),
        (
            lambda: applications.sequence_to_sequence(
                5,
                source_vocabulary=5,
                cell=lambda units: keras.layers.StackedRNNCells([keras.layers.GRUCell(units)] * 2),
            ),
            "makes one cell of a width; give depth=2",
        ),
        (
            lambda: applications.sequence_to_sequence(
                5, source_vocabulary=5, scheduled_sampling=0.1, output_activation="sigmoid"
            ),
            "output_activation='sigmoid'",
        ),
    ],
)
def test_refuses(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_parts_of_other_models_are_refused():
    model = applications.many_to_one(2, features=3, units=4)
    with pytest.raises(ValueError, match="a model named 'decoder'"):
        applications.parts_of(model)
