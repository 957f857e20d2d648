"""The decoder: a model that reads what was said before and its states, and says what comes next."""

from types import SimpleNamespace

import keras

from keras_recurrent.applications import body
from keras_recurrent.applications.cross_attention import CrossAttention
from keras_recurrent.cells.contract import Cell


def decoder(net: SimpleNamespace, outputs: int, attention: str | None, memory: int | None):
    """A functional model named "decoder", for whole sequences as for one step.

    Inputs, by name: `previous` `(B, T)` ids, or `(B, T, features)`; the states `state_1_h` and so on;
    with attention `memory` `(B, T_x, width)` and `memory_mask`. Outputs: `output` `(B, T, outputs)` and
    the states after the last step, under the same names.
    """
    previous = body.sequence_input(net, "previous")
    inputs, states = {"previous": previous}, {}
    x = body.read(net, previous)
    for place in range(1, net.depth + 1):
        layer = body.recurrent_layer(
            net, f"decoder_{place}", return_sequences=True, return_state=True
        )
        names = [f"state_{place}_{part}" for part in body.state_names(net)]
        begin = {
            name: keras.Input((size,), name=name)
            for name, size in zip(names, _sizes(layer.cell), strict=True)
        }
        new, *after = layer(x, initial_state=list(begin.values()))
        inputs |= begin
        states |= dict(zip(names, after, strict=True))
        x = body.connect(net, new, x, place)
    if attention is not None:
        inputs["memory"] = keras.Input((None, memory), name="memory")
        inputs["memory_mask"] = keras.Input((None,), dtype="bool", name="memory_mask")
        looks = CrossAttention(attention, name="attention")
        context = looks(x, inputs["memory"], inputs["memory_mask"])
        both = keras.layers.Concatenate(name="with_context")([x, context])
        x = keras.layers.Dense(net.units, "tanh", name="attentive")(both)
    said = body.output(outputs, net.output_activation, x)
    return keras.Model(inputs, {"output": said, **states}, name="decoder")


def _sizes(cell: Cell) -> list[int]:
    sizes = cell.state_size
    return list(sizes) if isinstance(sizes, list | tuple) else [sizes]


def state_sizes(net: SimpleNamespace) -> dict[str, int]:
    """Names and widths of all states of the decoder."""
    sizes = _sizes(body.recurrent_layer(net, "sizes").cell)
    parts = body.state_names(net)
    return {
        f"state_{place}_{part}": size
        for place in range(1, net.depth + 1)
        for part, size in zip(parts, sizes, strict=True)
    }
