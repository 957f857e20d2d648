"""Runs a streaming export of keras_recurrent, a `.tflite` file that takes one block at a time.

This file needs NumPy and ai-edge-litert (or tflite-runtime, or TensorFlow) and nothing else: copy it
beside the model, then

    from stream import Stream

    stream = Stream("model.tflite")
    while True:
        outputs = stream.push(frames)  # (batch, any number of frames, features)
    stream.reset()
"""

import importlib
import shutil
from pathlib import Path

import numpy as np

_PREFIX = "state_"
_INTERPRETERS = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite")


class Stream:
    """A model that reads a sequence piece by piece and keeps its states in between.

    Inputs and outputs whose names begin with `state_` and that the file has on both sides are its
    states; all start at zeros. The file takes `block` time steps a call.

    Args:
        path: The `.tflite` file.
        constants: Names of inputs that are no sequences, where their shapes do not tell: a first size
            behind the batch that happens to be that of a block.
        threads: How many the interpreter may use.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a TFLite file that streams.
        ImportError: There is no interpreter.
    """

    def __init__(self, path, *, constants=(), threads: int = 1):
        self._path = Path(path)
        self._file = File(self._path, threads)
        inputs, outputs = self._file.inputs, self._file.outputs
        names = [name for name in inputs if name.startswith(_PREFIX) and name in outputs]
        if not names:
            raise ValueError(
                f"{str(path)!r} is not a streaming export: no input beginning with {_PREFIX!r} is an "
                "output, too. Export the model with streaming=True. Received: inputs "
                f"{sorted(inputs)}, outputs {sorted(outputs)}"
            )
        self._states = {name: inputs[name] for name in names}
        self._outputs = {name: d for name, d in outputs.items() if name not in self._states}
        self._inputs = {name: d for name, d in inputs.items() if name not in self._states}
        self._block, self._frames = _sequences(self._inputs, constants)
        self._batch = shape_of(self._states[names[0]])[0]  # None: any
        self._constants: dict[str, np.ndarray] = {}
        self.reset()

    @property
    def block(self) -> int:
        """Time steps of one call of the file."""
        return self._block

    @property
    def inputs(self) -> dict[str, tuple]:
        """Shapes of one call's inputs, `(batch, block, ...)` for sequences; None for any size."""
        return {name: shape_of(detail) for name, detail in self._inputs.items()}

    @property
    def outputs(self) -> dict[str, tuple]:
        """Shapes of one call's outputs."""
        return {name: shape_of(detail) for name, detail in self._outputs.items()}

    @property
    def states(self) -> dict[str, np.ndarray]:
        """The states after the last full block, by name; copies."""
        rows = self._batch or self._rows or 1
        kept = self._kept or _zeros(self._states, rows)
        return {name: value.copy() for name, value in kept.items()}

    def reset(self, states=None) -> None:
        """Begin a new sequence; frames that wait for a full block are dropped.

        Args:
            states: What to start from, by name; zeros for those left out.
        """
        kept, rows = {}, self._batch
        if states is not None and not isinstance(states, dict):
            raise ValueError(
                f"`states` is a dictionary by name; the states are {sorted(self._states)}. "
                f"Received: {type(states).__name__}"
            )
        for name, value in (states or {}).items():
            if name not in self._states:
                raise ValueError(
                    f"The file has no such state. Received: {name!r}; its states are "
                    f"{sorted(self._states)}"
                )
            value = _array(name, value, self._states[name])
            _check_shape(name, value, (rows, *shape_of(self._states[name])[1:]))
            rows = len(value)
            kept[name] = value
        self._rows = rows
        self._kept = {**_zeros(self._states, rows), **kept} if rows else {}
        self._waiting: dict[str, np.ndarray] = {}

    def push(self, frames=None, **constants):
        """Read the next frames of the sequence.

        Args:
            frames: `(batch, K, ...)` for any K; a dictionary by name if the model reads several
                sequences, of one K. Those that do not fill a block wait for the next call.
            constants: Inputs that are no sequences, `(batch, ...)`; they hold until given anew.

        Returns:
            `(batch, K, ...)` for an output that has frames, `(batch, blocks, ...)` for one that is
            given once a block; a dictionary by name if the model has several outputs. Without a full
            block there are none in it.
        """
        given, constants = self._sort(frames, constants)
        rows = self._check_rows(given, constants)
        if self._rows is None:
            self._rows, self._kept = rows, _zeros(self._states, rows)
        self._constants.update(constants)
        for name, value in given.items():
            if name in self._waiting:
                value = np.concatenate([self._waiting[name], value], 1)
            self._waiting[name] = value
        return self._results([self._call() for _ in range(self._full_blocks())])

    @staticmethod
    def copy_to(folder) -> Path:
        """Copy this file to `folder/stream.py` and return the path.

        Raises:
            FileExistsError: There is another file of that name.
        """
        source, target = Path(__file__), Path(folder) / "stream.py"
        if target.exists() and not target.read_text(errors="replace").startswith('"""Runs a str'):
            raise FileExistsError(f"There is another file at {str(target)!r}; it is left as it is.")
        shutil.copyfile(source, target)
        return target

    def _sort(self, frames, constants) -> tuple[dict, dict]:
        """The frames and the constants of a push as arrays by name."""
        if not isinstance(frames, dict):
            if len(self._frames) != 1:
                raise ValueError(
                    f"The model reads {len(self._frames)} sequences: give a dictionary with "
                    f"{sorted(self._frames)}. Received: {_said(frames)}"
                )
            frames = {self._frames[0]: frames}
        both = {**frames, **constants}
        unknown = set(both) - set(self._inputs)
        missing = set(self._inputs) - set(both) - set(self._constants)
        if unknown or missing:
            raise ValueError(
                f"The model reads {sorted(self._inputs)}. Received: {sorted(both) or 'nothing'}"
            )
        arrays = {n: _array(n, value, self._inputs[n]) for n, value in both.items()}
        for name, value in arrays.items():
            batch, *rest = shape_of(self._inputs[name])
            if name in self._frames:
                rest[0] = None
            _check_shape(name, value, (batch or self._rows, *rest))
        given = {name: arrays.pop(name) for name in self._frames}
        if len({value.shape[1] for value in given.values()}) > 1:
            raise ValueError(
                "All sequences must go on for the same number of frames. Received: "
                f"{ {name: value.shape for name, value in given.items()} }"
            )
        return given, arrays

    def _check_rows(self, given, constants) -> int:
        rows = {
            name: len(value) for name, value in {**self._constants, **constants, **given}.items()
        }
        if len(set(rows.values())) > 1:
            raise ValueError(
                f"All inputs must have the same number of rows. Received: {rows}; reset() begins with "
                "another batch."
            )
        return next(iter(rows.values()))

    def _full_blocks(self) -> int:
        return self._waiting[self._frames[0]].shape[1] // self._block

    def _call(self) -> dict:
        """Run the first block that waits."""
        block = {name: value[:, : self._block] for name, value in self._waiting.items()}
        outputs = self._file.run({**block, **self._constants, **self._kept})
        self._waiting = {name: value[:, self._block :] for name, value in self._waiting.items()}
        self._kept = {name: outputs[name] for name in self._states}
        return outputs

    def _results(self, calls: list):
        results = {}
        for name, detail in self._outputs.items():
            _, *shape = shape_of(detail)
            parts = [outputs[name] for outputs in calls]
            if len(shape) < 2:  # one for the block, not one for each frame
                parts, shape = [part[:, np.newaxis] for part in parts], [1, *shape]
            none = np.zeros((self._rows, 0, *shape[1:]), detail["dtype"])
            results[name] = np.concatenate([none, *parts], 1) if len(parts) != 1 else parts[0]
        return results if len(results) > 1 else next(iter(results.values()))


