"""kr.elmo.BiLM without carried state: numbers and gradients, masks, independence of the batch."""

import numpy as np
import pytest
import tensorflow as tf
from elmo import kit
from oracle import elmo as oracle

import keras_recurrent as kr

# The others are parts of these, or put the same parts together once more.
DIFFERENTIATED = ("plain", "no projection", "two highways", "no clips", "no residual", "words")
STEP = 1e-6  # of the finite differences, in float64


@pytest.fixture(scope="module")
def plain():
    return kit.make_bilm()


class TestNumbers:
    @pytest.mark.parametrize("mask", kit.MASKS)
    def test_every_kind_of_mask(self, plain, mask):
        ids = kit.make_ids(mask)
        outputs, expected = plain(ids), kit.expect(plain, ids)
        np.testing.assert_allclose(outputs.activations, expected.layers, **kit.CLOSE)
        np.testing.assert_array_equal(outputs.mask, expected.mask)

    @pytest.mark.parametrize("variant", kit.VARIANTS)
    def test_every_variant(self, variant):
        bilm = kit.make_bilm(**kit.VARIANTS[variant])
        ids = kit.ids_for(bilm, "holes")
        expected = kit.expect(bilm, ids).layers
        assert len(expected) == bilm.num_layers + 1
        assert expected.shape[-1] == bilm.width * len(bilm.directions)
        np.testing.assert_allclose(kit.layers_of(bilm, ids), expected, **kit.CLOSE)

    @pytest.mark.parametrize("option", ["cell_clip", "projection_clip", "residual"])
    def test_the_weights_are_large_enough_for_the_option_to_matter(self, plain, option):
        other = kit.make_bilm(**{option: None if "clip" in option else False})
        ids = kit.make_ids()
        change = np.abs(kit.layers_of(other, ids) - kit.layers_of(plain, ids))
        assert change[0].max() == 0
        assert change[1 if "clip" in option else 2].max() > 1e-2

    def test_absent_words_give_zeros_in_every_layer(self, plain):
        ids = kit.make_ids("holes")
        absent = ~ids.any(axis=-1)
        assert np.all(kit.layers_of(plain, ids)[:, absent] == 0)

    def test_inside_a_graph_with_unknown_sizes(self, plain):
        shape = tf.TensorSpec([None, None, kit.LENGTH], "int32")
        graph = tf.function(lambda ids: plain(ids).activations, input_signature=[shape])
        for ids in (kit.make_ids("left"), kit.make_ids("right")[:2, :3], kit.make_ids()[:0]):
            np.testing.assert_allclose(
                np.stack(graph(tf.constant(ids))), kit.expect(plain, ids).layers, **kit.CLOSE
            )


class TestGradients:
    """Along one drawn direction for each weight: <gradient, v> is d loss(w + e v) / d e."""

    @staticmethod
    def weights_and_slopes(bilm, ids):
        """By weight: its gradient along a drawn direction, and the oracle's finite difference."""
        cotangent = np.random.default_rng(7).normal(size=kit.expect(bilm, ids).layers.shape)
        with tf.GradientTape() as tape:
            layers = tf.stack(bilm(ids).activations)
            loss = tf.reduce_sum(layers * tf.cast(cotangent, layers.dtype))
        weights = bilm.trainable_weights
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        options = kit.published_options(bilm)
        values = {weight.path: weight.numpy().astype("float64") for weight in weights}

        def loss_at(weight, change):
            moved = {**values, weight.path: values[weight.path] + change}
            arrays = kit.published_arrays(bilm, lambda variable: moved[variable.path])
            return np.sum(oracle.encode(arrays, options, ids).layers * cotangent)

        for weight, gradient in zip(weights, gradients, strict=True):
            v = np.random.default_rng(11).normal(size=weight.shape)
            slope = (loss_at(weight, STEP * v) - loss_at(weight, -STEP * v)) / (2 * STEP)
            yield weight.path, np.sum(tf.convert_to_tensor(gradient).numpy() * v), slope

    @pytest.mark.parametrize("variant", DIFFERENTIATED)
    def test_of_every_weight(self, variant):
        bilm = kit.make_bilm(**kit.VARIANTS[variant], dtype="float64")
        ids = kit.ids_for(bilm, "holes", rows=3)
        for path, got, slope in self.weights_and_slopes(bilm, ids):
            np.testing.assert_allclose(got, slope, rtol=1e-6, atol=1e-6, err_msg=path)
            assert slope != 0, f"nothing depends on {path}"

    def test_in_float32(self, plain):
        for path, got, slope in self.weights_and_slopes(plain, kit.make_ids("right")):
            np.testing.assert_allclose(got, slope, rtol=1e-4, atol=1e-4, err_msg=path)

    def test_with_the_words_of_a_batch_encoded_once(self, plain):
        """A word that comes twice gets the gradient of both places."""
        ids = np.repeat(kit.make_ids("none")[:1, :1], 2, axis=1)
        for path, got, slope in self.weights_and_slopes(plain, ids):
            np.testing.assert_allclose(got, slope, rtol=1e-4, atol=1e-4, err_msg=path)


