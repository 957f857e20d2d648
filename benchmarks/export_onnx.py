"""ONNX Runtime's LSTM and GRU operations with the weights of a Keras layer."""

from collections.abc import Callable

import numpy as np

_OPSET, _IR_VERSION = 14, 8
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (0, 1, 2)}  # where i, o, f, c and z, r, h are in Keras


def model(kind: str, weights: list[np.ndarray], shape: tuple, states: bool) -> bytes:
    """A model of one operation, batch 1, time first.

    Input `x` (T, 1, features) and, with `states`, h and c (1, 1, units); output `y`
    (T, 1, 1, units) and, with `states`, the new ones.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    timesteps, features, units = shape
    kernel, recurrent, bias = (_reordered(kind, w) for w in weights)
    both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    constants = {"W": kernel.T[None], "R": recurrent.T[None], "B": both.reshape(1, -1)}
    names = [part for part in ("h", "c")[: 2 if kind == "LSTM" else 1] if states]

    def value(name, *sizes):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)

    options = {"linear_before_reset": 1} if kind == "GRU" else {}
    operation = helper.make_node(
        kind,
        ["x", *constants, *(["", *names] if states else [])],
        ["y", *(f"new_{name}" for name in names)],
        hidden_size=units,
        **options,
    )
    graph = helper.make_graph(
        [operation],
        kind,
        [value("x", timesteps, 1, features), *(value(name, 1, 1, units) for name in names)],
        [
            value("y", timesteps, 1, 1, units),
            *(value(f"new_{name}", 1, 1, units) for name in names),
        ],
        [
            numpy_helper.from_array(np.ascontiguousarray(array), name)
            for name, array in constants.items()
        ],
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def session(content: bytes, x: np.ndarray, units: int) -> tuple[Callable, np.ndarray]:
    """A call on one thread with inputs and outputs bound before, and the outputs of the first one."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    made = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    binding = made.io_binding()
    values = {tensor.name: np.zeros((1, 1, units), "float32") for tensor in made.get_inputs()}
    values["x"] = np.ascontiguousarray(x.transpose(1, 0, 2))
    for name, array in values.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
    places = {}
    for tensor in made.get_outputs():
        places[tensor.name] = ort.OrtValue.ortvalue_from_shape_and_type(tensor.shape, np.float32)
        binding.bind_ortvalue_output(tensor.name, places[tensor.name])

    def call():
        made.run_with_iobinding(binding)

    call()
    return call, places["y"].numpy().copy().reshape(1, len(values["x"]), units)


def _reordered(kind: str, weight: np.ndarray) -> np.ndarray:
    gates = np.split(weight, len(_GATES[kind]), -1)
    return np.concatenate([gates[place] for place in _GATES[kind]], -1)