class File:
    """A file in the interpreter; its inputs and outputs by name."""

    def __init__(self, path: Path, threads: int):
        content = path.read_bytes()
        if content[4:8] != b"TFL3":
            raise ValueError(f"{str(path)!r} is not a TFLite file.")
        try:
            self._interpreter = _interpreter_class()(model_content=content, num_threads=threads)
            # A signature's runner allocates anew in every call, and locks the interpreter while it
            # lives: it serves for the names alone.
            runner = self._interpreter.get_signature_runner()
            self.inputs, self.outputs = runner.get_input_details(), runner.get_output_details()
            del runner
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"The interpreter cannot load {str(path)!r}: {error}") from error
        self._shapes = {name: tuple(detail["shape"]) for name, detail in self.inputs.items()}

    def run(self, inputs: dict) -> dict:
        if any(value.shape != self._shapes[name] for name, value in inputs.items()):
            for name, value in inputs.items():
                self._interpreter.resize_tensor_input(self.inputs[name]["index"], value.shape)
                self._shapes[name] = value.shape
            self._interpreter.allocate_tensors()
        for name, value in inputs.items():
            self._interpreter.set_tensor(self.inputs[name]["index"], value)
        self._interpreter.invoke()
        return {
            name: self._interpreter.get_tensor(detail["index"])
            for name, detail in self.outputs.items()
        }


