"""One worker, the chief, writes files; all go on from the same state."""

import json
import os

import keras
import tensorflow as tf

from keras_recurrent import keras_hooks
from keras_recurrent.training.gradient_norms import GradientNorms


def is_chief(strategy: tf.distribute.Strategy | None = None) -> bool:
    """Whether this process is the worker that writes files; always so when it is the only one.

    The chief is the task of type `chief` if the cluster has one, else worker 0.

    Args:
        strategy: Where to look; by default the strategy at hand, else the variable `TF_CONFIG`.
    """
    strategy = strategy or tf.distribute.get_strategy()
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is not None:
        jobs, kind, index = resolver.cluster_spec().jobs, resolver.task_type, resolver.task_id
    else:
        config = json.loads(os.environ.get("TF_CONFIG") or "{}")
        task = config.get("task", {})
        jobs, kind, index = config.get("cluster", {}), task.get("type"), task.get("index")
    if not jobs:
        return True
    return kind == "chief" or ("chief" not in jobs and kind == "worker" and int(index) == 0)


class ChiefOnly(keras.callbacks.Callback):
    """Callbacks that run on the chief alone, with their effect on all workers.

    For callbacks that write: `ModelCheckpoint`, `TensorBoard`, `CSVLogger`, and
    `kr.training.BackupAndRestore`, exact where Keras's forgets the seeds of dropout. What they do at
    the start of training (`BackupAndRestore` reads its files, which need lie on the chief's disk only)
    reaches the others: weights, seeds, optimizer and first epoch are sent to them,
    and so is `model.stop_training` at the end of each epoch. Callbacks that only decide, such as
    `EarlyStopping`, need no wrapper, since all workers see equal logs. The states of stateful layers
    stay each worker's own.

    Args:
        callbacks: A callback or a list of them.

    Raises:
        TypeError: For what is no callback.
        ValueError: For `GradientNorms`, which sums over the workers: all need it.
    """

    def __init__(self, callbacks):
        super().__init__()
        callbacks = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
        for callback in callbacks:
            if not isinstance(callback, keras.callbacks.Callback):
                raise TypeError(f"ChiefOnly takes Keras callbacks. Received: {callback!r}")
            if isinstance(callback, GradientNorms):
                raise ValueError(
                    "GradientNorms sums the gradients over the workers, so that all must have it: give "
                    f"it to `fit` by itself. Received: ChiefOnly({type(callback).__name__}())"
                )
            callback.on_chief_alone = True
        self.callbacks = callbacks
        self._running = None

    def set_params(self, params):
        super().set_params(params)
        if self._running is not None:
            self._running.set_params(params)

    def set_model(self, model):
        super().set_model(model)
        strategy = model.distribute_strategy
        chosen = self.callbacks if is_chief(strategy) else []
        # Without the wrapper's own list Keras would add progress bars of its own.
        self._running = keras.callbacks.CallbackList(chosen, model=model)

    def on_train_begin(self, logs=None):
        self._running.on_train_begin(logs)
        send_from_chief(self.model)

    def on_epoch_end(self, epoch, logs=None):
        self._running.on_epoch_end(epoch, logs)
        strategy = self.model.distribute_strategy
        if several_workers(strategy):
            flag = tf.constant(float(self.model.stop_training and is_chief(strategy)))
            self.model.stop_training = bool(
                strategy.reduce(tf.distribute.ReduceOp.SUM, _per_replica(strategy, flag), None) > 0
            )


def _pass_on(name: str):
    def hook(self, *args, **kwargs):
        getattr(self._running, name)(*args, **kwargs)

    hook.__name__ = name
    return hook


for _name in dir(keras.callbacks.Callback):
    if _name.startswith("on_") and _name not in vars(ChiefOnly):
        setattr(ChiefOnly, _name, _pass_on(_name))


def several_workers(strategy) -> bool:
    """Whether the strategy spans workers that must meet, and more than this one."""
    return (
        isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        and strategy.num_replicas_in_sync > 1
    )


def values_of_all(strategy, value) -> list:
    """The number `value` of each worker's every replica."""
    own = strategy.experimental_distribute_values_from_function(lambda _: tf.reshape(value, [1]))
    return strategy.gather(own, axis=0).numpy().tolist()


def _per_replica(strategy, value):
    return strategy.experimental_distribute_values_from_function(
        lambda context: value if context.replica_id_in_sync_group == 0 else tf.zeros_like(value)
    )


def send_from_chief(model) -> None:
    """Give all workers the chief's weights, optimizer state and first epoch."""
    strategy = model.distribute_strategy
    if not several_workers(strategy):
        return
    variables = [*model.variables, *model.optimizer.variables]
    first = keras_hooks.initial_epoch(model)
    keras_hooks.set_initial_epoch(
        model, int(value_of_chief(strategy, tf.constant(first, tf.int64)))
    )
    for variable in {id(v): v for v in variables}.values():
        if variable.dtype != "string":
            variable.assign(value_of_chief(strategy, tf.convert_to_tensor(variable)))


def value_of_chief(strategy, value):
    """The chief's `value` on all workers: the sum of it and zeros."""
    sent = tf.cast(value, value.dtype if value.dtype.is_floating else tf.int64)
    summed = strategy.reduce(tf.distribute.ReduceOp.SUM, _per_replica(strategy, sent), axis=None)
    return tf.cast(summed, value.dtype)
