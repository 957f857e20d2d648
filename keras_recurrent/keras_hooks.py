"""The places where Keras has no public name for what we need, all here, each with its reason.

`tests/test_keras_hooks.py` fails when one of them stops working.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

# keras.layers.RNN draws a cell's dropout masks before its loop only for subclasses of this mixin,
# which Keras does not export. Without it a cell of ours inside keras.layers.RNN would draw a new
# mask at every step.
DropoutRNNCell = next(c for c in keras.layers.LSTMCell.__mro__ if c.__name__ == "DropoutRNNCell")


def attach_mask(tensor, mask) -> None:
    """Let `mask` travel with a layer's output to the next layer.

    `compute_mask` sees only the input's own mask, not `lengths` or a mask beside `initial_state`.
    """
    tensor._keras_mask = mask


def attached_mask(tensor):
    """The mask that travels with a tensor, or None."""
    return getattr(tensor, "_keras_mask", None)


def create_state_variables(layer, batch: int) -> None:
    """Set `layer.states` to variables that are no weights: `get_weights` and files hold none of them.

    Keras tracks every variable that a layer gets as an attribute, but for those made here.
    """
    layer._create_state_variables(batch)


@contextmanager
def keras_dropout_masks(layer, first_inputs, states) -> Iterator[None]:
    """Draw the dropout masks of stock cells before Keras's loop runs, and drop them after it.

    keras.layers.RNN does so in its `call`, which is ours here.
    """
    layer._maybe_config_dropout_masks(layer.cell, first_inputs, states)
    try:
        yield
    finally:
        layer._maybe_reset_dropout_masks(layer.cell)


def all_layers(layer) -> list:
    """A layer and everything inside it: `layers` stops at wrappers and at attributes of layers."""
    return layer._flatten_layers(include_self=True, recursive=True)


def operation_behind(tensor):
    """The operation that gives a symbolic tensor: an input tensor's own name is not always kept."""
    return tensor._keras_history.operation


def lambda_output_shape(layer):
    """A Lambda layer's `output_shape` argument: its config turns a function into bytes."""
    return layer._output_shape
