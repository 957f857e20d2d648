"""Integer `.tflite` files: what the converter leaves wrong in them, and what it left in floats.

Six repairs, each of a fault that was met with TensorFlow 2.21:

* A tensor that is zero in all samples (the first state of an unrolled loop) gets the 16-bit scale 0 or
  next to it, on which the kernels of ADD and SUB end the process.
* Layers with the same bias (new ones all have) share one constant, in 16-bit files at the scale of the
  first, so that the others compute with another bias.
* A SPLIT with a part that nobody reads stays in floats, between a DEQUANTIZE and a QUANTIZE.
* A fused LSTM whose output is concatenated with another's (`Bidirectional`) gets the scale of both
  together for its output, but not for its state, which is the same numbers: one direction is then off
  by the ratio of the two.
* A REVERSE_V2 whose output is joined with other tensors, or chosen between, gets their scale for its
  output and not for its input, but moves the numbers as they are: off by the ratio of the two.
* Tensors of an unrolled loop carry the names of all its steps: two thirds of a file of 200 steps.
"""

from collections import Counter
from copy import deepcopy
from pathlib import Path

import numpy as np

from keras_recurrent.export import schema
from keras_recurrent.export.rewrite import operation_code, rewrite

# CAST: a mask, which then becomes integers. RESHAPE: an output that a state shares.
NOT_COMPUTING = ("QUANTIZE", "DEQUANTIZE", "CAST", "RESHAPE")
_SMALLEST_SCALE = 1e-9  # of 16-bit tensors: they then reach no further than 3e-5
_UNIT_SCALE = np.float32(2**-15)


def mend(path: Path) -> None:
    """Rewrite a file that the converter has just written, its faults repaired."""
    types = schema.litert("schema_py_generated").TensorType

    def repair(model) -> None:
        for graph in model.subgraphs:
            _give_scales_to_zeros(graph, types)
            _part_biases(model, graph, types)
            _split_in_integers(model, graph)
            _states_as_outputs(model, graph, types)
            _reverse_at_one_scale(model, graph)
            for tensor in graph.tensors:
                tensor.name = (tensor.name or b"").split(b";")[0]
                if tensor.quantization is not None:  # no runtime reads the ranges behind the scales
                    tensor.quantization.min = tensor.quantization.max = None

    rewrite(path, repair)


def float_operations(path: Path) -> dict[str, int]:
    """How often each operation computes in floats; those that only move or convert do not count."""
    floats = schema.litert("schema_py_generated").TensorType.FLOAT32
    model = schema.parse(path)
    counts: Counter[str] = Counter()
    for graph in model.subgraphs:
        for operator in schema.operators(graph):
            name = schema.operation(model, operator)
            places = [p for p in (*operator.inputs, *operator.outputs) if p >= 0]
            types = {graph.tensors[place].type for place in places}
            if name not in NOT_COMPUTING and floats in types:
                counts[name] += 1
    return dict(counts)


def _give_scales_to_zeros(graph, types) -> None:
    for tensor in graph.tensors:
        if tensor.type == types.INT16 and _scales(tensor) is not None:
            scales = _scales(tensor)
            tensor.quantization.scale = np.where(scales < _SMALLEST_SCALE, _UNIT_SCALE, scales)


def _part_biases(model, graph, types) -> None:
    """A bias counts in units of input scale times kernel scale: others are written anew."""
    for operator in schema.operators(graph):
        if schema.operation(model, operator) != "FULLY_CONNECTED":
            continue
        values, kernel, bias = [*operator.inputs, -1][:3]
        if bias < 0 or graph.tensors[bias].type != types.INT64:
            continue
        unit = _scales(graph.tensors[values]) * _scales(graph.tensors[kernel])
        scales = _scales(graph.tensors[bias])
        if np.allclose(scales, unit, rtol=1e-3, atol=0):
            continue
        own = deepcopy(graph.tensors[bias])
        stored = bytes(np.asarray(model.buffers[own.buffer].data, np.uint8))
        numbers = np.round(np.frombuffer(stored, np.int64) * (scales / unit)).astype(np.int64)
        buffer = deepcopy(model.buffers[own.buffer])
        buffer.data = np.frombuffer(numbers.tobytes(), np.uint8)
        model.buffers.append(buffer)
        own.buffer = len(model.buffers) - 1
        own.quantization.scale = np.broadcast_to(unit, scales.shape).astype(np.float32)
        graph.tensors.append(own)
        operator.inputs = np.array([values, kernel, len(graph.tensors) - 1], np.int32)


