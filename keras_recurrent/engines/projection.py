"""The projection of all time steps: products by TensorFlow, what else there is by XLA.

With layer normalisation the rest is a dozen passes over the largest tensor of the layer; XLA makes
three of them.
"""

import tensorflow as tf

from keras_recurrent.products import Known, Record, taking_part


def project(projection, arguments):
    """`projection(arguments)`, for any nesting of tensors and None, with its gradient.

    Its matrix products are made outside the program. A projection that is just a product, or that
    hides its products (see `products.product`), is left as it is.
    """
    with taking_part(Record()) as products:
        z = projection(arguments)
    results = products.results
    if not results or any(z is result for result in results):
        return z
    flat = tf.nest.flatten(arguments)
    present = [tensor for tensor in flat if tensor is not None]

    def rest(tensors, results):
        rows = iter(tensors)
        given = [None if tensor is None else next(rows) for tensor in flat]
        with taking_part(Known(results)):
            return projection(tf.nest.pack_sequence_as(arguments, given))

    @_compiled
    def gradient_of_rest(tensors, results, upstream):
        with tf.GradientTape() as tape:
            sources = tf.nest.map_structure(tf.identity, (tensors, results))
            tape.watch(sources)
            z = rest(*sources)
        return tf.nest.flatten(tape.gradient(z, sources, upstream))

    forward = _compiled(rest)

    @tf.custom_gradient
    def whole(*tensors):
        given = list(tensors[: len(present)]), list(tensors[len(present) :])
        return forward(*given), lambda upstream: gradient_of_rest(*given, upstream)

    return whole(*present, *results)


def _compiled(function):
    return tf.function(function, jit_compile=True, autograph=False)
