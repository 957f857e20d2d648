"""The sizes of the gradients, in the logs of `fit`."""

import keras
import tensorflow as tf

from keras_recurrent import keras_hooks
from keras_recurrent.options import check_flag

_NAME = "gradient_norm"
_OUTSIDE = "outside_the_model"


class GradientNorms(keras.callbacks.Callback):
    """Logs the norms of the gradients that `fit` computes, layer by layer and overall.

    n_l = sqrt(Σ_{w of layer l} ‖∂L/∂w‖²), n = sqrt(Σ_l n_l²)

    Names in the logs: `gradient_norm` for n and `gradient_norm/<layer>` for n_l; a recurrent layer
    counts with its cell, and a layer's path stands for its name where two have the same. What a
    step of your own trains beside `model.trainable_variables` counts together, as
    `gradient_norm/outside_the_model`. The epoch's logs hold means over its steps, for History,
    CSVLogger, TensorBoard and the progress bar. Put the callback before those that read the logs.

    Norms are those of the gradient of the loss itself: without loss scaling, before clipping and weight
    decay, and with gradient accumulation of every step's own part. Steps that loss scaling skips are not
    counted; an epoch without a step gives NaN. With several replicas they are norms of the sum, for
    which all replicas meet: every worker needs the callback.

    How: Keras shows callbacks no gradients. While `fit` runs, this one stands before the optimizer's
    public method `apply`, on this instance only, and adds the norms to a variable within the training
    step, which is traced anew when a `fit` begins and not again in it. Class, variables and files of
    the optimizer stay as they are.

    Args:
        every_batch: Whether the logs of every batch hold its norms too (those of the last step with
            `steps_per_execution`), which waits for the step to end.

    Raises:
        ValueError: If the model is not compiled with an optimizer.
    """

    def __init__(self, every_batch: bool = False):
        super().__init__()
        self.every_batch = check_flag("every_batch", every_batch)
        self._optimizer = None

    def on_train_begin(self, logs=None):
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is None:
            raise ValueError(
                "GradientNorms needs a model that is compiled with an optimizer. Received: "
                f"{self.model.name!r} without one"
            )
        owners = owners_of(self.model)
        self._names = [*dict.fromkeys(owners.values()), _OUTSIDE]
        self._met_others = False
        with self.model.distribute_strategy.scope():
            shape = (len(self._names) + 1,)
            self._last, self._sum = (_variable(shape), _variable(shape))
            self._steps = _variable(())
        # gradients are unscaled there
        self._optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        for other in list(keras_hooks.steps_before_apply(self._optimizer)):
            if isinstance(other, GradientNorms) and other.params is not self.params:
                # of a fit that was interrupted: all callbacks of one fit share their params
                keras_hooks.remove_step_before_apply(self._optimizer, other)
        keras_hooks.add_step_before_apply(self._optimizer, self, self._measuring(owners))
        self.model.make_train_function(force=True)

    def on_train_end(self, logs=None):
        keras_hooks.remove_step_before_apply(self._optimizer, self)
        self.model.make_train_function(force=True)

    def on_epoch_begin(self, epoch, logs=None):
        for variable in (self._last, self._sum, self._steps):
            variable.assign(tf.zeros_like(variable))

    def on_train_batch_end(self, batch, logs=None):
        if self.every_batch and logs is not None:
            logs.update(self._named(self._last.numpy()))

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            steps = self._steps.numpy()
            logs.update(self._named(self._sum.numpy() / (steps or float("nan"))))

    def _named(self, norms) -> dict[str, float]:
        names = [_NAME, *(f"{_NAME}/{name}" for name in self._names)]
        logs = dict(zip(names, map(float, norms), strict=True))
        if not self._met_others:
            del logs[f"{_NAME}/{_OUTSIDE}"]
        return logs

    def _measuring(self, owners):
        """The step before `apply`."""

        def measure(grads, trainable_variables=None):
            variables = trainable_variables
            variables = self.model.trainable_variables if variables is None else variables
            names = [owners.get(id(variable), _OUTSIDE) for variable in variables]
            self._met_others = self._met_others or _OUTSIDE in names
            known = keras_hooks.reduces_before_clipping(self.model.optimizer)
            summed = grads if known else keras_hooks.summed_over_replicas(grads)
            self._measure(summed, names, self._optimizer.loss_scale_factor)
            return grads

        return measure

    def _measure(self, grads, names, scale) -> None:
        squares = {name: tf.zeros([]) for name in self._names}
        for gradient, name in zip(grads, names, strict=True):
            if gradient is not None:
                gradient = tf.cast(tf.convert_to_tensor(gradient), tf.float32)
                squares[name] += tf.reduce_sum((gradient / (scale or 1.0)) ** 2)
        layers = tf.stack(list(squares.values()))
        norms = tf.sqrt(tf.concat([tf.reduce_sum(layers, keepdims=True), layers], 0))
        self._last.assign(norms)
        self._sum.assign_add(norms)
        self._steps.assign_add(1.0)


def owners_of(model) -> dict[int, str]:
    """For each trainable variable (its id) the name of the layer it belongs to, without cells."""
    layers = keras_hooks.all_layers(model)
    inside = {
        id(part)
        for layer in layers
        if isinstance(layer, keras.layers.RNN)
        for part in keras_hooks.all_layers(layer)
        if part is not layer
    }
    owner: dict[int, keras.layers.Layer] = {}
    for layer in layers:
        for variable in [] if id(layer) in inside else layer.trainable_variables:
            known = owner.get(id(variable))
            if known is None or len(layer.weights) <= len(known.weights):  # the innermost one
                owner[id(variable)] = layer
    distinct = {id(layer): layer for layer in owner.values()}.values()
    names = [layer.name for layer in distinct]
    unique = {
        id(layer): layer.name if names.count(layer.name) == 1 else layer.path for layer in distinct
    }
    order = [id(variable) for variable in model.trainable_variables]
    return {key: unique[id(owner[key])] for key in order}


def _variable(shape) -> tf.Variable:
    return tf.Variable(
        tf.zeros(shape), trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
    )
