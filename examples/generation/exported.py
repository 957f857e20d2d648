"""The two files of an exported generating model, run on given sequences instead of their own."""

from pathlib import Path

import numpy as np

from examples.tflite_files import open_tflite
from keras_recurrent import export


class ExportedModel:
    """Probabilities from `encoder.tflite` and `decoder.tflite` in `folder`, a step at a time.

    The files are those of `export.to_tflite_decoder`; a model without condition has no encoder.
    """

    def __init__(self, folder: Path):
        self._encoder = None
        if (folder / "encoder.tflite").exists():
            self._encoder = open_tflite(folder / "encoder.tflite")
        self._decoder = export.Stream(folder / "decoder.tflite")

    def __call__(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """`(rows, T, ids)` for "previous" `(rows, T)` and "condition", where the model has one."""
        states = self._encoder(condition=inputs["condition"]) if self._encoder else None
        self._decoder.reset(states)
        return self._decoder.push(inputs["previous"])
