"""Inputs, recurrent layers and output of the applications, one small function each."""

from types import SimpleNamespace

import keras

from keras_recurrent.applications.arguments import CELLS, only_one
from keras_recurrent.layers import GRU, LSTM, RNN, Bidirectional, SimpleRNN

_LAYERS = {"simple_rnn": SimpleRNN, "gru": GRU, "lstm": LSTM}


def reads_numbers(net: SimpleNamespace) -> bool:
    """Whether the input is of numbers, not of ids."""
    if only_one(features=net.features, vocabulary_size=net.vocabulary_size) != "features":
        return False
    if net.embedding_dim is not None:
        raise ValueError(
            "`embedding_dim` is for ids; numbers are read as they are. Received: features="
            f"{net.features}, embedding_dim={net.embedding_dim}"
        )
    return True


def sequence_input(net: SimpleNamespace, name: str) -> keras.KerasTensor:
    """The input of ids `(B, T)` or of numbers `(B, T, features)` that `net` asks for."""
    if reads_numbers(net):
        return keras.Input((net.timesteps, net.features), name=name)
    if net.mask_value is not None:
        raise ValueError(
            "`mask_value` is for raw input; of ids, 0 is padding. "
            f"Received: vocabulary_size={net.vocabulary_size}, mask_value={net.mask_value!r}"
        )
    return keras.Input((net.timesteps,), dtype="int32", name=name)


def read(net: SimpleNamespace, inputs: keras.KerasTensor, prefix: str = "") -> keras.KerasTensor:
    """Vectors `(B, T, D)` with their mask."""
    if net.vocabulary_size is None:
        if net.mask_value is None:
            return inputs
        return keras.layers.Masking(net.mask_value, name=f"{prefix}masking")(inputs)
    width = net.embedding_dim or net.units
    vectors = keras.layers.Embedding(
        net.vocabulary_size,
        width,
        embeddings_initializer=first_vectors(net),
        mask_zero=True,
        name=f"{prefix}embedding",
    )(inputs)
    return drop(net, vectors, f"{prefix}embedding_dropout")


def first_vectors(net: SimpleNamespace) -> keras.initializers.Initializer:
    """What draws the vectors of ids: one for each use, as one that is used again draws the same."""
    chosen = net.embeddings_initializer
    return chosen.clone() if isinstance(chosen, keras.initializers.Initializer) else chosen


def drop(net: SimpleNamespace, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.Dropout(net.dropout, name=name)(x) if net.dropout else x


def recurrent_layer(net: SimpleNamespace, name: str, **options) -> keras.layers.Layer:
    """One layer of `net`'s cell."""
    options |= {"engine": net.engine}
    if isinstance(net.cell, str):
        return _LAYERS[net.cell](net.units, name=name, **options)
    return RNN(_own_cell(net), name=name, **options)


def _own_cell(net: SimpleNamespace):
    """What the user's function makes; one cell, whose state is one tensor or a flat list of them."""
    cell = net.cell(net.units)
    sizes = getattr(cell, "state_size", None)
    flat = sizes if isinstance(sizes, list | tuple) else [sizes]
    stacked = isinstance(cell, keras.layers.StackedRNNCells)
    if stacked or not all(isinstance(size, int) for size in flat):
        raise ValueError(
            "`cell` must be a function that makes one cell of a width; give depth=2 for two layers. "
            f"Received: a function that makes {cell!r}"
        )
    return cell


def state_names(net: SimpleNamespace) -> list[str]:
    """Of the parts of a layer's state, as in `state_1_h`."""
    cell = CELLS[net.cell](net.units) if isinstance(net.cell, str) else _own_cell(net)
    if hasattr(cell, "state_type"):
        return list(cell.state_type._fields)
    sizes = cell.state_size
    return [str(place) for place in range(len(sizes) if isinstance(sizes, list | tuple) else 1)]


def stack(
    net: SimpleNamespace, x: keras.KerasTensor, *, sequences: bool = True, prefix: str = ""
) -> keras.KerasTensor:
    """`depth` layers; `(B, T, width)`, or the last output `(B, width)` without `sequences`."""
    for place in range(1, net.depth + 1):
        last = place == net.depth
        layer = directed_layer(net, f"{prefix}recurrent_{place}", sequences=sequences or not last)
        x = connect(net, layer(x), x, place, added=sequences or not last, prefix=prefix)
    return x


def directed_layer(net, name: str, *, sequences: bool, states: bool = False):
    """One layer, for both directions where `net` asks for it."""
    layer = recurrent_layer(net, name, return_sequences=sequences, return_state=states)
    if not net.bidirectional:
        return layer
    return Bidirectional(layer, name=f"{name}_both_directions")


def connect(net, new, below, place: int, *, added: bool = True, prefix: str = ""):
    """What goes on to the next layer: residual from the second layer on, dropped out in between."""
    if net.residual and place > 1 and added:
        new = keras.layers.Add(name=f"{prefix}residual_{place}")([new, below])
    return drop(net, new, f"{prefix}dropout_{place}")


def output(units: int, activation, x: keras.KerasTensor) -> keras.KerasTensor:
    """The last layer, in 32 bits where the rest has 16: small probabilities need them."""
    if units == 1 and activation is keras.activations.softmax:
        raise ValueError(
            "A softmax over one output is always 1. Give output_activation='sigmoid' for a probability, "
            "None for a number, or one output for each class. Received: outputs=1"
        )
    short = keras.config.dtype_policy().compute_dtype in ("float16", "bfloat16")
    dtype = "float32" if short else None
    return keras.layers.Dense(units, activation=activation, dtype=dtype, name="output")(x)
