"""Sequences of many lengths, padded to few, under fit."""

import keras
import numpy as np
import tensorflow as tf

import keras_recurrent as kr

LENGTHS = [3, 9, 5, 8, 10, 2, 4, 7, 6, 5, 9, 1]


def _buckets():
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(n, 2)).astype("float32") for n in LENGTHS]
    data = tf.data.Dataset.from_generator(
        lambda: zip(rows, np.array(LENGTHS) / 10, strict=True),
        output_signature=(tf.TensorSpec((None, 2)), tf.TensorSpec(())),
    )
    return data.bucket_by_sequence_length(
        lambda x, y: tf.shape(x)[0],
        bucket_boundaries=[6, 11],  # T is 5 or 10
        bucket_batch_sizes=[2, 2, 2],
        pad_to_bucket_boundary=True,
    )


def _model(engine):
    keras.utils.set_random_seed(2)
    layers = [keras.layers.Masking(), kr.GRU(4, engine=engine), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((None, 2)), *layers])
    model.compile("sgd", "mse")
    return model


def test_few_lengths_for_the_compiled_engine():
    shapes = [tuple(x.shape) for x, _ in _buckets()]
    assert set(shapes) == {(2, 5, 2), (2, 10, 2)}
    traced = []

    class Seen(keras.layers.Layer):
        def call(self, x):
            traced.append(tuple(x.shape))
            return x

    models = [_model("compiled"), _model("loop")]
    watched = keras.Sequential([keras.Input((None, 2)), Seen(), *models[0].layers])
    watched.compile("sgd", "mse")
    losses = [
        model.fit(_buckets(), epochs=2, shuffle=False, verbose=0).history["loss"]
        for model in (watched, models[1])
    ]
    assert {shape[1] for shape in traced} == {None}  # one graph for all lengths
    np.testing.assert_allclose(*losses, rtol=1e-5)
