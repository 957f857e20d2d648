"""The runtimes that exported models are made for, behind one interface.

A runner is made of a path and called with named arrays; it has `name`, `threads` (a text),
`milliseconds` (of the last call), `reset()` back to the state after loading, and `close()`.
"""

import statistics
from importlib import import_module
from pathlib import Path

import numpy as np

from keras_recurrent.export.runtimes.refused import Refused

__all__ = ["RUNNERS", "TARGETS", "Refused", "check_installed", "median_milliseconds", "open_runner"]

# The module of each runtime's runner, and its class; imported when it is needed.
RUNNERS = {
    "Interpreter": ("litert", "InterpreterRunner"),
    "CompiledModel": ("compiled", "CompiledModelRunner"),
    "TFLM": ("micro", "MicroRunner"),
    "LiteRT.js": ("web", "LiteRTJSRunner"),
    "SavedModel": ("saved_model", "SavedModelRunner"),
}
# Where the files of a target are to run. They must run in the first; another may refuse a file, but
# may not give other numbers.
TARGETS = {
    None: ("SavedModel",),
    "mobile": ("Interpreter", "CompiledModel"),
    "web": ("CompiledModel", "LiteRT.js"),
    "micro": ("TFLM",),
}


def open_runner(path: Path, runtime: str):
    """The file or folder, loaded in a runtime.

    Raises:
        ImportError: The runtime is not installed.
        Refused: It does not run the file.
    """
    module, runner = RUNNERS[runtime]
    return getattr(import_module(f"{__name__}.{module}"), runner)(path)


def check_installed(target: str) -> None:
    """`ImportError` if the runtime in which a target's files must run is not there."""
    from keras_recurrent.export import flatbuffer
    from keras_recurrent.export.runtimes import micro

    flatbuffer.litert("interpreter")
    if target == "micro":
        micro.check_installed()


def median_milliseconds(run, inputs: dict[str, np.ndarray], calls=20, seconds=0.3) -> float:
    """Median time of single calls; a few for slow models, 20 for fast ones."""
    times: list[float] = []
    while len(times) < 3 or (len(times) < calls and sum(times) < 1000 * seconds):
        run(inputs)
        times.append(run.milliseconds)
    return statistics.median(times)
