"""The process that runs TFLM; started by `micro.py` as a plain script."""

import os
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import numpy as np
from answering import serve
from serving import model_server

ROOM = 64 << 20  # bytes of arena to try a file with
STEP = 16  # arenas are cut to multiples of this


class Model:
    def __init__(self, path: str, inputs: list[str], outputs: list[str]):
        self.content = Path(path).read_bytes()
        self.inputs, self.outputs = inputs, outputs
        self.interpreter = self.load(ROOM + 10 * len(self.content))

    def load(self, arena: int):
        from tflite_micro import runtime

        return runtime.Interpreter.from_bytes(self.content, arena_size=arena)

    def __call__(self, inputs: dict) -> dict:
        for place, name in enumerate(self.inputs):
            self.interpreter.set_input(inputs[name], place)
        self.interpreter.invoke()
        return {
            name: np.array(self.interpreter.get_output(place))
            for place, name in enumerate(self.outputs)
        }

    def reset(self) -> None:
        self.interpreter.reset()

    def arena_bytes(self) -> int:
        size = self._smallest(call=False)  # calls take long, and seldom need more
        return size if self._runs_in(size, call=True) else self._smallest(call=True)

    def _smallest(self, call: bool) -> int:
        enough = 1 << 10
        while not self._runs_in(enough, call):
            enough *= 2
            if enough > ROOM + 10 * len(self.content):
                raise MemoryError("no size of the arena is enough")
        too_small = enough // 2
        while enough - too_small > STEP:
            middle = (enough + too_small) // (2 * STEP) * STEP
            if self._runs_in(middle, call):
                enough = middle
            else:
                too_small = middle
        return enough

    def _runs_in(self, arena: int, call: bool) -> bool:
        """Tried in a fork: with an arena that is too small TFLM may crash."""
        child = os.fork()
        if child:
            return os.waitpid(child, 0)[1] == 0
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
            self.interpreter = self.load(arena)
            if call:
                details = [self.interpreter.get_input_details(p) for p in range(len(self.inputs))]
                zeros = [np.zeros(detail["shape"], detail["dtype"]) for detail in details]
                self(dict(zip(self.inputs, zeros, strict=True)))
            status = 0
        finally:
            os._exit(status)


serve(lambda: model_server(Model))
