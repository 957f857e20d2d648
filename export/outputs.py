"""Outputs of a `.tflite` file that are one tensor under several names.

The output of a GRU is its new state. The converter names one tensor twice then, of which LiteRT's
CompiledModel shows one name only; one that is an input too it does not fill. Each name gets a tensor
of its own here, by a RESHAPE to the same shape, which every runtime has. Where sizes are open, the file
holds 1 in their places, so that the shape must be told anew in each call.
"""

from copy import deepcopy
from pathlib import Path

import numpy as np

from keras_recurrent.export import schema
from keras_recurrent.export.rewrite import operation_code, rewrite


def part_outputs(path: Path) -> None:
    """Rewrite a file of one signature in which outputs share a tensor, or are inputs."""
    graph = schema.parse(path).subgraphs[0]
    outputs, inputs = schema.places(graph.outputs), schema.places(graph.inputs)
    if len({*outputs, *inputs}) < len(outputs) + len(inputs):
        rewrite(path, _part)


def _part(model) -> None:
    generated = schema.litert("schema_py_generated")
    graph = model.subgraphs[0]
    seen = set(schema.places(graph.inputs))
    places = list(graph.outputs)
    names = {id(t): t for s in schema.places(model.signatureDefs) for t in s.outputs}.values()
    for number, place in enumerate(places):
        if place not in seen:
            seen.add(place)
            continue
        copy = deepcopy(graph.tensors[place])
        copy.name = f"{schema.text(copy.name)}_{number}".encode()
        copy.buffer = _buffer(model, generated, b"")
        graph.tensors.append(copy)
        places[number] = len(graph.tensors) - 1
        graph.operators += _reshape(model, graph, generated, place, places[number])
        # Of the names of the shared tensor the last one goes on to the new.
        sharing = [t for t in names if t.tensorIndex == place]
        sharing[-1].tensorIndex = places[number]
    graph.outputs = np.array(places, np.int32)


def _reshape(model, graph, generated, source: int, target: int) -> list:
    """Operations that copy a tensor; where its shape is open, SHAPE tells it when the file runs."""
    tensor = graph.tensors[source]
    sizes = np.asarray(tensor.shape, np.int32)
    signature = tensor.shapeSignature
    is_open = signature is not None and -1 in list(signature)
    graph.tensors.append(
        generated.TensorT(
            shape=np.array([len(sizes)], np.int32),
            type=generated.TensorType.INT32,
            buffer=_buffer(model, generated, b"" if is_open else sizes.tobytes()),
            name=f"shape_of_output_{target}".encode(),
        )
    )
    shape = len(graph.tensors) - 1
    reshape = generated.OperatorT(
        opcodeIndex=operation_code(model, "RESHAPE"),
        inputs=np.array([source, shape], np.int32),
        outputs=np.array([target], np.int32),
        builtinOptionsType=generated.BuiltinOptions.ReshapeOptions,
        builtinOptions=generated.ReshapeOptionsT(newShape=None if is_open else sizes),
    )
    if not is_open:
        return [reshape]
    tell = generated.OperatorT(
        opcodeIndex=operation_code(model, "SHAPE"),
        inputs=np.array([source], np.int32),
        outputs=np.array([shape], np.int32),
        builtinOptionsType=generated.BuiltinOptions.ShapeOptions,
        builtinOptions=generated.ShapeOptionsT(outType=generated.TensorType.INT32),
    )
    return [tell, reshape]


def _buffer(model, generated, content: bytes) -> int:
    data = np.frombuffer(content, np.uint8) if content else None
    model.buffers.append(generated.BufferT(data))
    return len(model.buffers) - 1
