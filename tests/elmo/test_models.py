"""kr.ELMo inside functional models: masks that travel on, saving, fit and predict."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from elmo import kit
from oracle import elmo as oracle

import keras_recurrent as kr
from keras_recurrent.keras_hooks import attached_mask

LABELS = np.array([0.0, 1.0, 1.0, 0.0])


def small(**options):
    """One layer and one direction, to save time where numbers are not the point."""
    return kit.make_bilm(num_layers=1, directions=("forward",), **options)


def make_model(bilm=None, kind="ids", behind=None, **options):
    """Character ids or strings -> kr.ELMo -> their mean -> a number; trained eagerly, to save time."""
    inputs = {
        "ids": keras.Input((None, kit.LENGTH), dtype="int32"),
        "strings": keras.Input((None,), dtype="string"),
    }[kind]
    x = kr.ELMo(bilm or small(), name="elmo", **options)(inputs)
    behind = behind or keras.layers.GlobalAveragePooling1D()
    outputs = keras.layers.Dense(1)(behind(x))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    return model


def saved_and_loaded(model, folder):
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


@pytest.fixture(scope="module")
def model():
    return make_model(kit.make_bilm(num_layers=1), behind=kr.LSTM(3))


class TestMasks:
    @pytest.mark.parametrize("mask", ["left", "holes", "empty rows"])
    def test_the_next_layer_sees_the_words_only(self, model, mask):
        ids = kit.make_ids(mask)
        expected = []
        for row in ids[:3]:
            dense = row[row.any(axis=-1)]
            expected.append(model(dense[None]).numpy()[0] if len(dense) else None)
        got = model(ids).numpy()[:3]
        nothing = model.layers[-1].bias.numpy()  # the LSTM's state is still zero
        for one, want in zip(got, expected, strict=True):
            np.testing.assert_allclose(one, nothing if want is None else want, atol=1e-6)

    def test_of_every_mix(self):
        layer = kr.ELMo(small(), mixes=2)
        ids = kit.make_ids("holes")
        for output in layer(ids):
            np.testing.assert_array_equal(attached_mask(output), ids.any(axis=-1))

    def test_pooling_over_the_real_length(self):
        ids, layer = kit.make_ids(), kr.ELMo(small(), output="top")
        inputs = keras.Input((None, kit.LENGTH), dtype="int32")
        pooled = keras.layers.GlobalAveragePooling1D()(layer(inputs))
        got = keras.Model(inputs, pooled)(ids)
        values, there = layer(ids).numpy(), ids.any(axis=-1)
        expected = [row[mask].mean(axis=0) for row, mask in zip(values, there, strict=True)]
        np.testing.assert_allclose(got, expected, atol=1e-6)


class TestSaving:
    @pytest.mark.parametrize("fine_tune", [False, True])
    def test_frozen_and_tuned(self, fine_tune, tmp_path):
        model, ids = make_model(fine_tune=fine_tune), kit.make_ids()
        model.fit(ids, LABELS, epochs=1, verbose=0)
        loaded = saved_and_loaded(model, tmp_path)
        np.testing.assert_allclose(loaded(ids), model(ids), atol=1e-6)
        names = [[w.name for w in m.trainable_weights] for m in (model, loaded)]
        assert names[0] == names[1]
        losses = [m.fit(ids, LABELS, verbose=0).history["loss"] for m in (model, loaded)]
        np.testing.assert_allclose(*losses, rtol=1e-5)
        np.testing.assert_allclose(loaded(ids), model(ids), atol=1e-6)

    def test_every_option(self, tmp_path):
        bilm = kit.make_bilm(**kit.VARIANTS["two highways"], directions=("forward",))
        options = {"mixes": 2, "context": "exclusive", "layer_norm": True, "dropout": 0.25}
        layer = kr.ELMo(bilm, l2=0.5, mix_weights=[1.0, 2.0, 3.0], **options)
        inputs = keras.Input((None, kit.LENGTH), dtype="int32")
        model = keras.Model(inputs, layer(inputs))
        loaded, ids = saved_and_loaded(model, tmp_path), kit.make_ids()
        for got, expected in zip(loaded(ids), model(ids), strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-6)
        configs = [one.get_config() for one in (loaded.layers[-1], layer)]
        for config in configs:
            config["bilm"].pop("shared_object_id")
        assert configs[0] == configs[1]

    def test_layers_that_share_a_language_model_still_do(self, tmp_path):
        bilm, inputs = small(), keras.Input((None, kit.LENGTH), dtype="int32")
        pair = [kr.ELMo(bilm, output="top"), kr.ELMo(bilm, context="exclusive")]
        model = keras.Model(inputs, [layer(inputs) for layer in pair])
        loaded, ids = saved_and_loaded(model, tmp_path), kit.make_ids()
        for got, expected in zip(loaded(ids), model(ids), strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-6)
        first, second = (one for one in loaded.layers if isinstance(one, kr.ELMo))
        assert first.bilm is second.bilm

    def test_warm_states_are_in_the_file(self, tmp_path):
        bilm = small(initial_state="warm")
        bilm.warm_up(kit.make_ids(seed=9))
        model, ids = make_model(bilm), kit.make_ids()
        loaded = saved_and_loaded(model, tmp_path)
        np.testing.assert_allclose(loaded(ids), model(ids), atol=1e-6)


class TestFitAndPredict:
    def test_predict_is_the_call_and_the_same_each_time(self, model):
        ids = kit.make_ids("holes")
        first = model.predict(ids, batch_size=3, verbose=0)  # the last batch has one row
        np.testing.assert_array_equal(model.predict(ids, batch_size=3, verbose=0), first)
        np.testing.assert_allclose(first, model(ids), atol=1e-6)

    @pytest.mark.parametrize("fine_tune", [False, True])
    def test_fit_moves_what_it_should(self, fine_tune):
        model = make_model(fine_tune=fine_tune)
        bilm = model.get_layer("elmo").bilm
        before = {w.path: w.numpy() for w in model.weights}
        model.fit(kit.make_ids(), LABELS, verbose=0)
        still = {w.path: np.array_equal(before[w.path], w.numpy()) for w in model.weights}
        inside = {w.path for w in bilm.weights}
        assert all(still[path] != fine_tune for path in inside)
        assert not any(still[path] for path in before if path not in inside)

    def test_a_step_of_fit_is_a_step_of_the_oracle(self):
        """The compiled loop's gradient, through the mix and into the language model."""
        bilm, ids = kit.make_bilm(**kit.VARIANTS["backward"], num_layers=1), kit.make_ids("none")
        inputs = keras.Input((kit.STEPS, kit.LENGTH), dtype="int32")
        outputs = kr.ELMo(bilm, fine_tune=True)(inputs)
        model = keras.Model(inputs, outputs)
        target = np.random.default_rng(4).normal(size=(4, 5, 4))
        model.compile(keras.optimizers.SGD(1.0), "mse")
        kernel = bilm.cells["backward"][0].kernel
        values = {w.path: w.numpy().astype("float64") for w in bilm.weights}
        options = kit.published_options(bilm)

        def loss_at(change):
            moved = {**values, kernel.path: values[kernel.path] + change}
            arrays = kit.published_arrays(bilm, lambda variable: moved[variable.path])
            layers = oracle.encode(arrays, options, ids).layers
            return np.mean((layers.mean(axis=0) - target) ** 2)

        v, step = np.random.default_rng(5).normal(size=kernel.shape), 1e-6
        slope = (loss_at(step * v) - loss_at(-step * v)) / (2 * step)
        model.train_on_batch(ids, target)
        moved = np.sum((values[kernel.path] - kernel.numpy()) * v)
        np.testing.assert_allclose(moved, slope, rtol=1e-4)

    def test_strings_from_tf_data(self, tmp_path):
        model = make_model(kind="strings")
        words = tf.constant([["naïve", "a"], ["b", ""], ["<S>", "🙂"], ["", ""]])
        data = tf.data.Dataset.from_tensor_slices((words, LABELS)).batch(2)
        model.fit(data, verbose=0)
        loaded = saved_and_loaded(model, tmp_path)
        np.testing.assert_allclose(loaded.predict(data, verbose=0), model(words), atol=1e-6)

    def test_carried_state_through_predict(self):
        bilm = small(stateful=True)
        model, ids = make_model(bilm), kit.make_ids()
        first = model.predict(ids, verbose=0)
        assert np.abs(model.predict(ids, verbose=0) - first).max() > 1e-4
        bilm.reset_state()
        np.testing.assert_allclose(model.predict(ids, verbose=0), first, atol=1e-6)

    def test_half_precision(self):
        bilm = small(dtype="mixed_float16")
        model = make_model(bilm, fine_tune=True, dtype="mixed_float16")
        model.fit(kit.make_ids("holes"), LABELS, verbose=0)
        assert np.isfinite(model.predict(kit.make_ids("holes"), verbose=0)).all()
