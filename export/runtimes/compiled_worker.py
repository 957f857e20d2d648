"""The process that runs CompiledModel; started by `compiled.py` as a plain script."""

import math
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import numpy as np
from answering import serve
from serving import model_server

ALIGNMENT = 64  # bytes, of the memory that buffers share with NumPy


class Model:
    def __init__(self, path: str, open_inputs: list[str]):
        self.path, self.open_inputs = path, open_inputs
        self.reset()

    def reset(self) -> None:
        from ai_edge_litert.compiled_model import CompiledModel

        self.model = CompiledModel.from_file(self.path)
        self.key = self.model.get_signature_by_index(0)["key"]
        self.buffers = {}
        self.sizes = None

    def __call__(self, inputs: dict) -> dict:
        sizes = {name: value.shape for name, value in inputs.items()}
        if sizes != self.sizes:
            self.prepare(inputs)
            self.sizes = sizes
        into, out = self.buffers
        for name, buffer in into.items():
            # As bytes: `write` knows few types, and copies anyway.
            buffer.write(np.ascontiguousarray(inputs[name]).reshape(-1).view(np.int8))
        self.model.run_by_name(self.key, into, out)
        details = self.model.get_output_tensor_details(self.key)
        return {name: read(buffer, details[name]) for name, buffer in out.items()}

    def prepare(self, inputs: dict) -> None:
        """Resize the inputs, and make buffers that hold the outputs."""
        from ai_edge_litert.compiled_model import TensorBuffer

        names = self.model.get_signature_by_index(0)
        details = self.model.get_input_tensor_details(self.key)
        for name in names["inputs"]:
            fits = tuple(details[name]["shape"]) == inputs[name].shape
            if details[name]["dtype"] != inputs[name].dtype.name:
                raise TypeError(f"{name} is {details[name]['dtype']}")
            if not fits and name not in self.open_inputs:
                raise ValueError(f"{name} is of shape {details[name]['shape']}")
            if name in self.open_inputs:
                self.model.resize_input_tensor_by_name(self.key, name, inputs[name].shape)
        into = {n: self.model.create_input_buffer_by_name(self.key, n) for n in names["inputs"]}
        out = {}
        sizes = self.output_bytes(inputs) if self.open_inputs else {}
        for place, name in enumerate(names["outputs"]):
            if name in sizes:  # what an earlier run needed is asked for again, though not filled
                known = self.model.get_output_buffer_requirements(place)["buffer_size"]
                memory = aligned(max(sizes[name], known))
                out[name] = TensorBuffer.create_from_host_memory(memory)
            else:
                out[name] = self.model.create_output_buffer_by_name(self.key, name)
        self.buffers = (into, out)

    def output_bytes(self, inputs: dict) -> dict[str, int]:
        """With open sizes CompiledModel knows them after a run only, which needs the buffers."""
        from ai_edge_litert.interpreter import Interpreter

        run = Interpreter(self.path, num_threads=1).get_signature_runner(self.key)
        return {name: value.nbytes for name, value in run(**inputs).items()}


def aligned(size: int) -> np.ndarray:
    memory = np.zeros(size + ALIGNMENT, np.int8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size]


def read(buffer, details: dict) -> np.ndarray:
    dtype = np.dtype(details["dtype"])
    count = math.prod(details["shape"])
    return buffer.read(count * dtype.itemsize, np.int8).view(dtype).reshape(details["shape"])


serve(lambda: model_server(Model))
