"""Less memory for the pass back: a long sequence in segments, each of them run again when needed.

A sequence of T steps becomes about √T segments of √T steps. The pass forward keeps the states between
segments; the pass back runs one segment at a time forward again, then back. What is kept of every
step exists for √T steps only, at the price of a second pass forward (Chen et al. 2016,
"Training deep nets with sublinear memory cost").
"""

import math
from collections.abc import Callable

import tensorflow as tf


def segments(timesteps: int) -> list[slice]:
    """The steps of every segment."""
    size = max(1, math.isqrt(timesteps))
    return [slice(start, start + size) for start in range(0, timesteps, size)]


def recomputed(function: Callable, arguments):
    """`function(arguments, record)`, whose intermediate tensors are computed again for its gradient.

    Weights that all segments use should go from one to the next, as an argument and a result: else
    their gradients would be kept of each segment and added up at the end.

    Args:
        function: Maps a nesting of tensors to a nesting of tensors; with `record=True` a gradient
            will be asked for.
        arguments: The nesting.
    """
    template = None

    @tf.custom_gradient
    def forward(*flat):
        nonlocal template
        # Each segment begins when the one before has ended: else all project their inputs at once.
        with tf.control_dependencies(flat):
            template = function(tf.nest.pack_sequence_as(arguments, list(flat)), record=False)

        def gradient(*upstream):
            # Not before the gradient has come this far: else all segments would be kept at once.
            with tf.control_dependencies(_present(upstream)), tf.GradientTape() as tape:
                again = [tf.identity(tensor) for tensor in flat]
                tape.watch(again)
                result = function(tf.nest.pack_sequence_as(arguments, again), record=True)
            gradients = tape.gradient(tf.nest.flatten(result), again, list(upstream))
            # All of this segment is done before the one before it begins, for the same reason.
            with tf.control_dependencies(_present(gradients)):
                return [None if g is None else tf.identity(g) for g in gradients]

        return tf.nest.flatten(template), gradient

    flat = forward(*tf.nest.flatten(arguments))
    return tf.nest.pack_sequence_as(template, flat)


def _present(tensors) -> list:
    return [tensor for tensor in tensors if tensor is not None]
