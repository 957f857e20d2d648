"""Reading `.tflite` files."""

import importlib
from collections import Counter
from pathlib import Path

from keras_recurrent.export.report import Report, Tensor

_DTYPES = {"BOOL": "bool", "COMPLEX64": "complex64"}


def litert(module: str):
    """A module of ai-edge-litert, or an `ImportError` that says how to get it."""
    try:
        return importlib.import_module(f"ai_edge_litert.{module}")
    except ImportError as error:
        raise ImportError(
            "TFLite files need the package ai-edge-litert: pip install 'keras-recurrent[export]'"
        ) from error


def parse(path: Path):
    """The model in a file as the schema's object; `ValueError` for anything but a whole one."""
    schema = litert("schema_py_generated")
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise ValueError(
            f"This is not a TFLite file: {str(path)!r} "
            + ("is empty." if not data else "does not start with the mark TFL3.")
        )
    try:
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        _walk(model, schema)
        _check_buffers(model, len(data))
    # The generated reader knows no errors of its own: it runs into whatever the bytes suggest.
    except Exception as error:
        raise ValueError(f"The TFLite file {str(path)!r} is damaged or cut short.") from error
    return model


def describe(path: Path) -> Report:
    """What a file holds."""
    schema = litert("schema_py_generated")
    model = parse(path)
    ops, custom = _operations(model, schema)
    main = model.subgraphs[0]
    names = _signature_names(model)
    return Report(
        path=str(path),
        kind="tflite",
        bytes=path.stat().st_size,
        ops=ops,
        custom_ops=custom,
        inputs=_tensors(main, main.inputs, names, schema),
        outputs=_tensors(main, main.outputs, names, schema),
        signatures=tuple(_text(s.signatureKey) for s in model.signatureDefs or ()),
        variables=tuple(
            _tensor(t, _text(t.name), schema)
            for graph in model.subgraphs
            for t in graph.tensors
            if t.isVariable
        ),
        quantize=_quantization(model, schema),
    )


def _walk(model, schema) -> None:
    """Touch what `describe` reads: it must be there."""
    if not model.subgraphs:
        raise ValueError("no subgraph")
    _operations(model, schema)
    for graph in model.subgraphs:
        for place in (*_places(graph.inputs), *_places(graph.outputs)):
            graph.tensors[place]
        for tensor in graph.tensors:
            model.buffers[tensor.buffer]


def _check_buffers(model, size: int) -> None:
    """Large files keep their weights behind the flatbuffer, named by offset and size."""
    for buffer in model.buffers:
        if buffer.offset > 1 and buffer.offset + buffer.size > size:
            raise ValueError("a buffer lies outside the file")


def _operations(model, schema) -> tuple[dict[str, int], tuple[str, ...]]:
    builtin = _names(schema.BuiltinOperator)
    counts: Counter[str] = Counter()
    custom = set()
    for graph in model.subgraphs:
        for operator in graph.operators or ():
            code = model.operatorCodes[operator.opcodeIndex]
            # Old files keep the number in a field of 7 bits.
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            name = builtin[number]
            if number == schema.BuiltinOperator.CUSTOM:
                name = _text(code.customCode)
                custom.add(name)
            counts[name] += 1
    return dict(counts.most_common()), tuple(sorted(custom))


def _signature_names(model) -> dict[int, str]:
    """Tensor places of the main subgraph to the names that its signature gives them."""
    names = {}
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == 0:
            for tensor in (*(signature.inputs or ()), *(signature.outputs or ())):
                names[tensor.tensorIndex] = _text(tensor.name)
    return names


def _tensors(graph, places, names, schema) -> tuple[Tensor, ...]:
    return tuple(
        _tensor(graph.tensors[p], names.get(p) or _text(graph.tensors[p].name), schema)
        for p in _places(places)
    )


def _tensor(tensor, name: str, schema) -> Tensor:
    stored = tuple(int(size) for size in _places(tensor.shape))
    signature = tuple(int(size) for size in _places(tensor.shapeSignature)) or stored
    shape = tuple(None if size < 0 else size for size in signature)
    kind = _names(schema.TensorType)[tensor.type]
    dtype = _DTYPES.get(kind, kind.lower())
    return Tensor(name, shape, dtype, None if shape == stored else stored)


def _quantization(model, schema) -> str | None:
    """How the weights are stored, told from the constants and from what the graph computes in."""
    constants, activations, types = set(), set(), schema.TensorType
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            (constants if _is_constant(model, tensor) else activations).add(tensor.type)
    if types.INT8 in constants:
        return "int8" if types.INT8 in activations else "dynamic"
    return "float16" if types.FLOAT16 in constants else None


def _is_constant(model, tensor) -> bool:
    buffer = model.buffers[tensor.buffer]
    return buffer.offset > 1 or (buffer.data is not None and len(buffer.data) > 0)


def _places(values) -> list:
    return [] if values is None else list(values)


def _names(enumeration) -> dict[int, str]:
    return {number: name for name, number in vars(enumeration).items() if name.isupper()}


def _text(value) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")
