"""LiteRT's CompiledModel on the CPU, in a process of its own.

It writes much to stderr, and a file with open sizes whose outputs are larger than it expected breaks
its memory.
"""

from pathlib import Path

from keras_recurrent.export import flatbuffer
from keras_recurrent.export.child import Service
from keras_recurrent.export.runtimes.remote import RemoteRunner

_SERVICE = Service("CompiledModel's process", Path(__file__).with_name("compiled_worker.py"))


class CompiledModelRunner(RemoteRunner):
    """A `.tflite` file in ai-edge-litert's CompiledModel, on one thread of the CPU.

    Raises:
        ImportError: ai-edge-litert is not installed.
        Refused: CompiledModel cannot load the file: one with variable tensors, say.
    """

    name = "CompiledModel"
    service = _SERVICE

    def __init__(self, path: Path):
        flatbuffer.litert("interpreter")
        held = flatbuffer.describe(Path(path))
        options = {
            "path": str(Path(path).resolve()),
            "open_inputs": [tensor.name for tensor in held.inputs if None in tensor.shape],
        }
        super().__init__(options)