def _interpreter_class():
    for module in _INTERPRETERS:
        try:
            return importlib.import_module(module).Interpreter
        except ImportError:
            continue
    raise ImportError("A stream needs an interpreter of TFLite files: pip install ai-edge-litert")


def _sequences(inputs: dict, constants) -> tuple[int, list[str]]:
    """The length of a block and the names of the inputs that are sequences."""
    constants = [constants] if isinstance(constants, str) else list(constants)
    unknown = set(constants) - set(inputs)
    if unknown:
        raise ValueError(f"`constants` names {sorted(unknown)}; the inputs are {sorted(inputs)}.")
    rest = {name: d for name, d in inputs.items() if name not in constants}
    deep = {name: d for name, d in rest.items() if len(shape_of(d)) > 2}
    flat = {name: d for name, d in rest.items() if len(shape_of(d)) == 2}
    whole = {name: d for name, d in flat.items() if np.dtype(d["dtype"]).kind != "f"}
    certain = deep or whole or flat
    blocks = {shape_of(detail)[1] for detail in certain.values()}
    if len(blocks) != 1:
        raise ValueError(
            "The shapes of the inputs do not tell which of them are sequences: name the others in "
            f"`constants`. Received: { {name: shape_of(d) for name, d in inputs.items()} }"
        )
    (block,) = blocks
    # Ids and masks come beside the frames that they belong to.
    beside = [name for name, d in whole.items() if name not in certain and shape_of(d)[1] == block]
    return block, [*certain, *beside]


def shape_of(detail: dict) -> tuple:
    """A tensor's shape, None for a size that the caller decides."""
    return tuple(
        None if wanted < 0 else int(size)
        for size, wanted in zip(detail["shape"], _signature_shape(detail), strict=True)
    )


def _signature_shape(detail: dict):
    signature = detail.get("shape_signature", ())
    return signature if len(signature) == len(detail["shape"]) else detail["shape"]


def _zeros(states: dict, rows: int) -> dict[str, np.ndarray]:
    return {n: np.zeros((rows, *shape_of(d)[1:]), d["dtype"]) for n, d in states.items()}


def _array(name: str, value, detail: dict) -> np.ndarray:
    array, wanted = np.asarray(value), np.dtype(detail["dtype"])
    if array.size and not np.can_cast(array.dtype, wanted, "same_kind"):
        raise ValueError(f"{name!r} must be {wanted}. Received: {array.dtype}")
    return np.array(array, wanted, order="C")  # a copy: callers use their buffers again


def _check_shape(name: str, value: np.ndarray, wanted: tuple) -> None:
    fits = value.ndim == len(wanted) and all(
        size in (None, got) for size, got in zip(wanted, value.shape, strict=True)
    )
    if not fits or not len(value):
        shape = ", ".join("any" if size is None else str(size) for size in wanted)
        raise ValueError(f"{name!r} must have the shape ({shape}). Received: shape {value.shape}")


def _said(value) -> str:
    return f"shape {np.shape(value)}" if value is not None else "None"
