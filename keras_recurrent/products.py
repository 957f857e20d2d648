"""The matrix products with weights: the one place where an engine can take part.

An engine that runs the backward pass itself needs three things of each product: its value, so that
the step can be run again without multiplying; its input and the gradient that reaches it, so that the
weight gradients of all time steps become one product after the loop.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import tensorflow as tf

_active: ContextVar[Callable | None] = ContextVar("keras_recurrent_products", default=None)


def product(values, kernel, bias=None):
    """`values (rows, n)` times `kernel (n, m)`, plus `bias (m,)`; both the same at every step."""
    taking_part = _active.get()
    return (multiply if taking_part is None else taking_part)(values, kernel, bias)


def multiply(values, kernel, bias):
    result = tf.matmul(values, kernel)
    # TensorFlow adds this kind of bias within the product, and its gradient is quicker than a sum's.
    return result if bias is None else tf.nn.bias_add(result, bias)


@contextmanager
def taking_part(hook: Callable) -> Iterator[Callable]:
    """Hand every product inside to `hook(values, kernel, bias)`."""
    token = _active.set(hook)
    try:
        yield hook
    finally:
        _active.reset(token)


class Record:
    """Multiplies, and keeps everything in order.

    Attributes:
        kernels: The right sides of the products.
        biases: What was added, or None.
        results: The results.
    """

    def __init__(self):
        self.kernels: list = []
        self.biases: list = []
        self.results: list = []

    def __call__(self, values, kernel, bias):
        self.kernels.append(kernel)
        self.biases.append(bias)
        self.results.append(multiply(values, kernel, bias))
        return self.results[-1]


class Known:
    """Gives known results, in order, instead of multiplying."""

    def __init__(self, results):
        self._results = iter(results)

    def __call__(self, values, kernel, bias):
        return next(self._results)


class Replay:
    """Gives recorded results instead of multiplying, and keeps what the weight gradients need.

    Kernels are given transposed: turned over once, not at every step. Gradients stop at kernel and
    bias, whose own come from `inputs` and `gradients`.

    Attributes:
        inputs: The left sides of the products.
        gradients: What reaches each product in the backward pass; None if nothing does.
    """

    def __init__(self, results, transposed_kernels):
        self._results = list(results)
        self._transposed = list(transposed_kernels)
        self.inputs: list = []
        self.gradients: list = []

    def __call__(self, values, kernel, bias):
        place = len(self.inputs)
        self.inputs.append(values)
        self.gradients.append(None)

        @tf.custom_gradient
        def replay(values):
            def gradient(upstream):
                self.gradients[place] = upstream
                return tf.matmul(upstream, self._transposed[place])

            return tf.identity(self._results[place]), gradient

        return replay(values)
