"""The optimizer of language models, for tables of which a batch uses few rows."""

import keras
import tensorflow as tf

from keras_recurrent import options

_FEW_ROWS = 4096


@keras.saving.register_keras_serializable("keras_recurrent")
class Adagrad(keras.optimizers.Optimizer):
    """Adagrad (Duchi et al. 2011) as ELMo was trained with it.

    g <- g min(1, n / |g|), |g| the norm over all weights
    a <- a + g²,  w <- w - learning_rate g / sqrt(a + ε)

    Keras's Adagrad with other defaults, and with sparse gradients of tables, such as the weights of a
    large softmax, that stay sparse: rows are summed before the norm is taken, so that it is that of the
    dense gradient, and rows without a gradient cost nothing. Keras's `global_clipnorm` makes all dense.

    Args:
        learning_rate: A number or a schedule.
        initial_accumulator_value: a at first.
        epsilon: ε.
        max_norm: n; None for no limit.

    Raises:
        ValueError: For numbers that are not positive.
    """

    def __init__(
        self,
        learning_rate=0.2,
        initial_accumulator_value: float = 1.0,
        epsilon: float = 1e-7,
        max_norm: float | None = 10.0,
        name: str = "adagrad",
        **kwargs,
    ):
        if options.is_number(learning_rate):
            options.positive_float("").check("learning_rate", learning_rate)
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon
        self.max_norm = options.positive_float("").check("max_norm", max_norm)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        start = keras.initializers.Constant(self.initial_accumulator_value)
        self.accumulators = self.add_optimizer_variables(variables, "accumulator", start)

    def apply(self, grads, trainable_variables=None):
        """`keras.optimizers.Optimizer.apply`."""
        grads = [_rows_summed(gradient) for gradient in grads]
        if self.max_norm is not None:
            grads = _clipped(grads, self.max_norm * (self.loss_scale_factor or 1.0))
        super().apply(grads, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        squares = self.accumulators[self._get_variable_index(variable)]
        rate = tf.cast(learning_rate, variable.dtype)
        if not isinstance(gradient, tf.IndexedSlices):
            gradient = tf.cast(gradient, variable.dtype)
            self.assign_add(squares, gradient**2)
            root = tf.sqrt(tf.convert_to_tensor(squares) + self.epsilon)
            self.assign_sub(variable, rate * gradient / root)
            return
        rows, values = gradient.indices, tf.cast(gradient.values, variable.dtype)
        self.assign_add(squares, tf.IndexedSlices(values**2, rows, gradient.dense_shape))
        root = tf.sqrt(tf.gather(tf.convert_to_tensor(squares), rows) + self.epsilon)
        self.assign_sub(
            variable, tf.IndexedSlices(rate * values / root, rows, gradient.dense_shape)
        )

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
            "max_norm": self.max_norm,
        }


def _rows_summed(gradient):
    """A sparse gradient with each row once, or a dense one where the table is small."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows = tf.get_static_value(gradient.dense_shape)
    if rows is not None and rows[0] <= _FEW_ROWS:
        return tf.convert_to_tensor(gradient)
    different, place = tf.unique(gradient.indices)
    count = tf.shape(different)[0]
    values = tf.math.unsorted_segment_sum(gradient.values, place, count)
    return tf.IndexedSlices(values, different, gradient.dense_shape)


def _clipped(grads: list, limit: float) -> list:
    norm = tf.linalg.global_norm([g for g in grads if g is not None])
    scale = limit / tf.maximum(norm, limit)  # NaN where the norm is: such a step must be seen
    scaled = []
    for gradient in grads:
        if isinstance(gradient, tf.IndexedSlices):
            values = gradient.values * tf.cast(scale, gradient.dtype)
            gradient = tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
        elif gradient is not None:
            gradient = gradient * tf.cast(scale, gradient.dtype)
        scaled.append(gradient)
    return scaled
