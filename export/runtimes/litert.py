"""ai-edge-litert's Interpreter."""

import time
from pathlib import Path

import numpy as np

from keras_recurrent.export.flatbuffer import litert
from keras_recurrent.export.runtimes.refused import Refused


class InterpreterRunner:
    """A `.tflite` file in ai-edge-litert's Interpreter, on one thread.

    Attributes:
        milliseconds: Time of the last call.

    Raises:
        ImportError: ai-edge-litert is not installed.
        Refused: The Interpreter cannot load the file.
    """

    name = "Interpreter"
    threads = "1 thread"

    def __init__(self, path: Path):
        content = Path(path).read_bytes()
        self.milliseconds: float | None = None
        try:
            self._interpreter = litert("interpreter").Interpreter(
                model_content=content, num_threads=1
            )
            self._run = self._interpreter.get_signature_runner()
        except (RuntimeError, ValueError) as error:
            raise Refused(f"The Interpreter cannot load {str(path)!r}: {error}") from error
        self._names = set(self._run.get_input_details())

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        start = time.perf_counter()
        outputs = self._run(**{name: inputs[name] for name in self._names})
        self.milliseconds = 1000 * (time.perf_counter() - start)
        return dict(outputs)

    def reset(self) -> None:
        """All variable tensors to zeros."""
        self._interpreter.reset_all_variables()

    def close(self) -> None:
        self._run = self._interpreter = None
