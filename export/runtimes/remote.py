"""A runtime in a child process: what crashes or hangs there becomes an error here."""

import re

import numpy as np

from keras_recurrent.export.child import ChildFailed, Service, TaskRefused
from keras_recurrent.export.runtimes.refused import Refused
from keras_recurrent.export.runtimes.serving import pack, unpack

LOAD_LIMIT = 60.0  # seconds


class RemoteRunner:
    """A file loaded in the process of `service`; subclasses name the service and its options.

    Attributes:
        milliseconds: Time of the last call as measured there, without the way there and back.
        time_limit: Seconds that a call may take before the process is stopped.
    """

    name: str
    threads = "1 thread"
    service: Service
    time_limit = 20.0

    def __init__(self, options: dict):
        self.milliseconds: float | None = None
        task = {"do": "load", "options": options}
        try:
            # The process is remembered: one that is started later does not have the file.
            with self.service.lock:
                self._child = self.service.running()
                self._number = self._child.ask(task, LOAD_LIMIT)["number"]
        except TaskRefused as error:
            raise Refused(f"{self.name} does not load the file: {_reason(error)}") from None
        except ChildFailed as error:
            raise Refused(f"{self.name} does not load the file: {error}") from None

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs for named inputs.

        Raises:
            RuntimeError: The runtime refused the inputs, crashed or took longer than `time_limit`.
        """
        answer = self._ask(self.time_limit, do="run", inputs=pack(inputs))
        self.milliseconds = answer["milliseconds"]
        return unpack(answer["outputs"])

    def reset(self) -> None:
        """Back to the state after loading."""
        self._ask(LOAD_LIMIT, do="reset")

    def close(self) -> None:
        if self._child.alive:
            self._ask(LOAD_LIMIT, do="close")

    def _ask(self, seconds: float, **task) -> dict:
        with self.service.lock:
            try:
                return self._child.ask({**task, "number": self._number}, seconds)
            except TaskRefused as error:
                raise RuntimeError(f"{self.name} cannot run the file: {_reason(error)}") from None


def _reason(error: TaskRefused) -> str:
    """What the runtime said and printed, without the places in its source and its small talk."""
    lines = [*str(error).splitlines(), *error.printed.splitlines()]
    lines = [line.strip(" └") for line in lines if not line.startswith(("INFO", "WARNING"))]
    told = [re.sub(r"^ERROR: |\[[\w./]+:\d+\]|^\w+\.cc:\d+", "", line).strip() for line in lines]
    return "; ".join(dict.fromkeys(filter(None, told)))
