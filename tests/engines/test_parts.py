"""A batch cut into halves: nothing lost, nothing mixed up, whatever is known of its size."""

import numpy as np
import pytest
import tensorflow as tf

from keras_recurrent.engines import parts


@pytest.mark.parametrize(
    ("rows", "known"),
    [*((n, True) for n in (0, 2, 5, 16)), *((n, False) for n in (0, 1, 2, 5, 16))],
)
def test_split_and_join(rows, known):
    x = tf.random.normal((3, rows, 2))
    tree = {"x": x, "none": None, "pair": (x[0], x[1] * 2)}
    spec = tf.TensorSpec((3, rows if known else None, 2))

    @tf.function(input_signature=[spec])
    def halves_and_whole(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            halves = parts.split({"x": x, "none": None}, 2, axis=1)
            whole = parts.join(halves, axis=1)["x"]
            loss = tf.reduce_sum(whole * tf.stop_gradient(x))
        return halves[0]["x"], halves[1]["x"], whole, tape.gradient(loss, x)

    first, second, whole, gradient = halves_and_whole(x)
    assert (first.shape[1], second.shape[1]) == (rows // 2, rows - rows // 2)
    np.testing.assert_array_equal(whole, x)
    np.testing.assert_array_equal(gradient, x)
    assert parts.join(parts.split(tree, 1, axis=0), axis=0) is tree


@pytest.mark.parametrize(
    ("cores", "batch", "count"), [(1, 64, 1), (2, 64, 2), (16, 64, 2), (2, 15, 1), (2, None, 2)]
)
def test_how_many(cores, batch, count, monkeypatch):
    monkeypatch.setattr(parts, "_cores", lambda: cores)
    assert parts.count_parts(batch) == count


def test_a_gpu_gets_the_batch_whole(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["/GPU:0"])
    assert parts.count_parts(64) == 1


def test_what_has_one_row_for_all_is_shared():
    one, many = tf.ones((3, 1)), tf.ones((3, 4))
    first, second = parts.split([one, many], 2, axis=1)
    assert first[0] is second[0] is one
    assert first[1].shape == second[1].shape == (3, 2)
