"""LiteRT's CompiledModel on the CPU, in a process of its own.

It writes much to stderr, and can take the process with it.
"""

from pathlib import Path

from keras_recurrent.export import flatbuffer
from keras_recurrent.export.child import Service
from keras_recurrent.export.runtimes.refused import Refused
from keras_recurrent.export.runtimes.remote import RemoteRunner

_SERVICE = Service("CompiledModel's process", Path(__file__).with_name("compiled_worker.py"))


class CompiledModelRunner(RemoteRunner):
    """A `.tflite` file in ai-edge-litert's CompiledModel, on one thread of the CPU.

    Files with open sizes are refused. After `resize_input_tensor`, ai-edge-litert 2.3.0 makes output
    buffers of the old size and writes beyond them; with buffers of the right size some second calls
    still give wrong numbers.

    Raises:
        ImportError: ai-edge-litert is not installed.
        Refused: CompiledModel cannot load the file: one with variable tensors, say.
    """

    name = "CompiledModel"
    service = _SERVICE

    def __init__(self, path: Path):
        flatbuffer.litert("interpreter")
        held = flatbuffer.describe(Path(path))
        open_ones = [tensor for tensor in held.inputs if None in tensor.shape]
        if open_ones:
            raise Refused(
                "CompiledModel does not run files with open sizes reliably, and this one reads "
                f"{', '.join(map(str, open_ones))}. Give batch_size and timesteps as numbers."
            )
        super().__init__({"path": str(Path(path).resolve())})
