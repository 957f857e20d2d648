"""The TFLite converter in a process of its own: it can crash or hang, the user's process must not."""

import re
from pathlib import Path

from keras_recurrent.export.child import Service, TaskRefused

TIME_LIMIT = 300.0  # seconds for one conversion; the slowest sensible ones take about a minute
SERVICE = Service("The TFLite converter", Path(__file__).with_name("worker.py"))


def convert(saved_model: Path, output: Path, quantize: str | None) -> None:
    """Convert a SavedModel's `serving_default` into the file `output`.

    Raises:
        RuntimeError: The converter refused the model, crashed or took longer than `TIME_LIMIT`.
    """
    task = {"saved_model": str(saved_model), "output": str(output), "quantize": quantize}
    try:
        SERVICE.ask(task, TIME_LIMIT)
    except TaskRefused as error:
        raise RuntimeError(_explain(str(error))) from None


def _explain(error: str) -> str:
    """The converter's message, which runs over pages, or the operations it has no kernels for."""
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
