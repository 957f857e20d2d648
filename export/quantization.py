"""Integer quantisation: what cannot have it, what it may differ by, and what calibrates it."""

from pathlib import Path

import numpy as np

from keras_recurrent.cells.contract import Cell
from keras_recurrent.export import forms
from keras_recurrent.export.integer_file import float_operations
from keras_recurrent.export.representative import LIMIT, representative_samples
from keras_recurrent.keras_hooks import all_layers

__all__ = [
    "LIMIT",
    "TOLERANCES",
    "check_cells",
    "check_integers",
    "notes",
    "representative_samples",
    "samples_to_verify",
]

_FEW = 10  # samples

# Largest differences on the samples that calibrated them, relative to max(1, largest output): 15 random
# stacks of two layers (LSTM, GRU, SimpleRNN; 16 to 64 units, 12 to 50 steps, weights as drawn).
TOLERANCES = {"int8": 0.15, "int16x8": 0.06}


def check_cells(quantize: str | None, model) -> None:
    """`ValueError` for cells whose arithmetic does not survive integers."""
    normalizing = normalizing_cells(model) if quantize in forms.INTEGER else []
    if normalizing:
        raise ValueError(
            "Cells with layer normalisation do not survive integers: 8 bits are too few for the "
            "variances, and TFLite has no 16-bit kernel for them. Use quantize='dynamic' or 'float16' "
            f"(target 'mobile' or 'web') or None. Received: quantize={quantize!r}, normalisation in "
            f"{normalizing}"
        )


def notes(form: str, quantize: str | None, samples: int) -> tuple[str, ...]:
    """What a user of a file must know whose integers are calibrated on this many samples."""
    if quantize not in forms.INTEGER:
        return ()
    lines = [
        "Integers: values beyond those in representative_data are cut off, which can cost ten times "
        "the difference shown. Inputs and outputs are float32."
    ]
    if samples < _FEW:
        lines.append(
            f"The ranges come from {samples} sample{'s'[: samples != 1]} of representative_data only: "
            "give some 100 that differ."
        )
    if form == "fused":
        lines.append(
            "A fused LSTM in 8-bit integers saves memory on a microcontroller; on x86 it is slower than "
            "in floats, and the Interpreter has given wrong numbers for stacks with biases of zero."
        )
    if form == "unroll":
        lines.append(
            "Every unrolled time step adds about 2.5 KB to the file: integers save space only where "
            "the weights are larger than that."
        )
    return tuple(lines)


def check_integers(path: Path, target: str) -> tuple[str, ...]:
    """Whether a file computes in integers throughout; notes about what does not.

    Raises:
        ValueError: The target is "micro" and an operation computes in floats.
    """
    floats = float_operations(path)
    if not floats:
        return ()
    named = ", ".join(f"{name} ({count})" for name, count in sorted(floats.items()))
    if target == "micro":
        raise ValueError(
            f"The converter left operations in floats: {named}. A microcontroller's build may lack "
            "them. Try the other of quantize='int8' and 'int16x8', or replace what needs them in the "
            "model."
        )
    return (f"These operations compute in floats, the rest in integers: {named}.",)


def samples_to_verify(samples: list[dict[str, np.ndarray]], count: int = 10) -> list[dict]:
    """Some of the samples, evenly spread: made-up data lie beyond the calibrated ranges."""
    places = np.unique(np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(int))
    return [samples[place] for place in places]


def normalizing_cells(model) -> list[str]:
    """Names of the cells that normalise their gates at every step."""
    return [
        layer.name
        for layer in all_layers(model)
        if isinstance(layer, Cell) and getattr(layer, "normalization", None) == "layer"
    ]
