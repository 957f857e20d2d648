"""The contestants that train and predict with Keras: stock layers and ours."""

import time
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

import keras_recurrent as kr
from benchmarks.plan import Contestant, Shape


class Feed(NamedTuple):
    """One batch, repeated without end and without a copy: of (x, y) pairs, and of x alone."""

    pairs: tf.data.Dataset
    inputs: tf.data.Dataset


def feed(shape: Shape, masked: bool) -> Feed:
    """Random sequences; `masked` ones are padded with zeros behind T/2 to T steps.

    The size of the batch is hidden from the trace, as it is when `fit` is given arrays.
    """
    batch, timesteps, features, _ = shape
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, timesteps, features)).astype("float32")
    y = rng.normal(size=(batch, 1)).astype("float32")
    if masked:
        lengths = rng.integers((timesteps + 1) // 2, timesteps + 1, size=(batch, 1))
        x *= (np.arange(timesteps) < lengths)[..., None]

    def hide_batch(tensor):
        return tf.compat.v1.placeholder_with_default(tensor, (None, *tensor.shape[1:]))

    def repeated(*parts):
        data = tf.data.Dataset.from_tensors(parts).repeat()
        return data.map(lambda *parts: tuple(hide_batch(part) for part in parts))

    return Feed(repeated(x, y), repeated(x))


class KerasRunner:
    """A compiled model, timed in `model.fit` and `model.predict`."""

    def __init__(self, contestant: Contestant, shape: Shape, engine: str):
        layer = _layer(contestant, shape[3], engine)
        before = [keras.layers.Masking()] if contestant.masked else []
        inputs = keras.Input(shape[1:3])
        self.model = keras.Sequential([inputs, *before, layer, keras.layers.Dense(1)])
        self.model.compile("adam", "mse")
        self.feed = feed(shape, contestant.masked)

    def train(self, steps: int) -> float:
        """Seconds of a step of `fit`: forward, backward, Adam."""
        clock = _Clock()
        self._fit(steps, callbacks=[clock])
        return clock.seconds / steps

    def predict(self, steps: int) -> float:
        """Seconds of a step of `predict`."""
        clock = _Clock()
        self.model.predict(self.feed.inputs, steps=steps, verbose=0, callbacks=[clock])
        return clock.seconds / steps

    def first_call(self) -> float:
        """Seconds of a whole `fit` of one step."""
        start = time.perf_counter()
        self._fit(1)
        return time.perf_counter() - start

    def _fit(self, steps: int, **arguments) -> None:
        pairs = self.feed.pairs
        self.model.fit(pairs, steps_per_epoch=steps, shuffle=False, verbose=0, **arguments)


class _Clock(keras.callbacks.Callback):
    """Time from the first step's beginning to the last one's end.

    What `fit` does before and after, some 5 to 25 ms, would count in a turn of a few steps.
    """

    def __init__(self):
        super().__init__()
        self.start = None
        self.seconds = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        if self.start is None:
            self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds = time.perf_counter() - self.start

    on_predict_batch_begin = on_train_batch_begin
    on_predict_batch_end = on_train_batch_end


def _layer(contestant: Contestant, units: int, engine: str) -> keras.Layer:
    module, arguments = keras.layers, dict(contestant.arguments)
    if contestant.library == "ours":
        module, arguments = kr, {"engine": engine, **arguments}
    layer = getattr(module, contestant.kind)(units, **arguments)
    return module.Bidirectional(layer) if contestant.bidirectional else layer