def _split_in_integers(model, graph) -> None:
    """Parts keep the scale of the whole; the QUANTIZE after each then changes it, in integers."""
    made_by = {place: op for op in schema.operators(graph) for place in op.outputs}
    for operator in list(schema.operators(graph)):
        if schema.operation(model, operator) != "SPLIT":
            continue
        source = made_by.get(operator.inputs[1])
        if source is None or schema.operation(model, source) != "DEQUANTIZE":
            continue
        parts = {int(place) for place in operator.outputs}
        readers = [op for op in graph.operators if not parts.isdisjoint(map(int, op.inputs))]
        integers = all(schema.operation(model, op) == "QUANTIZE" for op in readers)
        if not integers or not parts.isdisjoint(map(int, graph.outputs)):
            continue
        whole = graph.tensors[source.inputs[0]]
        operator.inputs = np.array([operator.inputs[0], source.inputs[0]], np.int32)
        for place in operator.outputs:
            graph.tensors[place].type = whole.type
            graph.tensors[place].quantization = deepcopy(whole.quantization)
        read = {place for op in graph.operators for place in op.inputs} | set(graph.outputs)
        if not read & set(source.outputs):
            graph.operators.remove(source)


def _states_as_outputs(model, graph, types) -> None:
    """The state h of a fused LSTM at the scale of its output."""
    for operator in schema.operators(graph):
        if schema.operation(model, operator) == "UNIDIRECTIONAL_SEQUENCE_LSTM":
            output, state = graph.tensors[operator.outputs[0]], graph.tensors[operator.inputs[18]]
            if output.type == state.type == types.INT8:
                state.quantization = deepcopy(output.quantization)


def _reverse_at_one_scale(model, graph) -> None:
    """A QUANTIZE in front takes the numbers to the scale of the output."""
    generated = schema.litert("schema_py_generated")
    operators = []
    for operator in schema.operators(graph):
        if schema.operation(model, operator) == "REVERSE_V2":
            source, axes = operator.inputs
            given, wanted = (graph.tensors[p] for p in (source, operator.outputs[0]))
            both = _scales(given) is not None and _scales(wanted) is not None
            if both and not _same_units(given, wanted):
                own = deepcopy(given)
                own.type, own.quantization = wanted.type, deepcopy(wanted.quantization)
                own.name = (own.name or b"") + b"_requantized"
                graph.tensors.append(own)
                place = len(graph.tensors) - 1
                operators.append(_quantize(model, generated, source, place))
                operator.inputs = np.array([place, axes], np.int32)
        operators.append(operator)
    graph.operators = operators


def _quantize(model, generated, source: int, target: int):
    return generated.OperatorT(
        opcodeIndex=operation_code(model, "QUANTIZE"),
        inputs=np.array([source], np.int32),
        outputs=np.array([target], np.int32),
        builtinOptionsType=generated.BuiltinOptions.QuantizeOptions,
        builtinOptions=generated.QuantizeOptionsT(),
    )


def _same_units(tensor, other) -> bool:
    pairs = ((t.quantization.scale, t.quantization.zeroPoint) for t in (tensor, other))
    return all(np.array_equal(a, b) for a, b in zip(*pairs, strict=True))


def _scales(tensor) -> np.ndarray | None:
    scale = tensor.quantization.scale if tensor.quantization is not None else None
    return None if scale is None or not len(scale) else np.asarray(scale, np.float32)
