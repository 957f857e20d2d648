"""What an export is and how well it agrees with its model."""

import dataclasses
import io
import json
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Tensor:
    """A named tensor; None in `shape` is a size that the caller decides.

    `stored_shape` is what the file holds in such a place until then, where that differs. An integer
    that stands for a real number is `scale` times its difference from `zero_point`.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    stored_shape: tuple[int, ...] | None = None
    scale: float | None = None
    zero_point: int | None = None

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        quantized = ""
        if self.scale is not None:
            quantized = f" scale {self.scale:.6g}, zero point {self.zero_point}"
        return f"{self.name} {self.dtype} ({sizes}){quantized}"


@dataclass(frozen=True)
class EntryPoint:
    """A signature: what it is called with and gives, by name."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def __str__(self) -> str:
        return f"{self.name}: {_list(self.inputs)} -> {_list(self.outputs)}"


def _list(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(map(str, tensors)) or "nothing"


@dataclass(frozen=True)
class RuntimeResult:
    """What one runtime made of an exported model.

    Attributes:
        runtime: "Interpreter", "CompiledModel", "TFLM", "LiteRT.js" or "SavedModel".
        refused: Why it does not run the file, or was not there to try; then all else is None.
        largest_difference, mean_difference: From the Keras model, as in `Report`.
        milliseconds: Median time of one call, on `threads`.
    """

    runtime: str
    refused: str | None = None
    largest_difference: float | None = None
    mean_difference: float | None = None
    milliseconds: float | None = None
    threads: str | None = None

    def __str__(self) -> str:
        if self.refused is not None:
            return f"{self.runtime}: no. {self.refused}"
        return (
            f"{self.runtime}: largest {self.largest_difference:.2g}, {self.milliseconds:.3g} ms on "
            f"{self.threads}"
        )


@dataclass(frozen=True)
class Accuracy:
    """A task's metric on the caller's data, by the Keras model and by the exported one."""

    metric: str
    keras: float
    exported: float
    samples: int

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.exported:.4g}, of the Keras model {self.keras:.4g} "
            f"({self.samples:,} samples)"
        )


@dataclass(frozen=True)
class Report:
    """An exported model: what it holds, and how far its numbers are from the model's.

    Attributes:
        path: Where it is.
        kind: "tflite" or "saved_model".
        target: What it was made for: "mobile", "web" or "micro"; None for a SavedModel.
        form: How recurrent layers run in it, with the `reason`; None if it was only inspected.
        layers: For each recurrent layer its name, form and the reason for it.
        block: Time steps of one call of a streaming export, else None.
        states: The inputs of a streaming export that take the states, which its outputs of the same
            names give back. All start at zeros.
        quantize: How weights are stored: None (as they are), "float16" or "dynamic"; and what the
            file computes in: "int8" or "int16x8".
        notes: What one may not expect of the result.
        ops: How often each operation occurs, all subgraphs together.
        custom_ops: Those of them that need more than the built-in kernels (TensorFlow's Flex ones
            included).
        bytes: Size on disk.
        inputs, outputs: By name.
        signatures: Names of the entry points.
        entry_points: Their inputs and outputs, of a file; `inputs` and `outputs` are those of the
            first subgraph.
        variables: Tensors that keep their value from one call to the next.
        largest_difference, mean_difference: From the Keras model, absolute, each output divided by
            max(1, its largest absolute value); None if not compared. With inputs times 10 they count
            a tenth, since states are as much larger.
        tolerance: What `largest_difference` was allowed to be.
        checked: The shapes of the inputs that were compared.
        milliseconds: Median time of one call, None if not compared.
        timed: The shapes and the number of threads of that call.
        runtimes: What every runtime of the target made of it; the figures above are the first one's.
        accuracy: The task's metric before and after, on data that the caller gave.
        arena_bytes: Memory that TFLM's interpreter needs for it on a 64-bit machine; microcontrollers of
            32 bits need less.
        metadata: Names of the metadata in a file.
    """

    path: str
    kind: str
    bytes: int
    ops: dict[str, int]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    signatures: tuple[str, ...] = ()
    variables: tuple[Tensor, ...] = ()
    custom_ops: tuple[str, ...] = ()
    quantize: str | None = None
    target: str | None = None
    form: str | None = None
    reason: str | None = None
    layers: tuple[str, ...] = ()
    block: int | None = None
    states: tuple[Tensor, ...] = ()
    notes: tuple[str, ...] = ()
    largest_difference: float | None = None
    mean_difference: float | None = None
    tolerance: float | None = None
    checked: tuple[str, ...] = ()
    milliseconds: float | None = None
    timed: str | None = None
    runtimes: tuple[RuntimeResult, ...] = ()
    accuracy: Accuracy | None = None
    arena_bytes: int | None = None
    entry_points: tuple[EntryPoint, ...] = ()
    metadata: tuple[str, ...] = ()

    def to_json(self, indent: int | None = 2) -> str:
        """All figures as a JSON object."""
        return json.dumps(dataclasses.asdict(self), indent=indent)

    def __str__(self) -> str:
        rows = self._rows()
        try:
            from rich.console import Console
            from rich.table import Table
        except ImportError:  # a report can be read without the extra, too
            return "\n".join(f"{name:12} {value}" for name, value in rows)
        table = Table(show_header=False, title=self.path, title_justify="left")
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for row in rows:
            table.add_row(*row)
        text = io.StringIO()
        terminal = sys.stdout.isatty()
        width = None if terminal else 100
        console = Console(
            file=text, width=width, force_terminal=terminal, markup=False, highlight=False
        )
        console.print(table)
        return text.getvalue().rstrip("\n")

    def _rows(self) -> list[tuple[str, str]]:
        ops = ", ".join(f"{name} {count}" for name, count in sorted(self.ops.items()))
        several = self.entry_points if len(self.entry_points) > 1 else ()
        rows = [
            ("kind", self.kind.replace("_", " ")),
            ("target", self.target or ""),
            ("form", f"{self.form}: {self.reason}" if self.form else ""),
            ("layers", "\n".join(self.layers)),
            ("weights", self.quantize or "as in the model"),
            ("size", f"{self.bytes:,} bytes"),
            ("inputs", "\n".join(map(str, self.inputs))),
            ("outputs", "\n".join(map(str, self.outputs))),
            ("block", f"{self.block} time steps a call" if self.block else ""),
            ("states", "\n".join(map(str, self.states))),
            ("variables", "\n".join(map(str, self.variables))),
            ("signatures", "\n".join(map(str, several))),
            ("operations", ops),
            ("custom", ", ".join(self.custom_ops)),
            ("metadata", ", ".join(self.metadata)),
            ("note", "\n".join(self.notes)),
        ]
        if self.largest_difference is not None:
            rows += [
                (
                    "difference",
                    f"largest {self.largest_difference:.2g}, mean {self.mean_difference:.2g} "
                    f"(allowed {self.tolerance:.2g})",
                ),
                ("compared on", "\n".join(self.checked)),
                ("runs in", "\n".join(map(str, self.runtimes))),
            ]
        if self.accuracy is not None:
            rows.append(("accuracy", str(self.accuracy)))
        if self.arena_bytes is not None:
            rows.append(("arena", f"{self.arena_bytes:,} bytes in TFLM on a 64-bit machine"))
        if self.milliseconds is not None:
            rows.append(("time", f"{self.milliseconds:.3g} ms for {self.timed}"))
        return [(name, value) for name, value in rows if value]
