"""Work that can crash or hang, in a process of its own: the user's process must not.

The process stays for the next task (a fresh one takes seconds where it imports TensorFlow) and ends
with this one. Its side of the talk is `answering.py`.
"""

import atexit
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_services: list["Service"] = []


class ChildFailed(RuntimeError):
    """The process crashed or was stopped; the next task gets a new one."""


class TaskRefused(Exception):
    """The process is well and answered with an error.

    Attributes:
        printed: The last lines that it wrote to stderr meanwhile, "" if none.
    """

    def __init__(self, message: str, printed: str):
        super().__init__(message)
        self.printed = printed


class Service:
    """A script's process: started for the first task, and anew when it has died.

    Args:
        name: What errors call it, such as "The TFLite converter".
        script: Started as a plain script, without this package.
        interpreter: Gives the command that runs the script; this Python by default.
    """

    def __init__(self, name: str, script: Path, interpreter: Callable[[], list[str]] | None = None):
        self.name, self.script = name, script
        # -P: the script's folder must not come before the standard library in the import path.
        self._interpreter = interpreter or (lambda: [sys.executable, "-P"])
        self.lock = threading.Lock()
        self.child: Child | None = None
        _services.append(self)

    def ask(self, task: dict, seconds: float) -> dict:
        """The answer to a task.

        Raises:
            TaskRefused: The answer is an error.
            ChildFailed: The process crashed or took longer than `seconds`.
        """
        with self.lock:
            return self.running().ask(task, seconds)

    def running(self) -> "Child":
        # A forked process has the parent's child in its memory, but must not talk over its pipes.
        if self.child is None or self.child.owner != os.getpid() or not self.child.alive:
            self.child = Child(self.name, [*self._interpreter(), str(self.script)])
        return self.child


class Child:
    """One process of a service."""

    def __init__(self, name: str, command: list[str]):
        self.name, self.owner = name, os.getpid()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        # A session of its own: Ctrl-C reaches this process alone, which then ends the other.
        self._process = subprocess.Popen(
            command,
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

    def ask(self, task: dict, seconds: float) -> dict:
        """As in `Service`."""
        if self.owner != os.getpid():
            raise ChildFailed(f"{self.name} belongs to the process that this one was forked from.")
        start = self._stderr.seek(0, os.SEEK_END)
        try:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            self.end()
            raise ChildFailed(
                f"{self.name} was stopped after {seconds:g} seconds.{self._last_lines(start)}"
            ) from None
        except BrokenPipeError:
            line = None
        except BaseException:  # an interrupt: its answer must not become that of the next task
            self.end()
            raise
        if line is None or not line.endswith("\n"):  # cut short, as the process was ended
            status = self._process.wait()
            raise ChildFailed(f"{self.name} {_how(status)}.{self._last_lines(start)}")
        answer = json.loads(line)
        if answer["error"] is not None:
            raise TaskRefused(answer["error"], self._printed(start))
        return answer

    def end(self) -> None:
        """Kill it, together with what it forked."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def _listen(self) -> None:
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def _last_lines(self, start: int) -> str:
        printed = self._printed(start)
        return f" Its last lines:\n{printed}" if printed else " It printed nothing."

    def _printed(self, start: int, lines: int = 8) -> str:
        self._stderr.seek(start)
        text = self._stderr.read().decode(errors="replace")
        return "\n".join(text.strip().splitlines()[-lines:])


def _how(status: int) -> str:
    if status < 0:
        return f"crashed with {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _unlock_all() -> None:
    """In a forked process: the thread that holds a lock is not there to let it go."""
    for service in _services:
        service.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_all)


@atexit.register
def _end_all() -> None:
    for service in _services:
        if service.child is not None and service.child.owner == os.getpid():
            service.child.end()
