"""A `.tflite` file as C++ source, for firmware that has no files."""

import re
from pathlib import Path

import numpy as np

from keras_recurrent.export import files, flatbuffer
from keras_recurrent.export.report import Report, Tensor
from keras_recurrent.export.resolver import METHODS

_BYTES_PER_LINE = 16
_KEYWORDS = """
    alignas alignof and asm auto bitand bitor bool break case catch char class compl concept const
    consteval constexpr constinit continue decltype default delete do double else enum explicit export
    extern false float for friend goto if inline int long mutable namespace new noexcept not nullptr
    operator or private protected public register requires return short signed sizeof static std struct
    switch template this throw true try typedef typeid typename union unsigned using virtual void
    volatile while xor
"""


def to_c_array(path, out=None, name: str | None = None) -> Path:
    """Write a `.tflite` file as `NAME.h` and `NAME.cc`, for TensorFlow Lite for Microcontrollers.

    The header has, in a namespace NAME: the model (aligned to 16 bytes) and its size; the size of the
    arena, if the export measured it (target "micro"); for each input and output its place, shape,
    dtype, scale and zero point; and the operations to register with a `MicroMutableOpResolver`.
    Both files compile without headers of TFLM, as C++11 and later.

    Args:
        path: The file, made by this package or not.
        out: The folder for both; by default that of `path`. Files of these names are replaced.
        name: An identifier; by default made of the file's name.

    Returns:
        The path of the header.

    Raises:
        ValueError: `name` is no identifier, the file is damaged, or TFLM cannot run it.
        OSError: A file cannot be read or written.
    """
    path = Path(path)
    name = c_name(path) if name is None else _checked(name)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    report = flatbuffer.describe(path)
    _check_runs_on_tflm(report)
    folder = path.parent if out is None else Path(out)
    header, source = folder / f"{name}.h", folder / f"{name}.cc"
    with files.new_file(header, ".h") as new_header, files.new_file(source, ".cc") as new_source:
        new_header.write_text(_header(name, report), encoding="utf-8")
        new_source.write_bytes(_source(name, path.read_bytes()))
    return header


def _check_runs_on_tflm(report: Report) -> None:
    missing = sorted(set(report.ops) - set(METHODS) - set(report.custom_ops))
    if missing:
        raise ValueError(
            f"TFLM has no kernel for {', '.join(missing)}. Export for microcontrollers: "
            "to_tflite(..., target='micro')."
        )
    proven = any(r.runtime == "TFLM" and r.refused is None for r in report.runtimes)
    if "WHILE" in report.ops and not proven:
        raise ValueError(
            "TFLM runs most loops over time (WHILE) wrongly or without end; those of "
            "to_tflite(..., target='micro') are proven, and this file carries no such proof."
        )
    open_ones = [tensor for tensor in report.inputs if None in tensor.shape]
    if open_ones:
        raise ValueError(
            "TFLM needs all sizes fixed: export with batch_size and timesteps. Received: "
            f"{', '.join(map(str, open_ones))}"
        )


def _header(name: str, report: Report) -> str:
    guard = f"{name.upper()}_H_"
    custom = [f"  // resolver.AddCustom({_plain(op)!r}, ...) is yours." for op in report.custom_ops]
    methods = sorted(METHODS[op] for op in set(report.ops) - set(report.custom_ops))
    lines = [
        f"// {name}, a model for TensorFlow Lite for Microcontrollers, written by keras_recurrent.",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        "#include <cstddef>",
        "#include <cstdint>",
        "",
        f"namespace {name} {{",
        "",
        "alignas(16) extern const unsigned char kModel[];",
        f"constexpr std::size_t kModelBytes = {report.bytes};",
        *_arena(report),
        *_state(report),
        "",
        f"// Inputs, by place: interpreter.input({name}::kInput_...)",
        *_tensors("Input", report.inputs),
        "",
        f"// Outputs, by place: interpreter.output({name}::kOutput_...)",
        *_tensors("Output", report.outputs),
        "",
        "// tflite::MicroMutableOpResolver<kOps> resolver; RegisterOps(resolver) is true if it worked.",
        f"constexpr unsigned int kOps = {len(methods) + len(custom)};",
        "",
        "template <class Resolver>",
        "bool RegisterOps(Resolver& resolver) {",
        *custom,
        "  int failed = 0;  // kTfLiteOk is 0",
        *[f"  failed |= static_cast<int>(resolver.{method}());" for method in methods],
        "  return failed == 0;",
        "}",
        "",
        f"}}  // namespace {name}",
        "",
        f"#endif  // {guard}",
    ]
    return "\n".join(lines) + "\n"


