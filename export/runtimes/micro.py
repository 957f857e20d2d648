"""TensorFlow Lite Micro, in a process of its own: a file that it misunderstands can run for ever."""

import importlib.util
from pathlib import Path

import numpy as np

from keras_recurrent.export import flatbuffer
from keras_recurrent.export.child import Service
from keras_recurrent.export.runtimes.refused import Refused
from keras_recurrent.export.runtimes.remote import RemoteRunner

ARENA_LIMIT = 120.0  # seconds to find the smallest arena, some twenty loads and calls
_SERVICE = Service("TFLM's process", Path(__file__).with_name("micro_worker.py"))


def check_installed() -> None:
    """`ImportError` without tflite-micro."""
    if importlib.util.find_spec("tflite_micro") is None:
        raise ImportError(
            "Files for microcontrollers are compared with TFLM, which needs the package tflite-micro: "
            "pip install 'keras-recurrent[micro]'. It has wheels for Linux on x86-64 and some versions "
            "of Python only; where there is none for yours, export with verify=False."
        )


class MicroRunner(RemoteRunner):
    """A `.tflite` file in TFLM's own interpreter.

    TFLM knows tensors by position and runs the first subgraph; the names are read from the file.

    Raises:
        ImportError: tflite-micro is not installed.
        Refused: TFLM cannot load the file.
    """

    name = "TFLM"
    service = _SERVICE

    def __init__(self, path: Path):
        check_installed()
        held = flatbuffer.describe(Path(path))
        self._inputs = held.inputs
        # TFLM takes a size that is open for the 1 that the file stores, and says nothing.
        open_ones = [tensor for tensor in held.inputs if None in tensor.shape]
        if open_ones:
            raise Refused(
                f"TFLM knows no open sizes, and the file reads {', '.join(map(str, open_ones))}. "
                "Give batch_size and timesteps as numbers."
            )
        names = {
            "inputs": [tensor.name for tensor in held.inputs],
            "outputs": [tensor.name for tensor in held.outputs],
        }
        super().__init__({"path": str(Path(path).resolve()), **names})

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for tensor in self._inputs:
            array = inputs[tensor.name]
            # Its wrapper copies as many bytes as the array has.
            if array.shape != tensor.shape or array.dtype.name != tensor.dtype:
                raise ValueError(f"TFLM reads {tensor}. Received: {array.dtype.name} {array.shape}")
        return super().__call__(inputs)

    def arena_bytes(self) -> int:
        """The smallest arena with which the file loads and runs here, in bytes.

        Found by trying. A process of 64 bits needs more than a microcontroller of 32 bits, whose
        pointers are half as long; kernels made for a chip (CMSIS-NN) may need scratch memory besides.
        """
        return self._ask(ARENA_LIMIT, do="arena_bytes")["result"]
