"""kr.ELMo: its outputs, what it has read, and what of it is trained."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from elmo import kit
from oracle import elmo as oracle

import keras_recurrent as kr

CONTEXTS = ("inclusive", "exclusive")
W, GAMMA = np.array([0.3, -0.8, 0.5], "float32"), np.float32(1.7)


@pytest.fixture(scope="module")
def bilm():
    return kit.make_bilm()


def make(bilm, **options):
    """A built kr.ELMo whose mixes are not the uniform one."""
    layer = kr.ELMo(bilm, **options)
    layer.build((None, None, kit.LENGTH))
    for mix in layer.scalar_mixes:
        if layer.mix_weights is None:
            mix.scalars.assign(W)
            mix.gamma.assign(GAMMA)
    return layer


def mixed(bilm, ids, context="inclusive", **more):
    return oracle.scalar_mix(kit.expect(bilm, ids, context=context).layers, W, GAMMA, **more)


class TestOutputs:
    @pytest.mark.parametrize(
        ("context", "mask"), [("inclusive", "holes"), *[("exclusive", mask) for mask in kit.MASKS]]
    )
    def test_all_layers(self, bilm, mask, context):
        ids = kit.make_ids(mask)
        got = np.moveaxis(make(bilm, output="all", context=context)(ids).numpy(), 2, 0)
        expected = kit.expect(bilm, ids, context=context).layers
        np.testing.assert_allclose(got, expected, **kit.CLOSE)

    @pytest.mark.parametrize("context", CONTEXTS)
    def test_top_layer(self, bilm, context):
        ids = kit.make_ids("holes")
        expected = kit.expect(bilm, ids, context=context).layers[-1]
        np.testing.assert_allclose(
            make(bilm, output="top", context=context)(ids), expected, **kit.CLOSE
        )

    @pytest.mark.parametrize("context", CONTEXTS)
    def test_mix(self, bilm, context):
        ids = kit.make_ids("left")
        expected = mixed(bilm, ids, context)
        np.testing.assert_allclose(make(bilm, context=context)(ids), expected, **kit.CLOSE)

    def test_mix_starts_as_the_plain_mean(self, bilm):
        ids = kit.make_ids()
        expected = kit.expect(bilm, ids).layers.mean(axis=0)
        np.testing.assert_allclose(kr.ELMo(bilm)(ids), expected, **kit.CLOSE)

    @pytest.mark.parametrize("variant", ["forward", "backward", "words"])
    def test_exclusive_variants(self, variant):
        other = kit.make_bilm(**kit.VARIANTS[variant])
        ids = kit.ids_for(other, "holes")
        got = kr.ELMo(other, output="all", context="exclusive")(ids)
        expected = kit.expect(other, ids, context="exclusive").layers
        np.testing.assert_allclose(np.moveaxis(got, 2, 0), expected, **kit.CLOSE)

    def test_layer_norm(self, bilm):
        """One mean and variance of a layer, over the words that are there."""
        ids = kit.make_ids("holes")
        expected = mixed(bilm, ids, mask=ids.any(axis=-1))
        np.testing.assert_allclose(make(bilm, layer_norm=True)(ids), expected, **kit.CLOSE)
        assert np.isfinite(make(bilm, layer_norm=True)(kit.make_ids("nothing", rows=1))).all()

    def test_layer_norm_in_double_precision(self):
        double, ids = kit.make_bilm(num_layers=1, dtype="float64"), kit.make_ids()
        layer = kr.ELMo(double, layer_norm=True, dtype="float64")
        layers = kit.expect(double, ids).layers
        expected = oracle.scalar_mix(layers, np.zeros(2), 1.0, ids.any(axis=-1))
        np.testing.assert_allclose(layer(ids), expected, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("chosen", [0, 1, 2])
    def test_fixed_mix_weights_choose_a_layer(self, bilm, chosen):
        weights = [-9e10] * 3
        weights[chosen] = 1.0
        ids, layer = kit.make_ids(), make(bilm, mix_weights=weights)
        expected = kit.expect(bilm, ids).layers[chosen]
        np.testing.assert_allclose(layer(ids), expected, **kit.CLOSE)
        assert not layer.trainable_weights

    def test_independent_mixes(self, bilm):
        ids, layer = kit.make_ids(), make(bilm, mixes=3)
        layer.scalar_mixes[1].scalars.assign(W[::-1])
        layer.scalar_mixes[2].gamma.assign(0.5)
        got, layers = layer(ids), kit.expect(bilm, ids).layers
        settings = [(W, GAMMA), (W[::-1], GAMMA), (W, 0.5)]
        for one, setting in zip(got, settings, strict=True):
            np.testing.assert_allclose(one, oracle.scalar_mix(layers, *setting), **kit.CLOSE)

    @pytest.mark.parametrize("options", [{}, {"output": "top"}, {"output": "all"}, {"mixes": 2}])
    def test_shape_before_there_is_data(self, bilm, options):
        layer = make(bilm, **options)
        shape = layer.compute_output_shape((4, 5, kit.LENGTH))
        outputs = layer(kit.make_ids("none"))
        if layer.mixes == 1:
            assert shape == outputs.shape
        else:
            assert shape == [tuple(output.shape) for output in outputs]


class TestCausality:
    """What changes when word t does."""

    AT = 2

    @pytest.mark.parametrize("output", ["top", "mix", "all"])
    @pytest.mark.parametrize("context", CONTEXTS)
    def test_word_t_is_in_the_inclusive_vector_only(self, bilm, output, context):
        layer = make(bilm, output=output, context=context)
        ids = kit.make_ids("none")
        other = ids.copy()
        other[:, self.AT] = oracle.word_ids("changed", kit.LENGTH)
        change = np.abs(layer(other) - layer(ids).numpy())
        change = change.reshape(kit.ROWS, kit.STEPS, -1, 2, bilm.width).max(axis=(0, 2, 4))
        forward, backward = change.T
        inclusive = context == "inclusive"
        assert (change[self.AT].min() > 1e-3) == inclusive
        assert change[self.AT].max() > 1e-3 if inclusive else change[self.AT].max() <= 1e-6
        assert forward[: self.AT].max() <= 1e-6 < 1e-3 < forward[self.AT + 1]
        assert backward[self.AT + 1 :].max() <= 1e-6 < 1e-3 < backward[self.AT - 1]

    @pytest.mark.parametrize("output", ["top", "mix", "all"])
    def test_exclusive_with_holes_has_read_the_nearest_words(self, bilm, output):
        """Word t - 1 is the last one that is there, wherever it is."""
        layer = make(bilm, output=output, context="exclusive")
        dense = kit.make_ids("none")[:1, :3]
        spread = np.zeros((1, 7, kit.LENGTH), "int32")
        places = [1, 2, 5]
        spread[:, places] = dense
        got, expected = layer(spread).numpy(), layer(dense)
        np.testing.assert_allclose(got[:, places], expected, atol=1e-6)


class TestTraining:
    def test_dropout_of_the_output(self, bilm):
        layer, ids = make(bilm, dropout=0.5), kit.make_ids("none")
        expected = mixed(bilm, ids)
        for training in (None, False):
            np.testing.assert_allclose(layer(ids, training=training), expected, **kit.CLOSE)
        dropped = layer(ids, training=True).numpy()
        kept = dropped != 0
        assert 0.3 < kept.mean() < 0.7
        np.testing.assert_allclose(dropped[kept], 2 * expected[kept], rtol=1e-5, atol=5e-6)

    def test_dropout_of_the_language_model_only_where_it_is_tuned(self):
        ids = kit.make_ids("none")
        for fine_tune in (False, True):
            noisy = kit.make_bilm(num_layers=1, directions=("forward",), dropout=0.5)
            layer, plain = kr.ELMo(noisy, fine_tune=fine_tune), kit.expect(noisy, ids).layers
            change = np.abs(layer(ids, training=True) - plain.mean(axis=0)).max()
            assert change > 0.1 if fine_tune else change < 1e-5

    def test_l2_pulls_towards_equal_shares(self, bilm):
        layer = make(bilm, l2=0.25, mixes=2)
        np.testing.assert_allclose(sum(layer.losses), 0.25 * 2 * np.sum(W**2), rtol=1e-6)
        assert not make(bilm).losses

    @pytest.mark.parametrize("fine_tune", [False, True])
    def test_what_is_trained(self, fine_tune):
        own = kit.make_bilm(num_layers=1, directions=("forward",))
        count = len(own.weights)
        layer = kr.ELMo(own, fine_tune=fine_tune)
        layer.build((None, None, kit.LENGTH))
        assert len(layer.trainable_weights) == 2 + fine_tune * count
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(kit.make_ids()) ** 2)
        weights = [weight.value for weight in own.weights]
        gradients = tape.gradient(loss, weights)
        assert all((gradient is not None) == fine_tune for gradient in gradients)
        layer.trainable = False
        assert not layer.trainable_weights
        layer.trainable = True
        assert len(layer.trainable_weights) == 2 + fine_tune * count

    def test_a_warning_where_a_layer_ends_the_tuning_of_another(self, recwarn):
        shared = kit.make_bilm(num_layers=1)
        frozen = kr.ELMo(shared)
        tuning = [kr.ELMo(shared, fine_tune=True, name=name) for name in ("one", "two")]
        assert not recwarn.list
        with pytest.warns(UserWarning, match=r"\['one', 'two'\] no longer train"):
            frozen = frozen, kr.ELMo(shared)
        assert not any(layer.trainable_weights for layer in (shared, *frozen, *tuning))
        kr.ELMo(shared)  # ends nothing any more
        assert not recwarn.list

    def test_a_warning_where_layers_share_carried_states(self, recwarn):
        shared = kit.make_bilm(num_layers=1, stateful=True)
        layers = [kr.ELMo(shared, name="one")]
        assert not recwarn.list
        with pytest.warns(UserWarning, match=r"'two' shares a stateful biLM with \['one'\]"):
            layers.append(kr.ELMo(shared, name="two"))

    def test_gradients_of_the_mix(self, bilm):
        layer, ids, step = make(bilm), kit.make_ids("holes"), 1e-6
        layers = kit.expect(bilm, ids).layers
        cotangent = np.random.default_rng(2).normal(size=layers[0].shape)

        def loss_at(w, gamma):
            return np.sum(oracle.scalar_mix(layers, w, gamma) * cotangent)

        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(ids) * cotangent.astype("float32"))
        (mix,) = layer.scalar_mixes
        of_w, of_gamma = tape.gradient(loss, [mix.scalars.value, mix.gamma.value])
        for got, unit in zip(of_w, np.eye(3), strict=True):
            slope = loss_at(W + step * unit, GAMMA) - loss_at(W - step * unit, GAMMA)
            np.testing.assert_allclose(got, slope / (2 * step), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(of_gamma, loss_at(W, GAMMA) / GAMMA, rtol=1e-4)


class TestInputs:
    WORDS = (("naïve", "<S>", "🙂"), ("b" * 30, "", ""), ("c", "d", ""))

    def test_strings(self, bilm):
        layer = make(bilm)
        ids = oracle.batch_ids([["naïve", "<S>", "🙂"], ["b" * 30], ["c", "d"]], kit.LENGTH)
        np.testing.assert_allclose(layer(tf.constant(self.WORDS)), layer(ids), atol=1e-6)

    def test_ragged_strings(self, bilm):
        layer, sentences = make(bilm), [["naïve", "<S>", "🙂"], ["b" * 30], [], ["c", "d"]]
        expected = layer(oracle.batch_ids(sentences, kit.LENGTH))
        np.testing.assert_allclose(layer(tf.ragged.constant(sentences)), expected, atol=1e-6)

    def test_ragged_ids(self, bilm):
        layer, ids = make(bilm), kit.make_ids("right")
        ragged = tf.RaggedTensor.from_tensor(ids, lengths=ids.any(axis=-1).sum(axis=1))
        np.testing.assert_array_equal(layer(ragged), layer(ids))
        words = kr.ELMo(kit.make_bilm(num_layers=1, vocabulary_size=kit.VOCABULARY))
        got = words(tf.ragged.constant([[3, 4], [5]]))
        np.testing.assert_array_equal(got, words(np.array([[3, 4], [5, 0]])))

    def test_lists_of_several_lengths(self, bilm):
        with pytest.raises(ValueError, match="batch_to_ids"):
            make(bilm)([["a", "b"], ["c"]])

    def test_strings_for_a_model_of_whole_words(self):
        words = kit.make_bilm(vocabulary_size=kit.VOCABULARY)
        with pytest.raises(TypeError, match="vocabulary"):
            kr.ELMo(words)(tf.constant([["a", "b"]]))

    @pytest.mark.parametrize("output", ["mix", "top", "all"])
    @pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0)])
    def test_no_sentences_and_no_words(self, bilm, output, shape):
        got = make(bilm, output=output)(np.zeros((*shape, kit.LENGTH), "int32"))
        assert tuple(got.shape[:2]) == shape

    def test_half_precision(self, bilm):
        half = kit.make_bilm(dtype="mixed_float16")
        layer = make(half, dtype="mixed_float16")
        got = layer(kit.make_ids("holes"))
        assert got.dtype == "float16"
        assert {weight.dtype for weight in layer.weights} == {"float32"}
        np.testing.assert_allclose(got, mixed(bilm, kit.make_ids("holes")), atol=2e-2)

    def test_half_precision_normalises_a_large_batch(self):
        """More numbers than float16 can count."""
        half = kit.make_bilm(num_layers=1, dtype="mixed_float16")
        ids = np.tile(kit.make_ids("none"), (100, 10, 1))
        layer = kr.ELMo(half, layer_norm=True, dtype="mixed_float16")
        expected = kr.ELMo(kit.make_bilm(num_layers=1), layer_norm=True)(ids)
        np.testing.assert_allclose(layer(ids), expected, atol=2e-2)

    @pytest.mark.parametrize(
        ("shape", "dtype", "error", "received"),
        [
            ((None, kit.LENGTH), "float32", TypeError, "float32"),
            ((None, 50), "int32", ValueError, "50"),
            ((kit.LENGTH,), "int32", ValueError, str(kit.LENGTH)),
            ((None, None), "string", ValueError, "None, None, None"),
        ],
    )
    def test_what_is_no_input_is_refused_in_a_functional_model(
        self, bilm, shape, dtype, error, received
    ):
        with pytest.raises(error, match=received):
            kr.ELMo(bilm)(keras.Input(shape, dtype=dtype))


class TestBadOptions:
    def test_a_filter_wider_than_a_word(self):
        with pytest.raises(ValueError, match="max_characters_per_token"):
            kit.make_bilm(filters=((2, 3), (9, 3)), max_characters_per_token=8)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"output": "mean"}, "output='mean'"),
            ({"context": "left"}, "context='left'"),
            ({"mixes": 0}, "mixes=0"),
            ({"dropout": 1.5}, "dropout=1.5"),
            ({"l2": -1.0}, "l2=-1.0"),
            ({"output": "top", "mixes": 2}, "mixes"),
            ({"output": "all", "layer_norm": True}, "layer_norm"),
            ({"mix_weights": "uniform"}, "mix_weights='uniform'"),
            ({"mix_weights": [1.0, float("nan"), 0.0]}, "finite"),
            ({"mix_weights": [1.0, float("-inf"), 0.0]}, "finite"),
        ],
    )
    def test_refused_where_it_is_given(self, bilm, options, message):
        with pytest.raises(ValueError, match=message):
            kr.ELMo(bilm, **options)

    def test_a_weight_for_each_layer(self, bilm):
        with pytest.raises(ValueError, match="3 numbers"):
            kr.ELMo(bilm, mix_weights=[1.0, 2.0])(kit.make_ids())

    @pytest.mark.parametrize("other", [None, "bilm", 3])
    def test_no_language_model(self, other):
        with pytest.raises(ValueError, match="BiLM"):
            kr.ELMo(other)