def _arena(report: Report) -> list[str]:
    if report.arena_bytes is None:
        return [
            "// The size of the arena was not measured: with target='micro' it is. Start high, and",
            "// read interpreter.arena_used_bytes() after AllocateTensors().",
        ]
    return [
        "// As measured on a 64-bit machine, whose pointers take more than those of a microcontroller,",
        "// with kernels in plain C++: those made for a chip may need more. alignas(16) the arena.",
        f"constexpr std::size_t kArenaBytes = {report.arena_bytes};",
    ]


def _state(report: Report) -> list[str]:
    lines = []
    if report.states:
        lines.append(
            "// After each call copy the outputs state_... into the inputs of the same names,"
        )
        lines.append("// which start at zeros (integers: at their zero points).")
    if "UNIDIRECTIONAL_SEQUENCE_LSTM" in report.ops:
        lines.append(
            "// States stay from one call to the next: call interpreter.Reset() before each"
        )
        lines.append("// sequence.")
    if "VAR_HANDLE" in report.ops:
        lines.append(
            "// The interpreter needs a tflite::MicroResourceVariables for as many variables:"
        )
        lines.append(f"constexpr int kResourceVariables = {len(report.variables)};")
    return lines


def _tensors(kind: str, tensors: tuple[Tensor, ...]) -> list[str]:
    lines, taken = [], set()
    for place, tensor in enumerate(tensors):
        name = f"k{kind}_{re.sub(r'[^0-9A-Za-z]+', '_', tensor.name).strip('_') or place}"
        if name in taken:
            name = f"{name}_{place}"
        taken.add(name)
        lines.append(f"constexpr int {name} = {place};  // {_plain(str(tensor))}")
        if tensor.scale is not None:
            lines.append(f"constexpr float {name}_scale = {np.float32(tensor.scale):.9e}f;")
            lines.append(f"constexpr int {name}_zero_point = {tensor.zero_point};")
    return lines


def _source(name: str, data: bytes) -> bytes:
    texts = np.array([f"0x{value:02x}," for value in range(256)], "S5")
    written = texts[np.frombuffer(data, np.uint8)].tobytes()
    width = texts.itemsize * _BYTES_PER_LINE
    rows = [written[start : start + width] for start in range(0, len(written), width)]
    head = (
        f'#include "{name}.h"\n\nnamespace {name} {{\n\n'
        "alignas(16) const unsigned char kModel[] = {\n"
    )
    return head.encode() + b"\n".join(rows) + f"\n}};\n\n}}  // namespace {name}\n".encode()


def _plain(text: str) -> str:
    """Text that stays in its comment: on one line, and not continued on the next."""
    return "".join(c if c.isprintable() and c != "\\" else "?" for c in text)


def c_name(path: Path) -> str:
    """What `to_c_array` calls a file's header, source and namespace by default."""
    return _identifier(path.stem)


def _identifier(text: str) -> str:
    name = re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_")
    if not name or name[0].isdigit() or name in _KEYWORDS.split():
        name = f"model_{name}".rstrip("_")
    return name


def _checked(name: str) -> str:
    if not isinstance(name, str) or _identifier(name) != name:
        raise ValueError(
            "`name` must be a C++ identifier of letters, digits and single inner underscores. "
            f"Received: name={name!r}"
        )
    return name
