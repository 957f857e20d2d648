"""Training a generator on what it says itself, now and then."""

from collections.abc import Callable

import keras
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.applications.logits import log_probabilities
from keras_recurrent.keras_hooks import all_layers
from keras_recurrent.options import Declared


@keras.saving.register_keras_serializable("keras_recurrent")
class ScheduledSampling(Declared, keras.layers.Layer):
    """Replaces, in training, some of the given steps by what the model says (Bengio et al. 2015).

    previous'(t) = ŷ(t-1) with probability `rate`, ŷ(t-1) ~ p(. | previous(<t)); else previous(t)

    In parallel: one pass over the true sequence says what is sampled from, a second one, which is
    trained, reads the mix (Duckworth et al. 2019). The first step and padding stay. Outside training,
    and with rate 0, nothing changes, and the first pass is not computed in graphs.

    Call arguments:
        previous: Ids `(batch, T)`.
        predictions: Of the first pass `(batch, T, ids)`, probabilities or logits.
    """

    rate = options.rate("Share of the steps to replace.")
    logits = options.flag(False, "Whether predictions are logits.")
    seed = options.seed()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.supports_masking = True
        self.autocast = False  # probabilities stay in 32 bits

    def build(self, previous_shape, predictions_shape):
        self.current_rate = self.add_weight(
            shape=(),
            initializer="zeros",
            trainable=False,
            name="rate",
            dtype="float32",
            autocast=False,
        )
        self.current_rate.assign(self.rate)
        self.built = True

    def call(self, previous, predictions, training=None):
        if not training:
            return previous
        width = predictions.shape[-1]
        steps = tf.shape(previous)
        scores = log_probabilities(tf.stop_gradient(predictions), self.logits)
        # 0 is padding, and a step that reads it is masked
        scores = scores[..., 1:]
        drawn = 1 + keras.random.categorical(
            tf.reshape(scores, (-1, width - 1)), 1, seed=self.seed_generator
        )
        drawn = tf.cast(tf.reshape(drawn, steps), previous.dtype)
        said = tf.concat([previous[:, :1], drawn[:, :-1]], 1)
        draws = keras.random.uniform(steps, dtype="float32", seed=self.seed_generator)
        takes = draws < self.current_rate
        later = tf.range(steps[1]) > 0
        return tf.where(takes & later & (previous != 0), said, previous)

    def compute_output_shape(self, previous_shape, predictions_shape):
        return previous_shape

    def compute_mask(self, previous, mask=None):
        return mask


class SamplingRate(keras.callbacks.Callback):
    """Sets the rate of scheduled sampling at the start of every epoch.

    Args:
        schedule: From the number of the epoch, 0 for the first one, to the rate in [0, 1).

    Raises:
        ValueError: The model has no scheduled sampling, or a rate is out of range.
    """

    def __init__(self, schedule: Callable[[int], float]):
        super().__init__()
        self.schedule = schedule

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        layers = [la for la in all_layers(self.model) if isinstance(la, ScheduledSampling)]
        if not layers:
            raise ValueError(
                f"The model {self.model.name!r} has no scheduled sampling. Build it with "
                "scheduled_sampling=0.1, say: kr.applications.sequence_to_sequence(...)"
            )
        rate = options.check_rate("rate", self.schedule(epoch))
        for layer in layers:
            layer.current_rate.assign(rate)
