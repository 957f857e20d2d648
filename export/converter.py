"""The TFLite converter in a process of its own: it can crash or hang, the user's process must not."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_recurrent.export import integer_file
from keras_recurrent.export.child import Service, TaskRefused

TIME_LIMIT = 300.0  # seconds for one conversion; the slowest sensible ones take about a minute
SERVICE = Service("The TFLite converter", Path(__file__).with_name("worker.py"))


def convert(
    saved_model: Path,
    output: Path,
    quantize: str | None,
    samples: Sequence[dict[str, np.ndarray]] | None = None,
) -> None:
    """Convert a SavedModel's `serving_default` into the file `output`.

    `samples`, inputs by name, all of the same shapes, calibrate the integers of "int8" and "int16x8";
    see `quantization`.

    Raises:
        RuntimeError: The converter refused the model, crashed or took longer than `TIME_LIMIT`.
    """
    task = {"saved_model": str(saved_model), "output": str(output), "quantize": quantize}
    with tempfile.TemporaryDirectory(prefix="keras_recurrent-") as folder:
        task["samples"] = _write(samples, Path(folder))
        try:
            SERVICE.ask(task, TIME_LIMIT)
        except TaskRefused as error:
            raise RuntimeError(_explain(str(error))) from None
    if samples is not None:
        integer_file.mend(output)


def _write(samples: Sequence[dict[str, np.ndarray]] | None, folder: Path) -> str | None:
    if samples is None:
        return None
    path = folder / "samples.npz"
    # All have the shapes of the file; thousands of small arrays would take seconds to write.
    np.savez(path, **{name: np.stack([sample[name] for sample in samples]) for name in samples[0]})
    return str(path)


def _explain(error: str) -> str:
    """The converter's message, which runs over pages, or the operations it has no kernels for."""
    without_integers = sorted(set(re.findall(r"not yet supported for op: '(\w+)'", error)))
    if without_integers:
        return (
            "The TFLite converter has no 16-bit integer form of "
            f"{', '.join(without_integers)}. Use quantize='int8', or do without what needs it: masks "
            "need SELECT_V2, NOT_EQUAL, REDUCE_ANY, CAST or GREATER, softsign needs DIV, "
            "LayerNormalization NEG."
        )
    if (
        "Empty min/max for tensor serving_default" in error
        or "Max and min for dynamic tensors should be recorded" in error
    ):
        return (
            "The TFLite converter cannot make 16-bit integers of a model that reads whole numbers (an "
            "Embedding, lengths). Use quantize='int8'."
        )
    missing = set()
    for names in re.findall(r"(?:TF Select|Custom) ops: ([\w, ]+)", error):
        missing.update(name.strip() for name in names.split(","))
    missing.update(re.findall(r"'tf\.(\w+)' op ", error))
    if missing:
        return (
            "TFLite has no built-in operation for "
            f"{', '.join(sorted(missing))}. Recurrent layers of this package need none of these: "
            "look for them in the model's other layers, or fix the batch size (batch_size=1)."
        )
    return f"The TFLite converter refused the model: {error[:2000]}"
