"""Models loaded and run in a child process; used on both sides, so it imports none of this package."""

import base64
import time
from collections.abc import Callable
from itertools import count

import numpy as np


def pack(arrays: dict[str, np.ndarray]) -> dict[str, dict]:
    """Arrays as JSON can hold them."""
    return {
        name: {
            "dtype": value.dtype.name,
            "shape": value.shape,
            "data": base64.b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii"),
        }
        for name, value in arrays.items()
    }


def unpack(packed: dict[str, dict]) -> dict[str, np.ndarray]:
    return {
        name: np.frombuffer(base64.b64decode(value["data"]), value["dtype"]).reshape(value["shape"])
        for name, value in packed.items()
    }


def model_server(load: Callable) -> Callable[[dict], dict | None]:
    """A handler of tasks about models; `load(**options)` gives one, called with named arrays."""
    models, numbers = {}, count()

    def handle(task: dict) -> dict | None:
        if task["do"] == "load":
            number = next(numbers)
            models[number] = load(**task["options"])
            return {"number": number}
        if task["do"] == "close":
            models.pop(task["number"], None)
            return None
        model = models[task["number"]]
        if task["do"] == "run":
            inputs = unpack(task["inputs"])
            start = time.perf_counter()
            outputs = model(inputs)
            return {
                "milliseconds": 1000 * (time.perf_counter() - start),
                "outputs": pack(outputs),
            }
        return {"result": getattr(model, task["do"])()}

    return handle
