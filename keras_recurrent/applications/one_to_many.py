"""Generation from a condition, or from nothing."""

import keras
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.applications import decoding_step
from keras_recurrent.applications.arguments import (
    Body,
    Head,
    ReadsSequences,
    application,
    only_one,
)
from keras_recurrent.applications.generating import Generating, generate
from keras_recurrent.engines.lowering import active_form
from keras_recurrent.options import Declared, Option


def _check_sizes(name, value):
    if value is None:
        return None
    sizes = tuple(value) if isinstance(value, list | tuple) else ()
    if not sizes or not all(isinstance(n, int) and n > 0 for n in sizes):
        raise ValueError(
            f"`{name}` must be a tuple of positive whole numbers, one for each column. Received: "
            f"{name}={value!r}"
        )
    return sizes


class _Condition:
    outputs = options.positive_int(
        "Numbers in an output; None for `vocabulary_size`.", None, optional=True, keyword_only=True
    )
    condition_features = options.positive_int(
        "Numbers in a condition.", None, optional=True, keyword_only=True
    )
    condition_sizes = Option(
        _check_sizes,
        None,
        "For a condition of categories: how many there are in each of its columns.",
        keyword_only=True,
    )


@application(ReadsSequences, _Condition, Body, Generating, Head)
def one_to_many(net) -> keras.Model:
    """A model for T_x = 1, T_y > 1: it generates a sequence, given a condition or nothing.

    h(0) = f(condition); h(t) = cell(y(t-1), h(t-1)), y(0) = begin
    p(y(t) | y(<t), condition) = A2(W h(t) + b)

    The condition enters once, as the first state: a layer of tanh, then one for each part of the state.
    Without one the states start from zeros. For `fit` the model reads the true sequence one step late,
    see `teacher_forcing`; `Decoder` lets it go on by itself.

    Inputs by name: "condition" `(batch, condition_features)`, or whole numbers `(batch, columns)`, and
    "previous", ids `(batch, T)` or numbers `(batch, T, features)`; output `(batch, T, outputs)` with the
    mask of "previous".

    Returns:
        A functional Keras model, not compiled. `parts_of` gives its encoder and decoder.

    Raises:
        ValueError: An argument is out of range; both or none of `features` and `vocabulary_size`;
            `features` without `outputs`; two kinds of condition.
        TypeError: An argument is unknown or missing.
    """
    kind = only_one(features=net.features, vocabulary_size=net.vocabulary_size)
    if (net.outputs is None) != (kind == "vocabulary_size"):
        raise ValueError(
            "`outputs` belongs to raw `features`; ids are predicted among `vocabulary_size`. Received: "
            f"outputs={net.outputs}, {kind}={getattr(net, kind)}"
        )
    encoder = None
    if net.condition_features is not None or net.condition_sizes is not None:
        only_one(condition_features=net.condition_features, condition_sizes=net.condition_sizes)
        encoder = _encoder(net)
    decoder = decoding_step.decoder(net, net.outputs or net.vocabulary_size, None, None)
    return generate(net, encoder, decoder)


def _encoder(net) -> keras.Model:
    if net.condition_sizes is None:
        condition = x = keras.Input((net.condition_features,), name="condition")
    else:
        columns = len(net.condition_sizes)
        condition = keras.Input((columns,), dtype="int32", name="condition")
        x = Categories(net.condition_sizes, net.units, name="categories")(condition)
    x = keras.layers.Dense(net.units, "tanh", name="condition_dense")(x)
    states = {
        name: keras.layers.Dense(size, "tanh" if name.endswith("_h") else None, name=name)(x)
        for name, size in decoding_step.state_sizes(net).items()
    }
    return keras.Model(condition, states, name="encoder")


@keras.saving.register_keras_serializable("keras_recurrent")
class Categories(Declared, keras.layers.Layer):
    """A vector for each column of categories, side by side.

    Input: whole numbers `(batch, columns)`, those of column k in [0, sizes[k]); output
    `(batch, columns * width)`.
    """

    sizes = Option(_check_sizes, doc="How many categories each column has.", serialize=list)
    width = options.positive_int("Of each vector.")

    def build(self, input_shape):
        if input_shape[-1] != len(self.sizes):
            raise ValueError(
                f"A condition has {len(self.sizes)} columns. Received: shape {tuple(input_shape)}"
            )
        self.vectors = self.add_weight(
            shape=(sum(self.sizes), self.width), initializer="uniform", name="vectors"
        )
        self.built = True

    def call(self, inputs):
        ops = keras.ops
        begins = [sum(self.sizes[:column]) for column in range(len(self.sizes))]
        places = inputs + ops.convert_to_tensor(begins, inputs.dtype)
        known = (inputs >= 0) & (inputs < ops.convert_to_tensor(self.sizes, inputs.dtype))
        # One that is none of its column's would get a vector of the next; this way the look-up fails,
        # in exported files, too.
        places = ops.where(known, places, sum(self.sizes))
        rows = ops.take(self._checked(known, inputs), places, axis=0)
        return ops.reshape(rows, (-1, len(self.sizes) * self.width))

    def _checked(self, known, inputs):
        """The vectors, once all categories are known; exported files cannot say it in words."""
        vectors = keras.ops.convert_to_tensor(self.vectors)
        if active_form() is not None:
            return vectors
        said = [
            f"Conditions have {self.sizes} categories in their columns, from 0. Received:",
            inputs,
        ]
        with tf.control_dependencies([tf.Assert(tf.reduce_all(known), said)]):
            return tf.identity(vectors)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], len(self.sizes) * self.width)
