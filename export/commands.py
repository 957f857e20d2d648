"""What the subcommands of `keras-recurrent` do, once their options are read."""

import dataclasses
import json
import os
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from zipfile import BadZipFile, is_zipfile
from zlib import error as ZlibError

import keras
import numpy as np

from keras_recurrent.export import files, inspect, to_c_array, to_saved_model, to_tflite, verify
from keras_recurrent.export.c_array import c_name
from keras_recurrent.export.report import Report, Tensor
from keras_recurrent.export.runtimes import open_runner

__all__ = ["Timing", "benchmark", "export", "load_model", "read_arrays", "verify"]

# The names of runtimes on the command line and in reports.
_RUNTIMES = {
    "interpreter": "Interpreter",
    "compiled": "CompiledModel",
    "micro": "TFLM",
    "web": "LiteRT.js",
}


@dataclass(frozen=True)
class Timing:
    """Times of single calls of a file, in milliseconds."""

    path: str
    runtime: str
    threads: str
    inputs: str
    calls: int
    median: float
    p90: float

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2)

    def __str__(self) -> str:
        return (
            f"{self.path} in {self.runtime}, {self.threads}, {self.inputs}: median "
            f"{self.median:.3g} ms, 90 % of {self.calls} calls within {self.p90:.3g} ms"
        )


def load_model(path: Path, modules: list[str] | None = None):
    """A model saved by Keras, after the import of modules that register its custom objects."""
    if modules:
        sys.path.insert(0, os.getcwd())  # as `python -m` does
    for module in modules or ():
        import_module(module)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if path.suffix == ".keras" and not is_zipfile(path):
        raise ValueError(f"This is not a model saved by Keras, or it is damaged: {str(path)!r}")
    try:
        return keras.models.load_model(path, compile=False)
    except TypeError as error:  # Keras's for a class that it does not know
        raise ValueError(
            f"Keras cannot load {str(path)!r}; --import the module with its custom objects. {error}"
        ) from error
    except (ValueError, OSError):
        raise
    except Exception as error:  # of an archive with other things in it, say
        raise ValueError(
            f"Keras cannot load {str(path)!r}. {type(error).__name__}: {error}"
        ) from error


def read_arrays(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an .npy file, or those of an .npz file by name."""
    try:
        loaded = np.load(path)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            arrays = dict(loaded)
        if all(isinstance(array, np.ndarray) for array in arrays.values()):
            return arrays
    except (EOFError, ValueError, BadZipFile, ZlibError):  # damaged, of objects, of another kind
        pass
    raise ValueError(f"This is no .npy or .npz file of arrays: {str(path)!r}")


def export(model, out: Path, *, c_array: bool, test_data, representative_data, **options) -> Report:
    """As `to_tflite` for a name that ends in .tflite, else `to_saved_model`, with data from files."""
    if out.suffix != ".tflite":
        _refuse_for_a_folder(out, c_array=c_array, test_data=test_data, **options)
        return to_saved_model(model, out, streaming=options["streaming"], **_block(options))
    if representative_data is not None:
        options["representative_data"] = read_arrays(representative_data)
    if test_data is not None:
        options["test_data"] = _x_and_y(test_data)
    if not c_array:
        return to_tflite(model, out, **options)
    # The file gets its name last: one that TFLM cannot run leaves nothing.
    with files.new_file(out, ".tflite") as temporary:
        report = to_tflite(model, temporary, **options)
        to_c_array(temporary, out.parent, c_name(out))
    return dataclasses.replace(report, path=str(out))


def _block(options: dict) -> dict:
    return {"block": options["block"]} if options["streaming"] else {}


def _refuse_for_a_folder(out: Path, **options) -> None:
    defaults = {
        "target": "mobile",
        "form": "auto",
        "quantize": None,
        "batch_size": 1,
        "timesteps": "from the model",
        "verify": True,
        "tolerance": None,
        "c_array": False,
        "test_data": None,
    }
    changed = [name for name, value in defaults.items() if options[name] != value]
    if changed:
        raise ValueError(
            f"A SavedModel, which {str(out)!r} would be by its name, takes no "
            f"{', '.join(changed)}. End the name in .tflite, or leave the options out."
        )


def _x_and_y(path: Path) -> tuple:
    arrays = read_arrays(path)
    if not isinstance(arrays, dict) or set(arrays) != {"x", "y"}:
        found = sorted(arrays) if isinstance(arrays, dict) else "one array"
        raise ValueError(f"Test data are an .npz file with arrays x and y. Received: {found}")
    return arrays["x"], arrays["y"]


def benchmark(path: Path, runtime: str, calls: int, batch_size: int, timesteps: int) -> Timing:
    """Time calls on random inputs; sizes are those of the file, and as given where it has none."""
    report = inspect(path)
    if report.kind != "tflite":
        raise ValueError(f"What is timed is a .tflite file. Received: the SavedModel {str(path)!r}")
    random = np.random.default_rng(0)
    inputs = {t.name: _random(t, random, batch_size, timesteps) for t in report.inputs}
    run = open_runner(path, _RUNTIMES[runtime])
    try:
        milliseconds = _times(run, inputs, calls)
    finally:
        run.close()
    shapes = ", ".join(f"{name} {value.shape}" for name, value in inputs.items())
    median, p90 = np.percentile(milliseconds, [50, 90])
    return Timing(str(path), run.name, run.threads, shapes, calls, float(median), float(p90))


def _times(run, inputs: dict, calls: int) -> list[float]:
    """Times that the runtime itself needs, without the way to its process where it has its own."""
    end = time.monotonic() + 1  # the first calls are slower: caches, and the processor's clock
    for _ in range(min(calls, 10)):
        run(inputs)
        if time.monotonic() > end:
            break
    milliseconds = []
    for _ in range(calls):
        run(inputs)
        milliseconds.append(run.milliseconds)
    return milliseconds


def _random(tensor: Tensor, random, batch_size: int, timesteps: int) -> np.ndarray:
    shape = [size or (timesteps if axis else batch_size) for axis, size in enumerate(tensor.shape)]
    if tensor.dtype.startswith("float"):
        return random.normal(size=shape).astype(tensor.dtype)
    if tensor.scale is not None:
        bounds = np.iinfo(tensor.dtype)
        return random.integers(bounds.min, bounds.max, shape, tensor.dtype, endpoint=True)
    return np.ones(shape, tensor.dtype)  # a valid index into every table, a valid length
