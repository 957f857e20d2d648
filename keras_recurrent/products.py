"""The matrix products with weights inside a step: the one place where an engine can take part.

An engine that runs the backward pass itself needs three things of each product: its value, so that
the step can be run again without multiplying; its input and the gradient that reaches it, so that the
weight gradients of all time steps become one product after the loop.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import tensorflow as tf

_active: ContextVar[Callable | None] = ContextVar("keras_recurrent_products", default=None)


def product(values, kernel):
    """`values (batch, n)` times `kernel (n, m)`."""
    taking_part = _active.get()
    return tf.matmul(values, kernel) if taking_part is None else taking_part(values, kernel)


@contextmanager
def taking_part(hook: Callable) -> Iterator[Callable]:
    """Hand every product inside to `hook(values, kernel)`."""
    token = _active.set(hook)
    try:
        yield hook
    finally:
        _active.reset(token)


class Record:
    """Multiplies, and keeps the results in order."""

    def __init__(self):
        self.results: list = []

    def __call__(self, values, kernel):
        self.results.append(tf.matmul(values, kernel))
        return self.results[-1]


class Replay:
    """Gives recorded results instead of multiplying, and keeps what the weight gradients need.

    Attributes:
        inputs: The left sides of the products.
        kernels: Their right sides.
        gradients: What reaches each product in the backward pass; None if nothing does.
    """

    def __init__(self, results):
        self._results = list(results)
        self.inputs: list = []
        self.kernels: list = []
        self.gradients: list = []

    def __call__(self, values, kernel):
        place = len(self.inputs)
        self.inputs.append(values)
        self.kernels.append(kernel)
        self.gradients.append(None)

        @tf.custom_gradient
        def replay(values):
            def gradient(upstream):
                self.gradients[place] = upstream
                return tf.matmul(upstream, kernel, transpose_b=True)

            return tf.identity(self._results[place]), gradient

        return replay(values)
