"""Writing `.tflite` files anew with something in them changed."""

from collections.abc import Callable, Sequence
from functools import cache
from numbers import Real
from pathlib import Path

import flatbuffers
import numpy as np

from keras_recurrent.export import files, schema

# The runtimes map weights straight from the file, and their kernels read 16 bytes at a time.
ALIGNMENT = 16


def rewrite(path, change: Callable) -> None:
    """Read a `.tflite` file, call `change(model)` on the schema's object, write the file anew.

    Raises:
        ValueError: The file is damaged, or uses parts of the format that ai-edge-litert's schema
            does not know and would drop.
        OSError: The file cannot be written.
    """
    path = Path(path)
    model = schema.parse(path)
    _check_known(model, path)
    change(model)
    packed = _pack(model, path.read_bytes())
    with files.new_file(path, path.suffix) as temporary, temporary.open("wb") as file:
        file.writelines(packed)


def set_cell_clip(path, clips: float | Sequence[tuple[np.ndarray, float | None]] | None) -> int:
    """Give every UNIDIRECTIONAL_SEQUENCE_LSTM of a file the bound that its layer has for c.

    The converter writes 10 into all of them, whatever the layer says.

    Args:
        path: The `.tflite` file, which is replaced.
        clips: One bound for all, None for no bound; or for each layer its recurrent kernel (units,
            4 units) and its bound, where they differ: names do not survive the conversion, so that
            an operation is known by its weights.

    Returns:
        The number of such operations in the file.

    Raises:
        ValueError: An operation has the weights of none of the layers, or of two with different
            bounds; or as in `rewrite`.
    """
    fused = 0

    def change(model) -> None:
        nonlocal fused
        for graph, operator in _fused(model):
            operator.builtinOptions.cellClip = _clip_of(model, graph, operator, clips) or 0.0
            fused += 1

    rewrite(path, change)
    return fused


def _fused(model) -> list[tuple]:
    return [
        (graph, operator)
        for graph in model.subgraphs
        for operator in schema.operators(graph)
        if schema.operation(model, operator) == "UNIDIRECTIONAL_SEQUENCE_LSTM"
    ]


def _clip_of(model, graph, operator, clips) -> float | None:
    if clips is None or isinstance(clips, Real):
        return clips
    if len({clip or 0.0 for _, clip in clips}) == 1:
        return clips[0][1]
    # Inputs 5 to 8 are the recurrent weights (units, units) of the gates i, f, c and o.
    gates = [_weights(model, graph, place) for place in operator.inputs[5:9]]
    stored = np.concatenate(gates).T
    distances = [
        (float(np.abs(np.asarray(kernel) - stored).max()), clip or 0.0)
        for kernel, clip in clips
        if np.shape(kernel) == stored.shape
    ]
    least = min((distance for distance, _ in distances), default=np.inf)
    # 8 bits round by 1/254 of the largest weight at most.
    if least > np.abs(stored).max() / 100:
        raise ValueError(
            "The file has a fused LSTM whose weights are those of no layer. Received: layers of "
            f"shapes {[np.shape(kernel) for kernel, _ in clips]}, an operation with {stored.shape}"
        )
    nearest = {clip for distance, clip in distances if distance == least}
    if len(nearest) > 1:
        raise ValueError(
            "Layers with the same weights must have the same cell clip to be exported in the fused "
            f"form, which tells layers by their weights. Received: {sorted(nearest)}"
        )
    return nearest.pop()


def _weights(model, graph, place: int) -> np.ndarray:
    """The values of a constant, of a quantised one or of one stored in 16 bits as they are used."""
    tensor = graph.tensors[place]
    data = model.buffers[tensor.buffer].data
    if data is None or not len(data):
        for operator in schema.operators(graph):  # DEQUANTIZE
            if place in operator.outputs and len(operator.inputs) == 1:
                return _weights(model, graph, operator.inputs[0])
        raise ValueError("The weights of a fused LSTM are not constants of the file.")
    types = schema.litert("schema_py_generated").TensorType
    kinds = {types.FLOAT32: np.float32, types.FLOAT16: np.float16, types.INT8: np.int8}
    values = np.frombuffer(bytes(data), kinds[tensor.type]).reshape(tensor.shape)
    if tensor.type != types.INT8:
        return values.astype(np.float32)
    scales = np.asarray(tensor.quantization.scale, np.float32)
    return values * (scales[:, None] if len(scales) > 1 else scales)


def _check_known(model, path: Path) -> None:
    """The generated reader leaves out options of a kind it does not know."""
    for graph in model.subgraphs:
        for operator in schema.operators(graph):
            first = operator.builtinOptionsType and operator.builtinOptions is None
            second = operator.builtinOptions2Type and operator.builtinOptions2 is None
            if first or second:
                raise ValueError(
                    f"The TFLite file {str(path)!r} holds operations of a newer format than the "
                    "installed ai-edge-litert can write. Upgrade it."
                )


def _pack(model, data: bytes) -> list[bytes]:
    """The flatbuffer, and what lies behind it: files of 2 GB and more keep their weights there."""
    model.buffers = [_aligned_buffer()(b.data, b.offset, b.size) for b in model.buffers]
    first = min((offset for *_, offset in _far_fields(model)), default=len(data))
    behind = memoryview(data)[first:]
    packed = _packed(model, len(data) - len(behind))
    if not behind:
        return [packed]
    # Offsets count from the start of the file; their number of bytes does not depend on the value.
    start = -(-len(packed) // ALIGNMENT) * ALIGNMENT + first % ALIGNMENT
    for holder, field, offset in _far_fields(model):
        setattr(holder, field, offset - first + start)
    packed = _packed(model, len(packed))
    return [packed, bytes(start - len(packed)), behind]


def _far_fields(model) -> list[tuple]:
    """What names a place behind the flatbuffer: the object, its field, and the offset in it."""
    large = [
        (operator, "largeCustomOptionsOffset")
        for graph in model.subgraphs
        for operator in schema.operators(graph)
    ]
    holders = [(buffer, "offset") for buffer in model.buffers] + large
    return [(o, field, getattr(o, field)) for o, field in holders if getattr(o, field) > 1]


def _packed(model, size: int) -> bytearray:
    builder = flatbuffers.Builder(size + size // 8 + 4096)  # room at once: growing copies all
    try:
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    except flatbuffers.builder.BuilderSizeError as error:
        raise ValueError(
            "A .tflite file holds 2 GB at most before its weights have to lie behind the rest of it."
        ) from error
    return builder.Output()


@cache
def _aligned_buffer():
    """The schema's class of buffers, but for the alignment of the bytes."""

    class AlignedBuffer(schema.litert("schema_py_generated").BufferT):
        def Pack(self, builder):
            if self.data is not None:
                builder.Prep(ALIGNMENT, len(self.data))
            return super().Pack(builder)

    return AlignedBuffer


def operation_code(model, name: str) -> int:
    """The place of an operation among the codes of a file, which gets it if need be."""
    generated = schema.litert("schema_py_generated")
    number = getattr(generated.BuiltinOperator, name)
    for place, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == number:
            return place
    model.operatorCodes.append(
        generated.OperatorCodeT(
            deprecatedBuiltinCode=min(number, 127), builtinCode=number, version=1
        )
    )
    return len(model.operatorCodes) - 1
