"""The process that runs the TFLite converter; started by `converter.py` as a plain script.

Reads one JSON object a line from stdin, `{"saved_model", "output", "quantize"}`, and answers each
with one on stdout, `{"error": text or null}`. All other output of this process goes to stderr.
"""

import json
import os
import sys


def main() -> None:
    # The converter writes to stdout from C++, too: keep the real one for answers alone.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    import tensorflow as tf

    for line in sys.stdin:
        task = json.loads(line)
        try:
            convert(tf, **task)
            error = None
        except Exception as caught:
            error = f"{type(caught).__name__}: {caught}"
        answers.write(json.dumps({"error": error}) + "\n")
        answers.flush()


def convert(tf, saved_model: str, output: str, quantize: str | None) -> None:
    """Convert with built-in operations only, never TensorFlow's own (Flex) or custom ones."""
    converter = tf.lite.TFLiteConverter.from_saved_model(
        saved_model, signature_keys=["serving_default"]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter._experimental_enable_dynamic_update_slice = True
    if quantize is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    data = converter.convert()
    with open(output, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main()
