"""torch.nn in a process of its own, asked for one round at a time.

Two runtimes in one process compete for the cores: OpenMP's threads spin for a while after a round. In
a process of its own torch keeps its defaults, and sleeps while the others run.
Requests and answers are lines of JSON.
"""

import importlib.util
import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace


def available() -> bool:
    return importlib.util.find_spec("torch") is not None


class TorchPeer:
    """The other end: starts the process, and asks. Use it as a context."""

    def __init__(self, threads: int):
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.facts = self._answer()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def build(self, kind: str, shape: tuple) -> None:
        self._ask("build", kind=kind, shape=shape)

    def train(self, steps: int) -> float:
        return self._ask("train", steps=steps)

    def predict(self, steps: int) -> float:
        return self._ask("predict", steps=steps)

    def _ask(self, method: str, **arguments):
        print(json.dumps([method, arguments]), file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The torch process ended with code {self.process.wait()}.")
        return json.loads(line)


def _serve(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    runner = SimpleNamespace()

    def build(kind: str, shape: list) -> None:
        batch, timesteps, features, units = shape
        layer = {"SimpleRNN": torch.nn.RNN, "GRU": torch.nn.GRU, "LSTM": torch.nn.LSTM}[kind]
        torch.manual_seed(0)
        runner.layer = layer(features, units, batch_first=True)
        runner.head = torch.nn.Linear(units, 1)
        weights = [*runner.layer.parameters(), *runner.head.parameters()]
        runner.optimizer = torch.optim.Adam(weights)
        runner.x = torch.randn(batch, timesteps, features)
        runner.y = torch.randn(batch, 1)

    def forward():
        return runner.head(runner.layer(runner.x)[0][:, -1])

    def train(steps: int) -> float:
        start = time.perf_counter()
        total = torch.zeros(())
        for _ in range(steps):
            runner.optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(forward(), runner.y)
            loss.backward()
            runner.optimizer.step()
            total += loss.detach()
        total.item()
        return (time.perf_counter() - start) / steps

    def predict(steps: int) -> float:
        start = time.perf_counter()
        with torch.inference_mode():
            for _ in range(steps):
                forward()
        return (time.perf_counter() - start) / steps

    answers, sys.stdout = sys.stdout, sys.stderr
    facts = {"torch": torch.__version__, "threads": torch.get_num_threads(), "pid": os.getpid()}
    print(json.dumps(facts), file=answers, flush=True)
    methods = {"build": build, "train": train, "predict": predict}
    for line in sys.stdin:
        method, arguments = json.loads(line)
        print(json.dumps(methods[method](**arguments)), file=answers, flush=True)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
