"""Losses whose values on the replicas add up to the loss of the joint batch."""

import keras
import tensorflow as tf

from keras_recurrent import keras_hooks
from keras_recurrent.losses import SumOverTime
from keras_recurrent.training import replicas


class Share(keras.losses.Loss):
    r"""A loss on one replica's part of a batch, as a part of the loss of the whole batch.

    A mean over the replica's part is `s_r / n_r`, with `n_r` what Keras divides by: entries, those
    that a mask leaves, or sample weights (`reduction="mean_with_sample_weight"`). The joint mean is

    $$L = \sum_r s_r / \sum_q n_q = \sum_r \frac{s_r}{n_r} \frac{n_r}{\sum_q n_q}$$

    and each replica returns its term of the sum. A sum (`reduction="sum"`) needs no weight. A loss
    class with a `__call__` of its own is taken for a mean over the rows that no mask hides from end
    to end, divided by the number of replicas, as Keras's own losses are under a strategy.
    Without replicas the given loss is returned as it is.
    """

    def __init__(self, given):
        self.given = _to_loss(given)
        _check_one_number(self.given)
        super().__init__(name=self.given.name, reduction=None)

    def __call__(self, y_true, y_pred, sample_weight=None):
        value = self.given(y_true, y_pred, sample_weight)
        rows = replicas.rows()
        if rows is None or replicas.count() == 1:
            return value
        reduction = getattr(self.given, "reduction", None)
        if reduction in ("sum", "none", None):
            return tf.where(rows > 0, value, tf.zeros_like(value))
        by_rows = type(self.given).__call__ is not keras.losses.Loss.__call__
        size = _rows_shown(y_pred) if by_rows else _divisor(y_pred, sample_weight, reduction)
        size = tf.where(rows > 0, size, 0.0)
        share = tf.math.divide_no_nan(size, replicas.total(size))
        return value * replicas.count() * tf.cast(share, value.dtype)  # Keras has divided by it

    def get_config(self):
        return {"given": keras.saving.serialize_keras_object(self.given)}


def shares_of(losses):
    """The `loss` argument of `compile` with each loss in it as a `Share`."""
    if losses is None:
        return None
    if isinstance(losses, dict) and "class_name" not in losses:
        return {name: shares_of(loss) for name, loss in losses.items()}
    if isinstance(losses, list | tuple):
        return type(losses)(shares_of(loss) for loss in losses)
    return Share(losses)


def _to_loss(given) -> keras.losses.Loss:
    if isinstance(given, str) and given.lower() in ("crossentropy", "ce"):
        raise ValueError(
            "On several replicas, name the kind of cross entropy: 'binary_crossentropy', "
            f"'categorical_crossentropy' or 'sparse_categorical_crossentropy'. Received: {given!r}"
        )
    loss = keras.losses.get(given)
    if isinstance(loss, keras.losses.Loss):
        return loss
    name = given if isinstance(given, str) else getattr(loss, "__name__", type(loss).__name__)
    return keras_hooks.LossFromFunction(loss, name=name)


def _check_one_number(loss) -> None:
    own = type(loss).__call__ is not keras.losses.Loss.__call__ and not isinstance(
        loss, SumOverTime
    )
    if not own and loss.reduction in (None, "none"):
        raise ValueError(
            "On several replicas the loss must be one number, not one a row: give it "
            f"reduction='sum_over_batch_size' or 'sum'. Received: {loss.name!r} with "
            f"reduction={loss.reduction!r}"
        )


def _rows_shown(y_pred):
    leaf = tf.nest.flatten(y_pred)[0]
    mask = keras_hooks.attached_mask(leaf)
    if mask is None:
        return tf.cast(tf.shape(leaf)[0], tf.float32)
    return tf.reduce_sum(tf.cast(tf.reduce_any(tf.cast(mask, tf.bool), axis=-1), tf.float32))


def _divisor(y_pred, sample_weight, reduction):
    """What Keras divides the summed loss of one output by, or a fixed multiple of it."""
    leaf = tf.nest.flatten(y_pred)[0]
    mask = keras_hooks.attached_mask(leaf)
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        weight = tf.cast(sample_weight, tf.float32)
        if mask is not None:
            weight = _same_rank(weight, mask) * _same_rank(tf.cast(mask, tf.float32), weight)
        return tf.reduce_sum(weight)
    if mask is not None:
        return tf.reduce_sum(tf.cast(mask, tf.float32))
    shape = tf.shape(leaf)
    entries = shape[:-1] if leaf.shape.rank > 1 else shape
    return tf.cast(tf.reduce_prod(entries), tf.float32)


def _same_rank(tensor, other):
    return tensor[..., None] if len(tensor.shape) + 1 == len(other.shape) else tensor
