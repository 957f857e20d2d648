"""The engine that keeps little: segments, their borders, and how much is really kept."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr
from keras_recurrent.engines.recompute import recomputed, segments


@pytest.mark.parametrize("timesteps", [1, 2, 3, 4, 7, 16, 17, 1000])
def test_segments_cover_every_step_once(timesteps):
    cut = segments(timesteps)
    assert [t for s in cut for t in range(s.start, min(s.stop, timesteps))] == [*range(timesteps)]
    longest = max(s.stop - s.start for s in cut)
    assert max(len(cut), longest) <= 2 * np.sqrt(timesteps) + 1


def test_a_segment_runs_again_for_its_gradient_and_keeps_nothing_else():
    ran = []

    def function(arguments, record):
        ran.append(record)
        x, w = arguments
        return tf.sin(x * w), w

    @tf.function
    def run(x, w):
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            y, w_after = recomputed(function, (x, w))
            loss = tf.reduce_sum(y) + tf.reduce_sum(w_after)
        return tape.gradient(loss, [x, w])

    x, w = tf.constant([0.3, -1.2]), tf.constant([2.0, 0.7])
    d_x, d_w = run(x, w)
    assert ran == [False, True]
    np.testing.assert_allclose(d_x, w * tf.cos(x * w), rtol=1e-6)
    np.testing.assert_allclose(d_w, x * tf.cos(x * w) + 1, rtol=1e-6)


@pytest.mark.parametrize("timesteps", [1, 2, 3, 7])
def test_fit_gives_the_losses_of_the_loop(timesteps):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20, timesteps, 3)).astype("float32")
    x[3, timesteps // 2 :] = 0
    losses = []
    for engine in ("loop", "recomputed"):
        keras.utils.set_random_seed(3)
        options = {"engine": engine, "seed": 1, "return_sequences": True}
        model = keras.Sequential(
            [
                keras.Input((timesteps, 3)),
                keras.layers.Masking(),
                kr.LSTM(4, recurrent_dropout=0.2, zoneout=0.1, **options),
            ]
        )
        model.compile(keras.optimizers.SGD(0.5), "mse")
        y = np.ones((20, timesteps, 4))
        losses.append(model.fit(x, y, batch_size=8, epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


def test_an_unknown_length_is_refused_while_the_model_is_put_together():
    with pytest.raises(ValueError, match=r"segments.*timesteps=None"):
        kr.GRU(3, engine="recomputed")(keras.Input((None, 2)))