class TestIndependence:
    """A row's vectors depend on its own words alone."""

    def test_of_the_other_rows(self, plain):
        ids = kit.make_ids("right")
        together = kit.layers_of(plain, ids)
        for row, one in enumerate(ids[:3]):
            alone = kit.layers_of(plain, one[None])
            np.testing.assert_allclose(alone[:, 0], together[:, row], atol=1e-6)

    def test_of_the_order_of_rows(self, plain):
        ids = kit.make_ids("holes")
        turned = kit.layers_of(plain, ids[::-1])
        np.testing.assert_allclose(turned[:, ::-1], kit.layers_of(plain, ids), atol=1e-6)

    @pytest.mark.parametrize(("before", "after"), [(0, 3), (2, 0), (1, 2)])
    def test_of_padding(self, plain, before, after):
        ids = kit.make_ids("right")
        padded = np.pad(ids, [(0, 0), (before, after), (0, 0)])
        middle = slice(before, before + ids.shape[1])
        got = kit.layers_of(plain, padded)
        np.testing.assert_allclose(got[:, :, middle], kit.layers_of(plain, ids), atol=1e-6)

    def test_of_where_the_absent_words_are(self, plain):
        """Words with holes between them are the sentence without the holes."""
        ids, dense = kit.make_ids("holes"), np.zeros_like(kit.make_ids("holes"))
        there = ids.any(axis=-1)
        for row, mask in enumerate(there):
            dense[row, : mask.sum()] = ids[row, mask]
        got, packed = kit.layers_of(plain, ids), kit.layers_of(plain, dense)
        for row, mask in enumerate(there):
            np.testing.assert_allclose(got[:, row, mask], packed[:, row, : mask.sum()], atol=1e-6)

    def test_of_earlier_calls(self, plain):
        ids = kit.make_ids()
        first = kit.layers_of(plain, ids)
        plain(kit.make_ids("holes", seed=8))
        np.testing.assert_array_equal(kit.layers_of(plain, ids), first)


class TestDropout:
    def test_only_in_training(self):
        bilm, sure = (kit.make_bilm(num_layers=1, dropout=rate) for rate in (0.5, 0.0))
        ids = kit.make_ids()
        for training in (None, False):
            np.testing.assert_array_equal(
                kit.layers_of(bilm, ids, training=training), kit.layers_of(sure, ids)
            )
        dropped = [kit.layers_of(bilm, ids, training=True) for _ in (0, 1)]
        assert np.abs(dropped[0] - dropped[1]).max() > 0.1
        words = np.abs(dropped[0]).max(axis=-1) > 0  # dropout does not touch what is masked
        np.testing.assert_array_equal(words.any(axis=0), kit.expect(sure, ids).mask)


class TestDegenerate:
    def test_a_batch_without_rows(self, plain):
        outputs = plain(np.zeros((0, 3, kit.LENGTH), "int32"))
        assert {tuple(layer.shape) for layer in outputs.activations} == {(0, 3, 8)}
        assert outputs.mask.shape == (0, 3)

    def test_rows_without_steps(self, plain):
        outputs = plain(np.zeros((2, 0, kit.LENGTH), "int32"))
        assert {tuple(layer.shape) for layer in outputs.activations} == {(2, 0, 8)}
        assert outputs.mask.shape == (2, 0)


class TestBadIds:
    @pytest.mark.parametrize("shape", [(2, kit.LENGTH), (1, 2, 3, kit.LENGTH), (2, 3, 50)])
    def test_shape(self, plain, shape):
        with pytest.raises(ValueError, match=rf"{kit.LENGTH}"):
            plain(np.ones(shape, "int32"))

    def test_fractions(self, plain):
        with pytest.raises((TypeError, ValueError), match="float"):
            plain(np.ones((1, 2, kit.LENGTH), "float32") * 0.5)

    @pytest.mark.parametrize("value", [262, -1])
    def test_range(self, plain, value):
        ids = kit.make_ids("none")
        ids[1, 2, 3] = value
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=str(value)):
            plain(ids)

    @pytest.mark.parametrize("value", [2**32 + 5, -(2**32) + 5])
    def test_range_of_numbers_that_int32_does_not_hold(self, plain, value):
        ids = kit.make_ids("none").astype("int64")
        ids[1, 2, 3] = value
        with pytest.raises(ValueError, match=str(value)):
            plain.check(ids)

    @pytest.mark.parametrize("dtype", ["uint8", "int64", "uint64"])
    def test_other_whole_numbers(self, dtype):
        bilm, ids = kit.make_bilm(**kit.VARIANTS["words"]), [[1, 2, kit.VOCABULARY, 0]]
        checked = bilm.check(np.array(ids, dtype))
        assert checked.dtype == tf.int32
        np.testing.assert_array_equal(checked, ids)

    def test_a_vocabulary_without_room_for_the_boundaries(self):
        with pytest.raises(ValueError, match="vocabulary_size=1"):
            kr.elmo.BiLM(vocabulary_size=1)

    def test_range_of_words(self):
        bilm = kit.make_bilm(vocabulary_size=kit.VOCABULARY)
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
            bilm(np.array([[1, kit.VOCABULARY + 1]], "int32"))
