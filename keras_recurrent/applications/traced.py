"""A graph that is traced once."""

from collections.abc import Callable

import tensorflow as tf

from keras_recurrent.applications.id_generation import NAN


class Traced:
    """A function as a graph, traced once, when it is first run; from and to NumPy arrays."""

    def __init__(self, function: Callable, *signature: tf.TensorSpec):
        self._function = tf.function(function, input_signature=signature, autograph=False)
        self._signature = signature
        self._traced = None

    def __call__(self, *arguments):
        if self._traced is None:
            self._traced = self._function.get_concrete_function()
        tensors = [
            tf.constant(value, spec.dtype)
            for value, spec in zip(arguments, self._signature, strict=True)
        ]
        try:
            return tf.nest.map_structure(lambda tensor: tensor.numpy(), self._traced(*tensors))
        except tf.errors.InvalidArgumentError as error:
            if NAN in error.message:
                raise ValueError(NAN) from None
            raise
