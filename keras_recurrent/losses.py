"""Losses over sequences."""

import inspect
from collections.abc import Callable

import keras
import tensorflow as tf

from keras_recurrent.keras_hooks import attached_mask
from keras_recurrent.options import check_choice

_REDUCTIONS = ("sum_over_batch_size", "sum", "none", None)


@keras.saving.register_keras_serializable("keras_recurrent")
class SumOverTime(keras.losses.Loss):
    """The loss of a sequence: the sum of the losses of its time steps.

    L(ŷ, y) = 1/B Σ_b Σ_{t=1..T} w_b(t) L(ŷ_b(t), y_b(t))

    Keras's own losses take the mean over time, so that a step of a long sequence counts less than one of
    a short sequence.

    Masked steps, by the mask that travels with ŷ, are left out, whatever their targets hold. B is the
    number of rows with at least one valid step: rows that are masked from end to end count as little as
    if they were not in the batch (a batch of nothing else has the loss 0). Sample weights scale and
    change no count, as in Keras: a row of weight 0 is one of the B. Under a `tf.distribute` strategy a
    plain Keras model weighs the replicas alike, whatever rows are masked from end to end there;
    `kr.training.Sequential` and `Model` divide by the B of all.

    Args:
        loss: Any Keras loss of one time step: its name, class, function or an instance, whose
            reduction is not used (and stays as it is).
        reduction: "sum_over_batch_size" for the mean over the batch, "sum" for the sum over it, "none"
            or None for one number a row (not with several replicas of a `kr.training` model).
        name: Name of the loss.
        dtype: Type to compute in; by default the wrapped loss's own or Keras's float type, and
            float32 where that has 16 bits.

    Call arguments:
        y_true: `(batch, T)` or `(batch, T, ...)`, as the wrapped loss wants it.
        y_pred: `(batch, T, ...)`; `(batch, T)` and `(batch, T, 1)` are the same.
        sample_weight: `(batch,)` or `(batch, T)`.

    Raises:
        ValueError: For an unknown loss, targets or predictions without an axis of time, lengths that
            differ, weights of another shape, a loss that mixes time steps.
    """

    def __init__(
        self,
        loss: str | type | Callable | keras.losses.Loss,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype=None,
    ):
        self.loss = _loss_of_a_step(loss)
        reduction = check_choice("reduction", reduction, _REDUCTIONS)
        dtype = dtype or getattr(self.loss, "dtype", None) or keras.backend.floatx()
        dtype = keras.dtype_policies.get(dtype).compute_dtype
        super().__init__(name, reduction, "float32" if "16" in dtype else dtype)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The loss; see the class. Keras's own `__call__` scales by the share of masked steps."""
        valid = attached_mask(y_pred)  # converting a tensor drops its mask
        with keras.name_scope(self.name):
            losses = self._loss_of_rows(y_true, y_pred, sample_weight, valid)
            if self.reduction in (None, "none"):
                return losses
            total = keras.ops.sum(losses)
            if self.reduction == "sum":
                return total
            rows = keras.ops.shape(losses)[0]
            if valid is not None:
                rows = keras.ops.sum(keras.ops.any(keras.ops.cast(valid, "bool"), -1))
            mean = keras.ops.divide_no_nan(total, keras.ops.cast(rows, self.dtype))
            # the gradients of the replicas of a tf.distribute strategy are added
            return mean / tf.distribute.get_strategy().num_replicas_in_sync

    def call(self, y_true, y_pred):
        """The loss of every time step, `(batch, T)`, without mask and weights."""
        y_true = keras.ops.convert_to_tensor(y_true, self.dtype)
        y_pred = keras.ops.convert_to_tensor(y_pred, self.dtype)
        _check_time(y_true.shape, y_pred.shape)
        if len(y_pred.shape) == 2:
            y_pred = keras.ops.expand_dims(y_pred, -1)
        if len(y_true.shape) == 2 and y_pred.shape[2:] == (1,):
            y_true = keras.ops.expand_dims(y_true, -1)  # else the loss takes time for features
        one_step = self.loss.call if isinstance(self.loss, keras.losses.Loss) else self.loss
        losses = keras.ops.convert_to_tensor(one_step(y_true, y_pred))
        if not _same(losses.shape[:2], y_pred.shape[:2]):
            raise ValueError(
                "The wrapped loss must give a number for each row and time step, "
                f"{tuple(y_pred.shape[:2])}. Received: {_name(self.loss)}, which gave the shape "
                f"{tuple(losses.shape)}"
            )
        if len(losses.shape) > 2:
            losses = keras.ops.mean(losses, tuple(range(2, len(losses.shape))))
        return keras.ops.cast(losses, self.dtype)

    def _loss_of_rows(self, y_true, y_pred, sample_weight, valid):
        y_true = keras.ops.convert_to_tensor(y_true)
        _check_time(y_true.shape, y_pred.shape)
        if valid is not None:
            valid = keras.ops.cast(valid, "bool")
            shown = keras.ops.reshape(valid, (*_sizes(valid), *[1] * (len(y_true.shape) - 2)))
            y_true = keras.ops.where(shown, y_true, keras.ops.zeros_like(y_true))
        losses = self.call(y_true, y_pred)
        if valid is not None:
            losses = keras.ops.where(valid, losses, keras.ops.zeros_like(losses))
        if sample_weight is not None:
            losses = losses * self._weights(sample_weight, losses.shape)
        return keras.ops.sum(losses, -1)

    def _weights(self, given, shape):
        weights = keras.ops.convert_to_tensor(given, self.dtype)
        if len(weights.shape) == 3 and weights.shape[2] == 1:
            weights = keras.ops.squeeze(weights, -1)
        if len(weights.shape) == 1:
            weights = keras.ops.expand_dims(weights, -1)
        rows_only = len(weights.shape) == 2 and weights.shape[1] == 1
        if not _same(weights.shape, (shape[0], 1 if rows_only else shape[1])):
            raise ValueError(
                f"`sample_weight` must have the shape (batch,) or (batch, time steps), {tuple(shape)}. "
                f"Received: shape {tuple(keras.ops.shape(given))}"
            )
        return weights

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "loss": keras.losses.serialize(self.loss),
            "dtype": self.dtype,
        }


