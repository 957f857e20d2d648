"""Operations that TFLM has no kernels for, written with those that it has.

Masks need them: REDUCE_ANY finds the time steps that `Masking` leaves out, and every `Embedding` has a
SELECT, which counts negative ids from the end.
"""

from copy import copy
from pathlib import Path

import numpy as np

from keras_recurrent.export import schema
from keras_recurrent.export.rewrite import operation_code, rewrite


def replace(path: Path) -> None:
    """Rewrite a file for TFLM where it has such operations."""
    model = schema.parse(path)
    names = {schema.operation(model, op) for g in model.subgraphs for op in schema.operators(g)}
    if names & {"SELECT", "REDUCE_ANY"}:
        rewrite(path, _replace)


def _replace(model) -> None:
    generated = schema.litert("schema_py_generated")
    for graph in model.subgraphs:
        operators = []
        for operator in schema.operators(graph):
            name = schema.operation(model, operator)
            if name == "SELECT" and _of_one_shape(graph, operator):
                operators += _select(model, graph, operator, generated)
            elif name == "REDUCE_ANY":
                operators += _any(model, graph, operator, generated)
            else:
                operators.append(operator)
        graph.operators = operators


def _of_one_shape(graph, operator) -> bool:
    """SELECT alone spreads a condition of one axis over rows."""
    return len({tuple(graph.tensors[place].shape) for place in operator.inputs}) == 1


def _select(model, graph, operator, generated) -> list:
    """SELECT_V2, which reads no whole numbers: of these a sum of products."""
    condition, yes, no = operator.inputs
    (result,) = operator.outputs
    if graph.tensors[result].type != generated.TensorType.INT32:
        options = {"SelectV2Options": generated.SelectV2OptionsT()}
        return [_operator(model, generated, "SELECT_V2", operator.inputs, result, options)]
    against = _like(model, graph, condition, generated)
    first, second, ones, others = (_like(model, graph, result, generated) for _ in range(4))
    cast = {
        "CastOptions": generated.CastOptionsT(generated.TensorType.BOOL, generated.TensorType.INT32)
    }
    product, total = (
        {"MulOptions": generated.MulOptionsT()},
        {"AddOptions": generated.AddOptionsT()},
    )
    return [
        _not(model, generated, condition, against),
        _operator(model, generated, "CAST", [condition], ones, cast),
        _operator(model, generated, "CAST", [against], others, cast),
        _operator(model, generated, "MUL", [yes, ones], first, product),
        _operator(model, generated, "MUL", [no, others], second, product),
        _operator(model, generated, "ADD", [first, second], result, total),
    ]


def _any(model, graph, operator, generated) -> list:
    """Any is what is left when not all are not."""
    values, axes = operator.inputs
    (result,) = operator.outputs
    against, none = _like(model, graph, values, generated), _like(model, graph, result, generated)
    operator.opcodeIndex = operation_code(model, "REDUCE_ALL")
    operator.inputs = np.array([against, axes], np.int32)
    operator.outputs = np.array([none], np.int32)
    return [
        _not(model, generated, values, against),
        operator,
        _not(model, generated, none, result),
    ]


def _like(model, graph, place: int, generated) -> int:
    """A new tensor of the same shape and type."""
    model.buffers.append(generated.BufferT())
    tensor = copy(graph.tensors[place])
    tensor.name = f"{schema.text(tensor.name)}_not_{len(graph.tensors)}".encode()
    tensor.buffer = len(model.buffers) - 1
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _not(model, generated, source: int, target: int):
    options = {"LogicalNotOptions": generated.LogicalNotOptionsT()}
    return _operator(model, generated, "LOGICAL_NOT", [source], target, options)


def _operator(model, generated, name: str, inputs, result: int, options: dict):
    ((kind, values),) = options.items()
    return generated.OperatorT(
        opcodeIndex=operation_code(model, name),
        inputs=np.array(inputs, np.int32),
        outputs=np.array([result], np.int32),
        builtinOptionsType=getattr(generated.BuiltinOptions, kind),
        builtinOptions=values,
    )
