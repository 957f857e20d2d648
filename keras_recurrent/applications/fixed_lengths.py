"""Models whose output has the length 1 or that of the input."""

import keras

from keras_recurrent import options
from keras_recurrent.applications import body
from keras_recurrent.applications.arguments import (
    Body,
    BothDirections,
    Head,
    Outputs,
    Reads,
    ReadsSequences,
    application,
)
from keras_recurrent.applications.pooling import MaskedPooling, ValidMax, ValidMean


class _Layers:
    units = options.positive_int("Width of each hidden layer.", 64, keyword_only=True)
    depth = options.positive_int("Number of hidden layers.", 1, keyword_only=True)
    activation = options.activation("tanh", "A1, of the hidden layers.", keyword_only=True)
    residual = options.flag(
        False,
        "Whether hidden layers from the second on add their input to their output.",
        keyword_only=True,
    )
    dropout = options.rate(
        "Share of the numbers dropped in training behind each hidden layer.", keyword_only=True
    )


class _Pooling:
    pooling = options.choice(
        "last",
        ("last", "mean", "max"),
        'What stands for the sequence: "last", the output at its last valid step (of both directions, '
        'each at its own end), or the "mean" or "max" of the outputs of all valid steps.',
        keyword_only=True,
    )


@application(Outputs, Reads, _Layers, Head)
def one_to_one(net) -> keras.Model:
    """A model for T_x = T_y = 1: one input, one output.

    h_1 = A1(W_1 x + b_1), h_l = A1(W_l h_{l-1} + b_l), y = A2(W_y h_L + b_y)

    The recurrent net at its first time step, which starts from zeros, so that there are no recurrent
    weights. Input `(batch, features)`, or ids `(batch,)`; output `(batch, outputs)`.

    Returns:
        A functional Keras model, not compiled.

    Raises:
        ValueError: An argument is out of range; both or none of `features` and `vocabulary_size`.
        TypeError: An argument is unknown or missing.
    """
    if body.reads_numbers(net):
        inputs = x = keras.Input((net.features,), name="features")
    else:
        inputs = keras.Input((), dtype="int32", name="ids")
        width = net.embedding_dim or net.units
        vectors = keras.layers.Embedding(
            net.vocabulary_size, width, body.first_vectors(net), name="embedding"
        )
        x = vectors(inputs)
    for place in range(1, net.depth + 1):
        layer = keras.layers.Dense(net.units, net.activation, name=f"hidden_{place}")
        x = body.connect(net, layer(x), x, place)
    return keras.Model(inputs, body.output(net.outputs, net.output_activation, x), name=net.name)


@application(Outputs, ReadsSequences, Body, BothDirections, _Pooling, Head)
def many_to_one(net) -> keras.Model:
    """A model for T_x > 1, T_y = 1: one output for a sequence, such as its class.

    h_l = layer_l(h_{l-1}) over time, h_0 = x; y = A2(W_y pool(h_L) + b_y)

    Input `(batch, T, features)`, or ids `(batch, T)`; output `(batch, outputs)`. Masked time steps, of
    padding or of `mask_value`, change nothing, wherever they stand; a row of nothing else counts as
    zeros. Without `bidirectional` it can be exported as a stream (with pooling over `mask_value`: not).

    Returns:
        A functional Keras model, not compiled.

    Raises:
        ValueError: An argument is out of range; both or none of `features` and `vocabulary_size`.
        TypeError: An argument is unknown or missing.
    """
    inputs = body.sequence_input(net, "features" if net.vocabulary_size is None else "ids")
    x = body.stack(net, body.read(net, inputs), sequences=net.pooling != "last")
    if net.pooling != "last":
        x = _pool(net.pooling, masked=net.vocabulary_size or net.mask_value is not None)(x)
    return keras.Model(inputs, body.output(net.outputs, net.output_activation, x), name=net.name)


@application(Outputs, ReadsSequences, Body, BothDirections, Head)
def many_to_many(net) -> keras.Model:
    """A model for T_x = T_y: one output for each time step, such as the tag of each word.

    h_l = layer_l(h_{l-1}) over time, h_0 = x; y(t) = A2(W_y h_L(t) + b_y)

    Input `(batch, T, features)`, or ids `(batch, T)`; output `(batch, T, outputs)`, whose mask leaves
    padding, or steps of `mask_value`, out of losses and metrics. `kr.losses.SumOverTime` sums over time,
    Keras's own losses take the mean.

    Returns:
        A functional Keras model, not compiled.

    Raises:
        ValueError: An argument is out of range; both or none of `features` and `vocabulary_size`.
        TypeError: An argument is unknown or missing.
    """
    inputs = body.sequence_input(net, "features" if net.vocabulary_size is None else "ids")
    x = body.stack(net, body.read(net, inputs))
    return keras.Model(inputs, body.output(net.outputs, net.output_activation, x), name=net.name)


def _pool(pooling: str, masked: bool) -> keras.layers.Layer:
    """Without masks, a layer that can run as a stream."""
    if masked:
        return MaskedPooling(pooling, name="pooling")
    return {"mean": ValidMean, "max": ValidMax}[pooling](name="pooling")
