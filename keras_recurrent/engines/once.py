"""Functions that are differentiated no further, and say so instead of giving wrong numbers."""

from collections.abc import Callable

import tensorflow as tf


def once(function: Callable, arguments, message: str) -> list:
    """`function(arguments)`, a flat list of tensors and None, whose own derivative is an error.

    The error comes when a derivative is computed, not when one is traced: a persistent tape traces
    second derivatives that nobody asks for. XLA drops the check; there the derivative is NaN.

    Args:
        arguments: A nesting of tensors and None.
        message: What the error says.
    """
    everything = tf.nest.flatten(arguments)
    absent: list[bool] = []

    @tf.custom_gradient
    def whole(*tensors):
        rest = iter(tensors)
        flat = [None if tensor is None else next(rest) for tensor in everything]
        result = function(tf.nest.pack_sequence_as(arguments, flat))
        absent[:] = [tensor is None for tensor in result]

        def refuse(*_):
            with tf.control_dependencies([tf.Assert(False, [message])]):
                return [
                    tf.zeros_like(t) * float("nan") if t.dtype.is_floating else None
                    for t in tensors
                ]

        return [tensor for tensor in result if tensor is not None], refuse

    present = iter(whole(*[tensor for tensor in everything if tensor is not None]))
    return [None if missing else next(present) for missing in absent]
