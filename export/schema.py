"""Reading `.tflite` files as the objects of their schema."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path


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
    with damage_as_value_error(path):
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        _check(model, len(data))
    return model


@contextmanager
def damage_as_value_error(path: Path) -> Iterator[None]:
    """The generated reader knows no errors of its own: it runs into whatever the bytes suggest."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"The TFLite file {str(path)!r} is damaged or cut short.") from error


def operators(graph) -> list:
    return places(graph.operators)


def operation(model, operator) -> str:
    """The name of a built-in operation, or that which a custom one has been given."""
    name = _builtin(model, operator)
    if name == "CUSTOM":
        return text(model.operatorCodes[operator.opcodeIndex].customCode)
    return name


def is_custom(model, operator) -> bool:
    return _builtin(model, operator) == "CUSTOM"


def _builtin(model, operator) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    # Old files keep the number in a field of 7 bits.
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return names(litert("schema_py_generated").BuiltinOperator)[number]


def metadata(model) -> dict[str, int]:
    """The number of the buffer of each of the file's metadata, by name."""
    return {text(entry.name): entry.buffer for entry in places(model.metadata)}


def content(model, number: int, path: Path) -> bytes:
    """The bytes of a buffer of the file `path`, which has it in the flatbuffer or behind it."""
    buffer = model.buffers[number]
    if buffer.offset > 1:
        with path.open("rb") as file:
            file.seek(buffer.offset)
            return file.read(buffer.size)
    return b"" if buffer.data is None else bytes(buffer.data)


def is_constant(model, tensor) -> bool:
    buffer = model.buffers[tensor.buffer]
    return buffer.offset > 1 or (buffer.data is not None and len(buffer.data) > 0)


def places(values) -> list:
    """The schema's objects have None for a vector that is not there."""
    return [] if values is None else list(values)


@cache
def names(enumeration) -> dict[int, str]:
    return {number: name for name, number in vars(enumeration).items() if name.isupper()}


def text(value) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")


def _check(model, size: int) -> None:
    """Follow all references: what they name must be there."""
    if not model.subgraphs:
        raise ValueError("no subgraph")
    for buffer in model.buffers:
        if buffer.offset > 1 and buffer.offset + buffer.size > size:
            raise ValueError("a buffer lies outside the file")
    for number in metadata(model).values():
        model.buffers[number]
    for graph in model.subgraphs:
        count = len(graph.tensors)
        _check_places([*places(graph.inputs), *places(graph.outputs)], 0, count)
        for tensor in graph.tensors:
            model.buffers[tensor.buffer]
        for operator in operators(graph):
            operation(model, operator)
            # -1 stands for an optional input that is left out.
            _check_places([*places(operator.inputs), *places(operator.outputs)], -1, count)


def _check_places(numbers: list, least: int, count: int) -> None:
    if not all(least <= number < count for number in numbers):
        raise ValueError("a tensor that is not there")
