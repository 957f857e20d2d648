"""What a `.tflite` file holds, whoever made it."""

from collections import Counter
from pathlib import Path

from keras_recurrent.export import metadata, schema
from keras_recurrent.export.report import EntryPoint, Report, Tensor
from keras_recurrent.export.schema import litert, parse

__all__ = ["describe", "litert", "parse"]

_DTYPES = {"BOOL": "bool", "COMPLEX64": "complex64"}


def describe(path: Path) -> Report:
    """What a file holds, with what its export wrote into it.

    Raises:
        ValueError: This is no whole .tflite file.
    """
    model = parse(path)
    embedded = metadata.text_in(model, path)
    with schema.damage_as_value_error(path):
        return _described(model, path, embedded)


def _described(model, path: Path, embedded: str | None) -> Report:
    ops, custom = _operations(model)
    main = _main(model)
    told = {
        "quantize": _quantization(model),
        "states": _states(main),
        **metadata.fields(embedded),
    }
    return Report(
        path=str(path),
        kind="tflite",
        bytes=path.stat().st_size,
        ops=ops,
        custom_ops=custom,
        inputs=main.inputs,
        outputs=main.outputs,
        signatures=tuple(schema.text(s.signatureKey) for s in schema.places(model.signatureDefs)),
        entry_points=_entry_points(model),
        variables=(*_variable_tensors(model), *_resource_variables(model)),
        metadata=tuple(sorted(schema.metadata(model))),
        **told,
    )


def _operations(model) -> tuple[dict[str, int], tuple[str, ...]]:
    counts: Counter[str] = Counter()
    custom = set()
    for graph in model.subgraphs:
        for operator in schema.operators(graph):
            name = schema.operation(model, operator)
            if schema.is_custom(model, operator):
                custom.add(name)
            counts[name] += 1
    return dict(counts.most_common()), tuple(sorted(custom))


def _main(model) -> EntryPoint:
    """What an interpreter runs that is not asked for a signature by name: the first subgraph."""
    graph, names = model.subgraphs[0], {}
    for signature in schema.places(model.signatureDefs):
        if signature.subgraphIndex == 0:
            for tensor in (
                *schema.places(signature.inputs),
                *schema.places(signature.outputs),
            ):
                names[tensor.tensorIndex] = schema.text(tensor.name)

    def named(numbers) -> tuple[Tensor, ...]:
        return tuple(_tensor(graph.tensors[n], names.get(n)) for n in schema.places(numbers))

    return EntryPoint(schema.text(graph.name), named(graph.inputs), named(graph.outputs))


def _entry_points(model) -> tuple[EntryPoint, ...]:
    def named(graph, entries) -> tuple[Tensor, ...]:
        return tuple(
            _tensor(graph.tensors[entry.tensorIndex], schema.text(entry.name))
            for entry in schema.places(entries)
        )

    points = []
    for signature in schema.places(model.signatureDefs):
        graph = model.subgraphs[signature.subgraphIndex]
        inputs, outputs = named(graph, signature.inputs), named(graph, signature.outputs)
        points.append(EntryPoint(schema.text(signature.signatureKey), inputs, outputs))
    return tuple(points)


def _states(main: EntryPoint) -> tuple[Tensor, ...]:
    """Inputs that take what an output of the same name gave in the call before."""
    given = {tensor.name for tensor in main.outputs}
    return tuple(t for t in main.inputs if t.name.startswith("state_") and t.name in given)


def _variable_tensors(model) -> tuple[Tensor, ...]:
    return tuple(
        _tensor(tensor)
        for graph in model.subgraphs
        for tensor in graph.tensors
        if tensor.isVariable
    )


def _resource_variables(model) -> tuple[Tensor, ...]:
    """Variables behind a handle; their shapes are those of what is read or assigned."""
    found: dict[str, Tensor] = {}
    for graph in model.subgraphs:
        handles = {}
        for operator in schema.operators(graph):
            if schema.operation(model, operator) == "VAR_HANDLE":
                name = schema.text(operator.builtinOptions.sharedName)
                handles[operator.outputs[0]] = name
                found.setdefault(name, Tensor(name, (), "resource"))
        for operator in schema.operators(graph):
            kind = schema.operation(model, operator)
            if kind not in ("READ_VARIABLE", "ASSIGN_VARIABLE"):
                continue
            value = operator.outputs[0] if kind == "READ_VARIABLE" else operator.inputs[1]
            name = handles.get(operator.inputs[0])
            if name is not None:
                found[name] = _tensor(graph.tensors[value], name)
    return tuple(found.values())


def _tensor(tensor, name: str | None = None) -> Tensor:
    types = schema.names(litert("schema_py_generated").TensorType)
    stored = tuple(int(size) for size in schema.places(tensor.shape))
    signature = tuple(int(size) for size in schema.places(tensor.shapeSignature)) or stored
    shape = tuple(None if size < 0 else size for size in signature)
    kind = types[tensor.type]
    scale, zero_point = _scale(tensor)
    return Tensor(
        name=name or schema.text(tensor.name),
        shape=shape,
        dtype=_DTYPES.get(kind, kind.lower()),
        stored_shape=None if shape == stored else stored,
        scale=scale,
        zero_point=zero_point,
    )


def _scale(tensor) -> tuple[float | None, int | None]:
    """What makes numbers of stored integers, unless each channel has its own."""
    scales = [] if tensor.quantization is None else schema.places(tensor.quantization.scale)
    if len(scales) != 1:
        return None, None
    zero_points = schema.places(tensor.quantization.zeroPoint) or [0]
    return float(scales[0]), int(zero_points[0])


def _quantization(model) -> str | None:
    """How the weights are stored, told from the constants and from what the graph computes in."""
    types = litert("schema_py_generated").TensorType
    constants, activations = set(), set()
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            (constants if schema.is_constant(model, tensor) else activations).add(tensor.type)
    if types.INT8 in constants:
        if types.INT8 in activations:
            return "int8"
        return "int16x8" if types.INT16 in activations else "dynamic"
    return "float16" if types.FLOAT16 in constants else None
