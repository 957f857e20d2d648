"""The process that runs CompiledModel; started by `compiled.py` as a plain script."""

import math
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import numpy as np
from answering import serve
from serving import model_server


class Model:
    def __init__(self, path: str):
        self.path = path
        self.reset()

    def reset(self) -> None:
        from ai_edge_litert.compiled_model import CompiledModel

        self.model = CompiledModel.from_file(self.path)
        names = self.model.get_signature_by_index(0)
        self.key = names["key"]
        self.details = self.model.get_output_tensor_details(self.key)
        self.expected = self.model.get_input_tensor_details(self.key)
        self.into = {
            name: self.model.create_input_buffer_by_name(self.key, name) for name in names["inputs"]
        }
        self.out = {
            name: self.model.create_output_buffer_by_name(self.key, name)
            for name in names["outputs"]
        }

    def __call__(self, inputs: dict) -> dict:
        for name, buffer in self.into.items():
            value, expected = inputs[name], self.expected[name]
            if (value.dtype.name, list(value.shape)) != (expected["dtype"], expected["shape"]):
                raise ValueError(f"{name} is {expected['dtype']} {expected['shape']}")
            # As bytes: `write` knows few types, and copies anyway.
            buffer.write(np.ascontiguousarray(value).reshape(-1).view(np.int8))
        self.model.run_by_name(self.key, self.into, self.out)
        return {name: read(buffer, self.details[name]) for name, buffer in self.out.items()}


def read(buffer, details: dict) -> np.ndarray:
    dtype = np.dtype(details["dtype"])
    count = math.prod(details["shape"])
    return buffer.read(count * dtype.itemsize, np.int8).view(dtype).reshape(details["shape"])


serve(lambda: model_server(Model))
