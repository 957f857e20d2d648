"""Train a classifier on what it says at every step from half a window on, not at the last alone.

Wherever a window ends, some are cut in a movement that two exercises share; to be right at each step the
network must keep what it saw of the others.
"""

import keras

from examples.exercises.random_windows import RandomWindows


def fit(
    model: keras.Model, data: RandomWindows, optimizer: keras.Optimizer, epochs: int, verbose: int
) -> None:
    """Fit a model that ends in a recurrent layer, dropout and a dense layer; it still answers once."""
    *before, recurrent, dropout, dense = model.layers
    config = {**recurrent.get_config(), "return_sequences": True}
    every_step = type(recurrent).from_config(config)
    twin = keras.Sequential(
        [keras.Input(model.input_shape[1:]), *before, every_step, dropout, dense]
    )
    every_step.set_weights(recurrent.get_weights())
    twin.compile(optimizer, loss, metrics=[accuracy])
    twin.fit(data, epochs=epochs, verbose=verbose)
    recurrent.set_weights(every_step.get_weights())


def loss(labels, shares):
    """The mean cross-entropy of the steps `(batch, steps, classes)` of a window's second half."""
    shares = shares[:, shares.shape[1] // 2 - 1 :]  # the first of them has heard half a window
    labels = keras.ops.repeat(keras.ops.reshape(labels, (-1, 1)), shares.shape[1], axis=1)
    return keras.losses.sparse_categorical_crossentropy(labels, shares)


def accuracy(labels, shares):
    """Of the last step, which is the one that is asked for in the end."""
    return keras.metrics.sparse_categorical_accuracy(
        keras.ops.reshape(labels, (-1,)), shares[:, -1]
    )
