"""Batches for training: sequences of like lengths together, so that little is padding."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Sequences(NamedTuple):
    """Padded sequences for `fit`.

    Attributes:
        inputs: "previous" `(N, T, ...)`, and "condition" `(N, C)` where the model has one.
        targets: `(N, T, ...)`.
        lengths: `(N,)`, the steps before the padding.
    """

    inputs: dict[str, np.ndarray]
    targets: np.ndarray
    lengths: np.ndarray

    def chosen(self, rows: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Some of them, with no more padding than they need."""
        steps = self.lengths[rows].max()
        inputs = {name: value[rows] for name, value in self.inputs.items()}
        inputs["previous"] = inputs["previous"][:, :steps]
        return inputs, self.targets[rows, :steps]


def batches_by_length(
    draw: Callable[[np.random.Generator], Sequences], batch_size: int, seed: int
) -> tf.data.Dataset:
    """`(inputs, targets)`: each epoch's sequences once each, in other batches and another order.

    Args:
        draw: Gives the sequences of an epoch; all epochs have as many.
        batch_size: Sequences in a batch, at most.
        seed: Of the order, and of what is drawn.
    """
    random = np.random.default_rng(seed)
    example = draw(np.random.default_rng(seed))
    number = -(-len(example.targets) // batch_size)

    def epoch() -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        drawn = draw(random)
        by_length = np.argsort(drawn.lengths + random.random(len(drawn.lengths)))
        batches = np.array_split(by_length, number)
        for place in random.permutation(number):
            yield drawn.chosen(batches[place])

    signature = (
        {name: _spec(value, name == "previous") for name, value in example.inputs.items()},
        _spec(example.targets, True),
    )
    dataset = tf.data.Dataset.from_generator(epoch, output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(number)).prefetch(2)


def _spec(value: np.ndarray, is_sequence: bool) -> tf.TensorSpec:
    free = (None, None) if is_sequence else (None,)
    return tf.TensorSpec((*free, *value.shape[len(free) :]), value.dtype)
