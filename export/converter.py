"""The TFLite converter in a process of its own: it can crash or hang, the user's process must not.

The process stays for the next conversion (a fresh one takes seconds to import TensorFlow) and ends
with this one.
"""

import atexit
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_recurrent.export import integer_file

TIME_LIMIT = 300.0  # seconds for one conversion; the slowest sensible ones take about a minute
_SCRIPT = Path(__file__).with_name("worker.py")


def convert(
    saved_model: Path,
    output: Path,
    quantize: str | None,
    samples: Sequence[dict[str, np.ndarray]] | None = None,
) -> None:
    """Convert a SavedModel's `serving_default` into the file `output`.

    `samples`, inputs by name, calibrate the integers of "int8" and "int16x8"; see `quantization`.

    Raises:
        RuntimeError: The converter refused the model, crashed or took longer than `TIME_LIMIT`.
    """
    task = {"saved_model": str(saved_model), "output": str(output), "quantize": quantize}
    with tempfile.TemporaryDirectory(prefix="keras_recurrent-") as folder, _lock:
        task["samples"] = _write(samples, Path(folder))
        error = _running_worker().run(task)
    if error is not None:
        raise RuntimeError(_explain(error))
    if samples is not None:
        integer_file.mend(output)


def _write(samples: Sequence[dict[str, np.ndarray]] | None, folder: Path) -> str | None:
    if samples is None:
        return None
    path = folder / "samples.npz"
    arrays = {f"{n}/{name}": value for n, row in enumerate(samples) for name, value in row.items()}
    np.savez(path, **arrays)
    return str(path)


class Worker:
    """One process of `worker.py`."""

    def __init__(self):
        self.owner = os.getpid()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        # -P: the script's folder must not come before the standard library in the import path.
        # A session of its own: Ctrl-C reaches this process alone, which then ends the other.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment,
            encoding="utf-8",
            start_new_session=True,
        )
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def run(self, task: dict) -> str | None:
        """The converter's error message, or None if it wrote the file."""
        start = self._stderr.seek(0, os.SEEK_END)
        try:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
            answer = self._answers.get(timeout=TIME_LIMIT)
        except queue.Empty:
            self.end()
            raise RuntimeError(
                f"The TFLite converter was stopped after {TIME_LIMIT:g} seconds.{self._tail(start)}"
            ) from None
        except BrokenPipeError:
            answer = None
        except BaseException:  # an interrupt: its answer must not become that of the next task
            self.end()
            raise
        if answer is None:
            status = self._process.wait()
            raise RuntimeError(f"The TFLite converter {_how(status)}.{self._tail(start)}")
        return json.loads(answer)["error"]

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def _tail(self, start: int, lines: int = 8) -> str:
        self._stderr.seek(start)
        last = self._stderr.read().decode(errors="replace").strip().splitlines()[-lines:]
        return " Its last lines:\n" + "\n".join(last) if last else " It printed nothing."


def _how(status: int) -> str:
    if status < 0:
        return f"crashed with {signal.Signals(-status).name}"
    return f"ended with status {status}"


_lock = threading.Lock()
_worker: Worker | None = None


def _running_worker() -> Worker:
    global _worker
    # A forked process has the parent's worker in its memory, but must not talk over its pipes.
    if _worker is None or _worker.owner != os.getpid() or not _worker.alive:
        _worker = Worker()
    return _worker


@atexit.register
def _end_worker() -> None:
    if _worker is not None and _worker.owner == os.getpid():
        _worker.end()


def _explain(error: str) -> str:
    """The converter's message, which runs over pages, or the operations it has no kernels for."""
    without_integers = sorted(set(re.findall(r"not yet supported for op: '(\w+)'", error)))
    if without_integers:
        return (
            "The TFLite converter has no 16-bit integer form of "
            f"{', '.join(without_integers)}. Use quantize='int8', or do without what needs it: masks "
            "need NOT_EQUAL, REDUCE_ANY and SELECT_V2, softsign needs DIV, LayerNormalization NEG."
        )
    if "Empty min/max for tensor serving_default" in error:
        return (
            "The TFLite converter cannot make 16-bit integers of a model that reads whole numbers "
            "(an Embedding). Use quantize='int8'."
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
