"""Exported models, loaded to be called with named arrays."""

import statistics
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_recurrent.export import saved_model
from keras_recurrent.export.flatbuffer import litert


class TFLiteRunner:
    """A `.tflite` file in ai-edge-litert's Interpreter, on one thread."""

    threads = "1 thread"

    def __init__(self, path: Path):
        content = path.read_bytes()
        try:
            self._interpreter = litert("interpreter").Interpreter(
                model_content=content, num_threads=1
            )
            self._run = self._interpreter.get_signature_runner()
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"The Interpreter cannot load {str(path)!r}: {error}") from error
        self.input_names = set(self._run.get_input_details())

    def __call__(self, inputs: dict) -> dict:
        return dict(self._run(**{name: inputs[name] for name in self.input_names}))


class SavedModelRunner:
    """The serving function of a SavedModel."""

    threads = "TensorFlow's threads"

    def __init__(self, folder: Path):
        self._loaded, self._run = saved_model.load(folder)  # the function alone holds no variables
        self.input_names = set(self._run.structured_input_signature[1])

    def __call__(self, inputs: dict) -> dict:
        outputs = self._run(**{name: tf.constant(inputs[name]) for name in self.input_names})
        return {name: value.numpy() for name, value in outputs.items()}


def open_runner(path: Path) -> TFLiteRunner | SavedModelRunner:
    return SavedModelRunner(path) if path.is_dir() else TFLiteRunner(path)


def median_milliseconds(run, inputs: dict[str, np.ndarray], calls=20, seconds=0.3) -> float:
    """Median time of single calls; a few for slow models, 20 for fast ones."""
    times: list[float] = []
    while len(times) < 3 or (len(times) < calls and sum(times) < seconds):
        start = time.perf_counter()
        run(inputs)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)
