"""The state of kr.elmo.BiLM: carried from call to call, reset, or warm from the start."""

import numpy as np
import pytest
import tensorflow as tf
from elmo import kit


def batches():
    """Of 4, 2, 4 and 3 rows, with words absent in every way."""
    sizes = {"right": 4, "holes": 2, "left": 4, "empty rows": 3}
    return [
        kit.make_ids(mask, seed=n, rows=rows, steps=3 + n % 3)
        for n, (mask, rows) in enumerate(sizes.items())
    ]


def small(**options):
    """One layer and one direction, to save time where numbers are not the point."""
    return kit.make_bilm(num_layers=1, directions=("forward",), **options)


def expect_carried(bilm, inputs):
    states = None
    for ids in inputs:
        encoded = kit.expect(bilm, ids, states)
        states = encoded.states
        yield encoded.layers


class TestCarried:
    @pytest.mark.parametrize("variant", ["plain", "no projection", "words"])
    def test_over_batches_of_several_sizes(self, variant):
        bilm = kit.make_bilm(**kit.VARIANTS[variant], stateful=True)
        inputs = batches()
        if variant == "words":
            inputs = [kit.make_ids("holes", n, rows=5 - n, vocabulary=9) for n in (1, 2, 3)]
        for ids, expected in zip(inputs, expect_carried(bilm, inputs), strict=True):
            np.testing.assert_allclose(kit.layers_of(bilm, ids), expected, **kit.CLOSE)

    def test_a_larger_batch_starts_its_new_rows_at_zero(self):
        bilm, fresh = small(stateful=True), small()
        bilm(kit.make_ids("none")[:2])
        ids = kit.make_ids("right", seed=8)
        got, cold = kit.layers_of(bilm, ids), kit.layers_of(fresh, ids)
        np.testing.assert_allclose(got[:, 2:], cold[:, 2:], atol=1e-6)
        assert np.abs(got[1:, :2] - cold[1:, :2]).max() > 1e-4

    def test_a_smaller_batch_leaves_the_other_rows_alone(self):
        bilm, straight = small(stateful=True), small(stateful=True)
        first, last = kit.make_ids("none"), kit.make_ids("right", seed=8)
        for model in (bilm, straight):
            model(first)
        bilm(kit.make_ids("none", seed=9)[:2])
        got, expected = kit.layers_of(bilm, last), kit.layers_of(straight, last)
        np.testing.assert_allclose(got[:, 2:], expected[:, 2:], atol=1e-6)
        assert np.abs(got[1:, :2] - expected[1:, :2]).max() > 1e-4

    def test_reset(self):
        bilm, ids = small(stateful=True), kit.make_ids()
        first = kit.layers_of(bilm, ids)
        assert np.abs(kit.layers_of(bilm, ids) - first).max() > 1e-4
        bilm.reset_state()
        np.testing.assert_allclose(kit.layers_of(bilm, ids), first, atol=1e-6)

    def test_inside_a_graph(self):
        bilm = kit.make_bilm(stateful=True)
        shape = tf.TensorSpec([None, None, kit.LENGTH], "int32")
        graph = tf.function(lambda ids: tf.stack(bilm(ids).activations), input_signature=[shape])
        inputs = batches()
        for ids, expected in zip(inputs, expect_carried(bilm, inputs), strict=True):
            np.testing.assert_allclose(graph(tf.constant(ids)), expected, **kit.CLOSE)

    def test_an_empty_batch_changes_nothing(self):
        bilm, straight = small(stateful=True), small(stateful=True)
        ids = kit.make_ids()
        for model in (bilm, straight):
            model(ids)
        bilm(ids[:0])
        np.testing.assert_allclose(
            kit.layers_of(bilm, ids), kit.layers_of(straight, ids), atol=1e-6
        )


class TestWarm:
    """Every sentence starts from the states that the sentences of `warm_up` left."""

    @staticmethod
    def expect_warm(bilm, opening, ids):
        """The oracle reads the opening's sentences one after the other."""
        states = None
        for row in opening:
            states = kit.expect(bilm, row[None], states).states
        return kit.expect(bilm, ids, states * len(ids)).layers

    def test_numbers(self):
        bilm = kit.make_bilm(initial_state="warm")
        opening, ids = kit.make_ids("right", seed=9, rows=2), kit.make_ids("holes")
        cold = kit.layers_of(bilm, ids)
        np.testing.assert_allclose(cold, kit.expect(bilm, ids).layers, **kit.CLOSE)
        bilm.warm_up(opening)
        got = kit.layers_of(bilm, ids)
        np.testing.assert_allclose(got, self.expect_warm(bilm, opening, ids), **kit.CLOSE)
        assert np.abs(got - cold)[1:].max() > 1e-4

    def test_the_same_at_each_call_and_for_each_company(self):
        bilm, ids = small(initial_state="warm"), kit.make_ids()
        bilm.warm_up(kit.make_ids(seed=9, rows=2))
        first = kit.layers_of(bilm, ids)
        np.testing.assert_array_equal(kit.layers_of(bilm, ids), first)
        alone = kit.layers_of(bilm, ids[2:3, :4])
        np.testing.assert_allclose(alone[:, 0], first[:, 2, :4], atol=1e-6)

    def test_warming_again_starts_afresh(self):
        bilm, ids, opening = small(initial_state="warm"), kit.make_ids(), kit.make_ids(rows=2)
        bilm.warm_up(opening)
        first = kit.layers_of(bilm, ids)
        bilm.warm_up(opening)
        np.testing.assert_array_equal(kit.layers_of(bilm, ids), first)

    def test_needs_a_model_made_for_it(self):
        with pytest.raises(ValueError, match="initial_state='zeros'"):
            small().warm_up(kit.make_ids())

    def test_not_together_with_carried_state(self):
        with pytest.raises(ValueError, match="stateful=True"):
            small(initial_state="warm", stateful=True)
