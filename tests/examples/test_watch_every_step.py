"""A classifier trained on what it says at every step: what counts, and what the model keeps of it."""

import keras
import numpy as np
import pytest

import keras_recurrent as kr
from examples.exercises import every_step
from examples.exercises.random_windows import RandomWindows, Variation


def test_only_the_second_half_of_a_window_is_asked():
    shares = np.full((2, 4, 2), 0.5, np.float32)
    shares[:, 0] = [1.0, 0.0]  # has not heard half a window yet
    shares[1, 3] = [0.8, 0.2]
    found = keras.ops.convert_to_numpy(every_step.loss(np.array([0, 1]), shares))
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found[0], np.log(2), rtol=1e-5)
    np.testing.assert_allclose(found[1], [np.log(2), np.log(2), np.log(5)], rtol=1e-5)


def test_the_last_step_is_what_is_judged():
    shares = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.9, 0.1], [0.7, 0.3]]])
    np.testing.assert_array_equal(every_step.accuracy(np.array([1, 1]), shares), [1, 0])


@pytest.mark.parametrize("layer", [kr.GRU, kr.LSTM])
def test_the_model_itself_has_learnt_and_answers_once(layer):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16, 6)),
            keras.layers.Conv1D(4, 3, strides=2, padding="causal"),
            layer(5),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    before = [weight.numpy() for weight in model.weights]
    rng = np.random.default_rng(0)
    series = [rng.normal(sign, 1, (100, 6)) for sign in (-0.5, 0.5)]
    data = RandomWindows(series, [0, 1], 16, 16, 20, Variation(), seed=0)
    every_step.fit(model, data, keras.optimizers.Adam(0.03, use_ema=True), epochs=3, verbose=0)
    assert all(np.any(weight != old) for weight, old in zip(model.weights, before, strict=True))
    x, labels = data[0]
    assert model.predict(x, verbose=0).shape == (16, 2)
    assert np.mean(model.predict(x, verbose=0).argmax(1) == labels) > 0.9
