"""The softmax over the words that a language model predicts."""

import keras
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.elmo.log_partition import log_partition
from keras_recurrent.elmo.log_uniform import draw, log_uniform
from keras_recurrent.options import Declared


@keras.saving.register_keras_serializable("keras_recurrent")
class Softmax(Declared, keras.layers.Layer):
    """What each word of a vocabulary costs: its negative log probability, in nats.

    z_k  = h · W_k + b_k
    nll  = log Σ_k exp(z_k) - z_target

    In training the sum runs over the target and `samples` other words that one draw gives for all rows,
    with z_k - log q_k for z_k (Bengio and Senécal 2003; Jean et al. 2015): words are drawn without
    repetition by p(k) ~ log((k + 2) / (k + 1)), so that they must be numbered from the most to the
    least frequent, and q_k is the chance of word k (`log_uniform.draw`). A drawn word that is the
    target counts once. The draw is a function of a `keras.random.SeedGenerator`'s state.

    Its training value is no perplexity: for that the full sum is taken, as always outside of training.

    Weights: `kernel` W `(classes, width)`, from N(0, 1 / sqrt(width)), and `bias` b `(classes,)`, zeros.
    In training with samples the gradient of W has the rows of the drawn words and the targets only,
    each once.

    Call arguments:
        hidden: h, `(..., width)`.
        targets: Whole numbers of the shape `(...)`, below `classes`.
        training: Whether to draw.

    Returns:
        nll of the shape `(...)`, in float32 or float64.
    """

    classes = options.positive_int("Number of words.")
    width = options.positive_int("Numbers of h.")
    samples = options.positive_int(
        "Words that are drawn in training; None, or no fewer than `classes`: all count.",
        8192,
        optional=True,
    )
    seed = options.seed()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.supports_jit = False  # rows are as many as there are different words
        self.draws = keras.random.SeedGenerator(self.seed) if self.sampled else None
        if "16" in self.compute_dtype:
            self.dtype_policy = self.variable_dtype

    @property
    def sampled(self) -> bool:
        """Whether words are drawn in training."""
        return self.samples is not None and self.samples < self.classes

    def build(self, hidden_shape=None, targets_shape=None):
        normal = keras.initializers.RandomNormal(0.0, self.width**-0.5)
        self.kernel = self.add_weight((self.classes, self.width), normal, name="kernel")
        self.bias = self.add_weight((self.classes,), "zeros", name="bias")
        self.built = True

    def call(self, hidden, targets, training=None):
        rows = tf.reshape(hidden, [-1, self.width])
        numbers = tf.reshape(tf.cast(targets, tf.int32), [-1])
        kernel, bias = tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias)
        if training and self.sampled:
            nll = self._of_samples(rows, numbers, kernel, bias)
        else:
            nll = log_partition(rows, kernel, bias) - _scores(rows, kernel, bias, numbers)
        return tf.reshape(nll, tf.shape(targets))

    def _of_samples(self, rows, targets, kernel, bias):
        uniform = keras.random.uniform((self.classes,), seed=self.draws, dtype="float32")
        taken, chance = draw(uniform, log_uniform(self.classes), self.samples)
        # the drawn words first, since they differ, then the targets that are none of them
        words, place = tf.unique(tf.concat([taken, targets], 0))
        place = place[self.samples :]
        kernel, bias = tf.gather(kernel, words), tf.gather(bias, words)
        bias -= tf.cast(tf.gather(chance, words), bias.dtype)
        drawn = [
            tf.ensure_shape(w[: self.samples], [self.samples, *w.shape[1:]]) for w in (kernel, bias)
        ]
        others = log_partition(rows, *drawn) - _scores(rows, kernel, bias, place)
        return tf.where(place < self.samples, others, tf.nn.softplus(others))

    def compute_output_shape(self, hidden_shape, targets_shape=None):
        return tuple(hidden_shape)[:-1]


def _scores(rows, kernel, bias, numbers):
    """z of one class a row."""
    return tf.reduce_sum(rows * tf.gather(kernel, numbers), -1) + tf.gather(bias, numbers)
