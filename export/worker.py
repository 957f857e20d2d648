"""The process that runs the TFLite converter; started by `converter.py` as a plain script.

A task is `{"saved_model", "output", "quantize", "samples"}`; `samples` is null or an .npz file with an
array for each input, whose first axis counts the samples that calibrate integers.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # at the end: `trace` is the standard library's

from answering import serve


def prepare():
    import tensorflow as tf

    return lambda task: convert(tf, **task)


def convert(tf, saved_model: str, output: str, quantize: str | None, samples: str | None) -> None:
    """Convert with built-in operations only, never TensorFlow's own (Flex) or custom ones."""
    sets = tf.lite.OpsSet
    converter = tf.lite.TFLiteConverter.from_saved_model(
        saved_model, signature_keys=["serving_default"]
    )
    converter.target_spec.supported_ops = [
        {
            "int8": sets.TFLITE_BUILTINS_INT8,
            "int16x8": sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        }.get(quantize, sets.TFLITE_BUILTINS)
    ]
    # A loop writes its outputs in place, not into a copy; tests/export look for the operation.
    converter._experimental_enable_dynamic_update_slice = True
    if quantize is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if samples is not None:
        converter.representative_dataset = lambda: read_samples(samples)
    data = converter.convert()
    with open(output, "wb") as file:
        file.write(data)


def read_samples(path: str):
    """Every sample as a dictionary by input."""
    import numpy as np

    with np.load(path) as stored:
        arrays = dict(stored)
    for sample in zip(*arrays.values(), strict=True):
        yield dict(zip(arrays, sample, strict=True))


if __name__ == "__main__":
    serve(prepare)
