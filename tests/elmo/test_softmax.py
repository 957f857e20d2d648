"""The softmax of language models: full and sampled, with their gradients, against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_recurrent.elmo import log_partition
from keras_recurrent.elmo.log_uniform import draw, log_uniform
from keras_recurrent.elmo.softmax import Softmax

CLASSES, WIDTH, SAMPLES = 40, 5, 11


def _layer(samples=None, seed=3, classes=CLASSES):
    layer = Softmax(classes, WIDTH, samples, seed=seed)
    layer.build()
    rng = np.random.default_rng(0)
    layer.kernel.assign(rng.normal(size=(classes, WIDTH)))
    layer.bias.assign(rng.normal(size=classes))
    return layer


def _data(rows=6, classes=CLASSES):
    rng = np.random.default_rng(1)
    hidden = tf.constant(rng.normal(size=(rows, 3, WIDTH)), tf.float32)
    return hidden, tf.constant(rng.integers(0, classes, (rows, 3)), tf.int32)


def _expected(layer, hidden, targets):
    z = hidden.numpy().astype("float64") @ layer.kernel.numpy().T + layer.bias.numpy()
    lse = np.log(np.exp(z).sum(-1))
    return lse - np.take_along_axis(z, targets.numpy()[..., None], -1)[..., 0]


def _gradients(layer, hidden, targets, **options):
    weights = [layer.kernel.value, layer.bias.value]
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        nll = layer(hidden, targets, **options)
        loss = tf.reduce_sum(nll * tf.range(1.0, 4.0))
    return nll, tape.gradient(loss, [hidden, *weights])


def test_full_softmax_in_evaluation_and_where_nothing_is_drawn():
    hidden, targets = _data()
    for samples in (None, CLASSES, SAMPLES):
        layer = _layer(samples)
        got = layer(hidden, targets, training=samples != SAMPLES)
        np.testing.assert_allclose(got, _expected(layer, hidden, targets), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("static", [True, False])
def test_blocks_of_classes_give_the_same(monkeypatch, static):
    layer, (hidden, targets) = _layer(), _data()
    nll, whole = _gradients(layer, hidden, targets, training=True)
    monkeypatch.setattr(log_partition, "AT_ONCE", 100 if static else 2**26)
    monkeypatch.setattr(log_partition, "_BLOCK", 18 * 7)  # six blocks, the last one smaller
    rows = 6 if static else None
    graph = tf.function(
        lambda h, t: _gradients(layer, h, t, training=True),
        input_signature=[
            tf.TensorSpec((rows, 3, WIDTH)),
            tf.TensorSpec((rows, 3), tf.int32),
        ],
    )
    blocks, parts = graph(hidden, targets)
    np.testing.assert_allclose(blocks, nll, rtol=1e-5, atol=1e-5)
    for a, b in zip(parts, whole, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(a), tf.convert_to_tensor(b), rtol=1e-5, atol=1e-5
        )


def test_sampled_softmax_is_the_formula():
    """With the words that a layer of the same seed draws; targets among them and others."""
    layer, (hidden, targets) = _layer(SAMPLES), _data()
    uniform = keras.random.uniform((CLASSES,), seed=keras.random.SeedGenerator(3))
    taken, log_q = (t.numpy() for t in draw(uniform, log_uniform(CLASSES), SAMPLES))
    nll, (d_hidden, d_kernel, d_bias) = _gradients(layer, hidden, targets, training=True)
    assert 0 < np.isin(targets, taken).mean() < 1

    def reference(hidden, kernel, bias):
        z = tf.einsum("btp,vp->btv", hidden, kernel) + bias - log_q
        one_hot = tf.one_hot(targets, CLASSES)
        counts = tf.maximum(one_hot, tf.reduce_sum(tf.one_hot(taken, CLASSES), 0))
        z_of_counted = tf.where(counts > 0, z, -np.inf)
        return tf.reduce_logsumexp(z_of_counted, -1) - tf.reduce_sum(one_hot * z, -1)

    variables = [hidden, layer.kernel.value, layer.bias.value]
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        expected = reference(*[tf.convert_to_tensor(v) for v in variables])
        loss = tf.reduce_sum(expected * tf.range(1.0, 4.0))
    wanted = tape.gradient(loss, variables)
    np.testing.assert_allclose(nll, expected, rtol=1e-5, atol=1e-5)
    for got, want in zip((d_hidden, d_kernel, d_bias), wanted, strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(got), want, rtol=1e-4, atol=1e-5)
    rows = d_kernel.indices.numpy()
    assert len(set(rows)) == len(rows) == len(set(taken) | set(targets.numpy().ravel()))


def test_words_are_drawn_as_the_original_draws_them():
    """As often as TensorFlow's sampler does; weighing by 1/q counts each word once on average."""
    classes, samples, times = 30, 8, 1000
    uniform = keras.random.uniform((times, classes), seed=0)
    p = log_uniform(classes)
    sampler = tf.random.log_uniform_candidate_sampler

    @tf.function
    def many():
        ours = tf.map_fn(lambda u: draw(u, p, samples), uniform, (tf.int32, tf.float32))
        return *ours, tf.map_fn(
            lambda u: sampler([[0]], 1, samples, True, classes, 7)[0], uniform, tf.int64
        )

    taken, log_q, original = (t.numpy() for t in many())
    hits = np.zeros((times, classes))
    np.put_along_axis(hits, taken, 1, 1)
    assert np.all(hits.sum(1) == samples)
    np.testing.assert_allclose((hits * np.exp(-log_q)).mean(0), 1, atol=0.25)

    theirs = np.zeros((times, classes))
    np.put_along_axis(theirs, original, 1, 1)
    np.testing.assert_allclose(hits.mean(0), theirs.mean(0), atol=4 * 0.5 * (2 / times) ** 0.5)


def test_draws_follow_the_seed():
    hidden, targets = _data()
    a, b, other = _layer(SAMPLES), _layer(SAMPLES), _layer(SAMPLES, seed=4)
    first, second = (a(hidden, targets, training=True).numpy() for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(b(hidden, targets, training=True), first)
    b.draws.state.assign(a.draws.state)
    np.testing.assert_array_equal(
        b(hidden, targets, training=True), a(hidden, targets, training=True)
    )
    assert not np.array_equal(other(hidden, targets, training=True), first)


def test_saves_and_refuses():
    layer = _layer(SAMPLES)
    copy = Softmax.from_config(layer.get_config())
    assert (copy.classes, copy.width, copy.samples, copy.seed) == (CLASSES, WIDTH, SAMPLES, 3)
    assert Softmax(8, 2, dtype="mixed_float16").compute_dtype == "float32"
    with pytest.raises(ValueError, match="`samples` must be a positive whole number"):
        Softmax(8, 2, 0)
