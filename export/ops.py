"""Which operations the runtimes of a target have kernels for."""

import re
from pathlib import Path

from keras_recurrent.export import schema
from keras_recurrent.export.report import Report
from keras_recurrent.export.resolver import METHODS
from keras_recurrent.keras_hooks import all_layers

# No two calls would agree, and no export of a model for inference needs them.
RANDOM = frozenset(
    ("MULTINOMIAL", "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM", "STABLEHLO_RNG_BIT_GENERATOR")
)
# Types of tensors that JavaScript can hand to LiteRT.js and back.
LITERT_JS = ("float32", "int32", "uint8")


def check(path: Path, report: Report, target: str, model=None) -> None:
    """Refuse a file with operations that its target has no kernels for.

    Args:
        path: The `.tflite` file.
        report: What it holds.
        target: "mobile", "web" or "micro".
        model: The Keras model, to say which of its layers uses the operation.

    Raises:
        ValueError: Names the operations, the layers, and what to do.
    """
    layers = {layer.name for layer in all_layers(model)} if model is not None else set()
    custom = set(report.custom_ops)
    drawing = RANDOM & set(report.ops)
    missing = set(report.ops) - set(METHODS) - custom - drawing if target == "micro" else set()
    if custom:
        raise ValueError(
            f"The file needs operations that are not built in: {_where(path, custom, layers)}. Write "
            "these layers with other operations of keras.ops, or fix the batch size."
        )
    if drawing:
        raise ValueError(
            f"The file draws random numbers when it runs: {_where(path, drawing, layers)}. Draw them "
            "outside and give them as an input, or leave them out where training=False."
        )
    if "REDUCE_ANY" in missing:
        raise ValueError(
            f"TFLM has no kernel for {_where(path, {'REDUCE_ANY'}, layers)}, with which "
            "keras.layers.Masking finds masked time steps. Give the lengths of the sequences as an "
            "input instead: layer(x, lengths=lengths), or a mask of booleans. target='mobile' takes "
            "Masking as it is."
        )
    if target == "web":
        _check_types(report)
    if missing:
        raise ValueError(
            f"TFLM has no kernels for {_where(path, missing, layers)}. Recurrent layers can do without "
            'in another form: "fused" for an LSTM, "unroll" for few time steps, or with '
            "streaming=True. Other layers need other operations. target='mobile' takes all of them."
        )


def _check_types(report: Report) -> None:
    strange = [t for t in (*report.inputs, *report.outputs) if t.dtype not in LITERT_JS]
    if strange:
        raise ValueError(
            "LiteRT.js reads and gives float32, int32 and uint8 only: make the model's inputs of such a "
            "dtype (keras.Input(..., dtype='int32')) and cast its outputs. Received: "
            f"{', '.join(map(str, strange))}"
        )


def _where(path: Path, ops: set[str], layers: set[str]) -> str:
    """Operations with the layers that use them, as far as the names of tensors tell."""
    places: dict[str, set[str]] = {name: set() for name in sorted(ops)}
    for name, tensors in _operations(path):
        if name in places:
            places[name].update(_layer_of(tensor, layers) for tensor in tensors)
    told = []
    for name, found in places.items():
        found.discard("")
        told.append(f"{name} (in {', '.join(sorted(found))})" if found else name)
    return ", ".join(told)


def _operations(path: Path) -> list[tuple[str, list[str]]]:
    """Every operation of a file with the names of the tensors that it makes."""
    model = schema.parse(path)
    return [
        (
            schema.operation(model, operator),
            [schema.text(graph.tensors[place].name) for place in operator.outputs],
        )
        for graph in model.subgraphs
        for operator in schema.operators(graph)
    ]


def _layer_of(tensor: str, layers: set[str]) -> str:
    """The innermost part of a path such as model_1/gru_1/while that is a layer, "" if none is."""
    for part in reversed(re.split("[/;:]", tensor)):
        for name in (part, re.sub(r"_\d+$", "", part)):  # Keras numbers its calls
            if name in layers:
                return repr(name)
    return ""
