"""Calls of a .tflite file by name, on one thread."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def open_tflite(path: Path) -> Callable[..., dict[str, np.ndarray]]:
    """A function from named inputs, of any sizes that the file leaves open, to outputs by name."""
    interpreter = Interpreter(str(path), num_threads=1)
    # The runner of a signature allocates anew in every call: it serves for the names alone.
    runner = interpreter.get_signature_runner()
    inputs, outputs = (
        {name: detail["index"] for name, detail in details.items()}
        for details in (runner.get_input_details(), runner.get_output_details())
    )
    del runner
    shapes: dict[str, tuple] = {}

    def call(**values: np.ndarray) -> dict[str, np.ndarray]:
        wanted = {name: value.shape for name, value in values.items()}
        if wanted != shapes:
            for name, shape in wanted.items():
                interpreter.resize_tensor_input(inputs[name], shape)
            interpreter.allocate_tensors()
            shapes.update(wanted)
        for name, value in values.items():
            interpreter.set_tensor(inputs[name], value)
        interpreter.invoke()
        return {name: interpreter.get_tensor(index) for name, index in outputs.items()}

    return call
