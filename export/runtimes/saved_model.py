"""TensorFlow, for SavedModel folders."""

import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_recurrent.export import saved_model
from keras_recurrent.export.runtimes.refused import Refused


class SavedModelRunner:
    """The serving function of a SavedModel.

    Attributes:
        milliseconds: Time of the last call.

    Raises:
        Refused: TensorFlow cannot read the folder.
    """

    name = "SavedModel"
    threads = "TensorFlow's threads"

    def __init__(self, folder: Path):
        self._folder = Path(folder)
        self.milliseconds: float | None = None
        self.reset()

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        start = time.perf_counter()
        outputs = self._run(**{name: tf.constant(inputs[name]) for name in self._names})
        arrays = {name: value.numpy() for name, value in outputs.items()}
        self.milliseconds = 1000 * (time.perf_counter() - start)
        return arrays

    def reset(self) -> None:
        """Load the folder anew."""
        try:
            # The function alone holds no variables.
            self._loaded, self._run = saved_model.load(self._folder)
        except ValueError as error:
            raise Refused(str(error)) from error
        self._names = set(self._run.structured_input_signature[1])

    def close(self) -> None:
        self._loaded = self._run = None
