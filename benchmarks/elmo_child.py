"""A process that does one contestant's work when it is asked to, and sleeps while others do theirs.

Requests and answers are lines of JSON. The peers' process runs in an environment of its own, so the
child's side, `serve`, needs the standard library only.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Child:
    """The parent's side: starts `python -m benchmarks.<program> arguments`. Use it as a context."""

    def __init__(self, python: str, program: str, *arguments: str):
        self.name = program
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (open while the process runs)
        self.process = subprocess.Popen(
            [python, "-m", f"benchmarks.{program}", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        self.facts = self._answer()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, method: str, **arguments):
        print(json.dumps([method, arguments]), file=self.process.stdin, flush=True)
        return self._answer()

    def peak_megabytes(self) -> float:
        """The largest resident memory so far, of the whole process."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise RuntimeError("This system does not say how much memory a process held at most.")

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            self._said.seek(0)
            last = self._said.read().strip().splitlines()[-1:]
            raise RuntimeError(f"{self.name} ended with code {self.process.wait()}: {last}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer["result"]


class Channel:
    """The child's side. To be made first: what libraries print from then on is no answer."""

    def __init__(self):
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def answer(self, **found) -> None:
        print(json.dumps(found), file=self._out, flush=True)

    def requests(self) -> Iterator[tuple[str, dict]]:
        """What is asked, one by one; each wants one `answer`."""
        for line in sys.stdin:
            yield tuple(json.loads(line))

    def serve(self, methods: dict[str, Callable], facts: dict) -> None:
        """Answers with the facts, then with what the method that is asked for returns, or its error."""
        self.answer(result=facts)
        for method, arguments in self.requests():
            try:
                self.answer(result=methods[method](**arguments))
            except Exception as error:
                self.answer(error=f"{type(error).__name__}: {error}"[:500])