def _loss_of_a_step(loss):
    try:
        found = keras.losses.get(loss)
    except (ValueError, TypeError) as error:
        raise ValueError(
            "`loss` must be a Keras loss: a name such as 'mse', a class, a function or an instance. "
            f"Received: loss={loss!r}"
        ) from error
    if isinstance(found, SumOverTime) or not callable(found) or inspect.isclass(found):
        raise ValueError(f"`loss` must be the loss of one time step. Received: loss={loss!r}")
    return found


def _check_time(y_true, y_pred) -> None:
    for name, shape in {"y_true": y_true, "y_pred": y_pred}.items():
        if len(shape) < 2:
            raise ValueError(
                f"`{name}` must have an axis of time, (batch, T, ...); a recurrent layer gives one with "
                f"return_sequences=True. Received: shape {tuple(shape)}"
            )
    if not _same(y_true[:2], y_pred[:2]):
        raise ValueError(
            "`y_true` and `y_pred` must have the same rows and time steps. Received: y_true of shape "
            f"{tuple(y_true)}, y_pred of shape {tuple(y_pred)}"
        )


def _same(shape, expected) -> bool:
    pairs = zip(shape, expected, strict=False)
    return len(shape) == len(expected) and all(None in pair or pair[0] == pair[1] for pair in pairs)


def _sizes(tensor) -> tuple:
    return tuple(keras.ops.shape(tensor))


def _name(loss) -> str:
    return getattr(loss, "__name__", None) or getattr(loss, "name", repr(loss))
