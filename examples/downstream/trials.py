"""The same model trained from several seeds: accuracies, their mean and their spread."""

import statistics
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

EVALUATED_AT_ONCE = 256


class Score(tuple):
    """Accuracies of several seeds, in the order of the seeds."""

    @property
    def mean(self) -> float:
        return statistics.fmean(self)

    @property
    def spread(self) -> float:
        """Standard deviation of a single seed's accuracy, estimated with n - 1; nan for one seed."""
        return statistics.stdev(self) if len(self) > 1 else float("nan")

    def minus(self, other: "Score") -> "Score":
        """What this has more than `other`, seed by seed."""
        return Score(mine - its for mine, its in zip(self, other, strict=True))

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} ± {100 * self.spread:.1f}"


class Parts(NamedTuple):
    """Indices of the examples to train on, to stop early by, and to test on."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


class Examples(NamedTuple):
    """What a model reads for the examples of some indices, and the labels of all of them."""

    inputs: Callable[[np.ndarray], dict[str, np.ndarray]]
    labels: np.ndarray

    def batches(self, indices: np.ndarray, size: int, seed: int | None = None) -> tf.data.Dataset:
        """Some examples in batches, with a seed in a new order every epoch.

        Only one batch of a biLM's layers is ever padded, to the batch's longest sentence.
        """
        draw = None if seed is None else np.random.default_rng(seed)

        def of_an_epoch():
            order = indices if draw is None else draw.permutation(indices)
            for start in range(0, len(order), size):
                chosen = order[start : start + size]
                yield self.inputs(chosen), self.labels[chosen]

        signature = (
            {name: _any_length(values) for name, values in self.inputs(indices[:1]).items()},
            tf.TensorSpec((None,), self.labels.dtype),
        )
        dataset = tf.data.Dataset.from_generator(of_an_epoch, output_signature=signature)
        count = tf.data.experimental.assert_cardinality(-(-len(indices) // size))
        return dataset.apply(count).prefetch(1)


def _any_length(values: np.ndarray) -> tf.TensorSpec:
    return tf.TensorSpec((None, None, *values.shape[2:]), values.dtype)


class Schedule(NamedTuple):
    """At most `epochs`, stopped after `patience` of them without a better validation loss."""

    epochs: int
    patience: int
    batch_size: int = 64


class Trials:
    """Trains one model again and again, each time as if it were new.

    A new model would be traced and compiled anew, which takes longer than a small training.
    """

    def __init__(self, build: Callable[[], keras.Model]):
        self.build, self.model = build, build()
        self.model.optimizer.build(self.model.trainable_variables)
        self.optimizer_start = [v.numpy() for v in self.model.optimizer.variables]

    def __call__(self, examples: Examples, parts: Parts, schedule: Schedule, seed: int) -> float:
        """Accuracy on the test part, at the epoch with the lowest validation loss."""
        self._restart(seed)
        train = examples.batches(parts.train, schedule.batch_size, seed)
        validation = examples.batches(parts.validation, EVALUATED_AT_ONCE)
        test = examples.batches(parts.test, EVALUATED_AT_ONCE)
        stop = keras.callbacks.EarlyStopping(patience=schedule.patience, restore_best_weights=True)
        self.model.fit(
            train,
            epochs=schedule.epochs,
            validation_data=validation,
            callbacks=[stop],
            shuffle=False,  # done above
            verbose=0,
        )
        return float(self.model.evaluate(test, verbose=0, return_dict=True)["accuracy"])

    def _restart(self, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        for variable, fresh in zip(self.model.variables, self.build().variables, strict=True):
            variable.assign(fresh)
        for variable, start in zip(
            self.model.optimizer.variables, self.optimizer_start, strict=True
        ):
            variable.assign(start)
