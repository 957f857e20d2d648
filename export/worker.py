"""The process that runs the TFLite converter; started by `converter.py` as a plain script.

A task is `{"saved_model", "output", "quantize"}`.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # at the end: `trace` is the standard library's

from answering import serve


def prepare():
    import tensorflow as tf

    return lambda task: convert(tf, **task)


def convert(tf, saved_model: str, output: str, quantize: str | None) -> None:
    """Convert with built-in operations only, never TensorFlow's own (Flex) or custom ones."""
    converter = tf.lite.TFLiteConverter.from_saved_model(
        saved_model, signature_keys=["serving_default"]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantize is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    data = converter.convert()
    with open(output, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    serve(prepare)
