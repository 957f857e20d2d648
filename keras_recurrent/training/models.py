"""Keras models that train on several replicas and workers under plain `fit`."""

import inspect
import warnings
from contextlib import contextmanager

import keras
import tensorflow as tf

from keras_recurrent import keras_hooks
from keras_recurrent.training import replicas, steps
from keras_recurrent.training.chief import is_chief, several_workers
from keras_recurrent.training.data import arrays_in_agreed_order, until_all_are_out
from keras_recurrent.training.failure import lost_workers_named
from keras_recurrent.training.shares import shares_of


class Distributed(keras_hooks.BuiltFromLocalBatch):
    """Mixin for `keras.Model` classes: `fit` on several workers gives one process's result.

    Build and compile the model in the scope of a `tf.distribute` strategy, and call `fit`,
    `evaluate` and `predict` on every worker with the same arguments. Each global batch is split
    over the workers, and the loss is that of the joint batch: parts are weighed by their examples,
    by what a mask leaves, or by their sample weights, as the loss divides. Regularisers count once.

    * Gradients are summed over the workers before they are clipped or checked for overflow.
    * Logs are those of the joint batch and equal on all workers, so that callbacks decide alike.
    * Layer states that training moves (moving means of `BatchNormalization`) are averaged over the
      workers after each step, by examples. Their normalisation uses the worker's own part of
      the batch; Keras's `synchronized=True` makes it the joint batch where the parts are of one size
      and not masked.
    * Dropout draws the same masks on each worker, for different examples.
    * A worker without data left takes part with weight 0 until all have none: no example is lost.
    * `predict` gives every worker the outputs for all rows, in order.
    * `save`, `save_weights` and `export` write on the chief alone.
    * NumPy arrays are shuffled in the same order on all workers.

    Without a strategy, or with one replica, this is the Keras model it is mixed into.

    Raises:
        ValueError: `jit_compile=True` or a loss of one number a row with several replicas.
        WorkerLost: Another worker has stopped (`fit`, `evaluate`, `predict`).

    Example:
        ```python
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        with strategy.scope():
            model = kr.training.Sequential([keras.Input((None, 8)), kr.LSTM(32), ...])
            model.compile("adam", "mse")
        model.fit(dataset, epochs=3)
        ```
    """

    _given_loss = None

    @property
    def _is_spread(self) -> bool:
        return self.distribute_strategy.num_replicas_in_sync > 1

    # ------------------------------------------------------------ compile

    def compile(self, optimizer="rmsprop", loss=None, *args, **kwargs):
        if self._is_spread:
            arguments = inspect.signature(keras.Model.compile).bind(
                self, optimizer, loss, *args, **kwargs
            )
            if arguments.arguments.get("jit_compile") is True:
                raise ValueError(
                    "XLA cannot compile a training step over several replicas. Leave `jit_compile` "
                    'out; layers with engine="compiled" still compile their own loops. '
                    "Received: jit_compile=True"
                )
        object.__setattr__(self, "_given_loss", loss)  # as given: Keras would wrap lists
        super().compile(optimizer, shares_of(loss) if self._is_spread else loss, *args, **kwargs)

    def get_compile_config(self):
        config = super().get_compile_config()
        if config and self._given_loss is not None and self._is_spread:
            config["loss"] = keras.saving.serialize_keras_object(self._given_loss)
        return config

    def compile_from_config(self, config):
        if type(self).compile is not Distributed.compile:
            super().compile_from_config(config)
            return
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    # ------------------------------------------------------------ one replica's step

    def train_step(self, data):
        if not self._is_spread:
            return super().train_step(data)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            y_pred = self._spread_outputs(x, training=True)
            loss = self._spread_loss(x, y, y_pred, sample_weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        weights = self.trainable_weights
        if weights:
            self.optimizer.apply(tape.gradient(scaled, weights), weights)
        self._spread_log_loss(loss)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data):
        if not self._is_spread:
            return super().test_step(data)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        y_pred = self._spread_outputs(x, training=False)
        self._spread_log_loss(self._spread_loss(x, y, y_pred, sample_weight, training=False))
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def _spread_outputs(self, x, training: bool):
        if "training" in inspect.signature(self.call).parameters:
            return self(x, training=training)
        return self(x)

    def _spread_loss(self, x, y, y_pred, sample_weight, training: bool):
        if "training" in inspect.signature(self.compute_loss).parameters:
            return self.compute_loss(x, y, y_pred, sample_weight, training=training)
        return self.compute_loss(x, y, y_pred, sample_weight)

    def _spread_log_loss(self, share) -> None:
        """Every replica notes the joint loss, with its part of all examples as the weight."""
        loss, examples = replicas.total([share, tf.cast(replicas.rows(), share.dtype)])
        tracker = next(m for m in self.metrics if m.name == "loss")
        tracker.update_state(loss, sample_weight=examples / replicas.count())

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        rows = replicas.rows()
        if rows is None:
            return super().compute_metrics(x, y, y_pred, sample_weight)

        def update():
            super(Distributed, self).compute_metrics(x, y, y_pred, sample_weight)
            return True

        tf.cond(rows > 0, update, lambda: True)  # a row that only fills an empty part counts not
        return self.get_metrics_result()

    # ------------------------------------------------------------ functions over all replicas

    def make_train_function(self, force=False):
        if not self._is_spread:
            return super().make_train_function(force)
        if self.train_function is None or force:
            keras_hooks.reduce_before_clipping(self.optimizer)
            self.train_function = steps.over_replicas(
                self, self.train_step, lambda: keras_hooks.moving_states(self)
            )
        return self.train_function

    def make_test_function(self, force=False):
        if not self._is_spread:
            return super().make_test_function(force)
        if self.test_function is None or force:
            self.test_function = steps.over_replicas(self, self.test_step, list)
        return self.test_function

    def make_predict_function(self, force=False):
        if not self._is_spread:
            return super().make_predict_function(force)
        if self.predict_function is None or force:
            self.predict_function = steps.gathered_predictions(self)
        return self.predict_function

    # ------------------------------------------------------------ what users call

    def fit(self, x=None, *args, **kwargs):
        with self._spread_call():
            args, kwargs = arrays_in_agreed_order(self, (x, *args), kwargs)
            given = inspect.signature(keras.Model.fit).bind(self, *args, **kwargs).arguments
            given.pop("self")
            given["x"] = until_all_are_out(self, given.get("x"))
            given["validation_data"] = until_all_are_out(self, given.get("validation_data"))
            return super().fit(**given)

    def evaluate(self, x=None, *args, **kwargs):
        with self._spread_call():
            return super().evaluate(until_all_are_out(self, x), *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        with self._spread_call():
            return super().predict(until_all_are_out(self, x), *args, **kwargs)

    @contextmanager
    def _spread_call(self):
        with lost_workers_named(self.distribute_strategy), warnings.catch_warnings():
            if several_workers(self.distribute_strategy):  # the expected end of unequal shards
                warnings.filterwarnings("ignore", message="Your input ran out of data")
            yield

    def save(self, *args, **kwargs):
        if is_chief(self.distribute_strategy):
            super().save(*args, **kwargs)

    def save_weights(self, *args, **kwargs):
        if is_chief(self.distribute_strategy):
            super().save_weights(*args, **kwargs)

    def export(self, *args, **kwargs):
        if is_chief(self.distribute_strategy):
            super().export(*args, **kwargs)


@keras.saving.register_keras_serializable("keras_recurrent.training")
class Sequential(Distributed, keras.Sequential):
    """`keras.Sequential` for several workers; see `Distributed`."""


@keras.saving.register_keras_serializable("keras_recurrent.training")
class Functional(Distributed, keras_hooks.KerasFunctional):
    """A model `Functional(inputs, outputs)` for several workers; see `Distributed`."""


@keras.saving.register_keras_serializable("keras_recurrent.training")
class Model(Distributed, keras.Model):
    """`keras.Model` for several workers: to subclass, or `Model(inputs, outputs)`; see `Distributed`.

    A class whose constructor hands inputs and outputs to `super().__init__` subclasses
    `Functional` instead.
    """

    def __new__(cls, *args, **kwargs):
        if cls is Model and (args or "inputs" in kwargs):
            return Functional(*args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args, **kwargs):
        if args or "inputs" in kwargs:
            raise TypeError(
                f"{type(self).__name__} hands inputs and outputs to its base: subclass "
                "keras_recurrent.training.Functional for that."
            )
        super().__init__(**kwargs)
