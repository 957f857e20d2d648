"""The report of an export in the metadata of its own `.tflite` file."""

import json
from numbers import Real
from pathlib import Path

import numpy as np

from keras_recurrent.export import schema
from keras_recurrent.export.report import Accuracy, RuntimeResult, Tensor
from keras_recurrent.export.rewrite import rewrite

ENTRY = "keras_recurrent"
# What only the export knows: all else is told by the file itself, whatever was done to it since.
_TEXTS = {"quantize", "target", "form", "reason", "timed"}
_DIFFERENCES = {"largest_difference", "mean_difference", "tolerance"}
_NUMBERS = {"block", "milliseconds", "arena_bytes"} | _DIFFERENCES
_LISTS_OF_TEXTS = {"layers", "notes", "checked"}
_FIELDS = _TEXTS | _NUMBERS | _LISTS_OF_TEXTS | {"states", "runtimes", "accuracy"}


def embed(path, text: str) -> None:
    """Write `text` into a file's metadata, in the place of what `embed` wrote there before.

    Raises:
        ValueError, OSError: As in `rewrite.rewrite`.
    """
    generated = schema.litert("schema_py_generated")

    def change(model) -> None:
        number = schema.metadata(model).get(ENTRY)
        if number is None:
            number = len(model.buffers)
            model.buffers.append(generated.BufferT())
            model.metadata = [*schema.places(model.metadata), generated.MetadataT(ENTRY, number)]
        data = np.frombuffer(text.encode(), np.uint8)
        model.buffers[number] = generated.BufferT(data)

    rewrite(path, change)


def embedded(path) -> str | None:
    """What `embed` wrote into a file, or None.

    Raises:
        ValueError: This is no whole .tflite file.
    """
    path = Path(path)
    return text_in(schema.parse(path), path)


def text_in(model, path: Path) -> str | None:
    """As `embedded`, of a file that has been read."""
    number = schema.metadata(model).get(ENTRY)
    if number is None:
        return None
    with schema.damage_as_value_error(path):
        return schema.content(model, number, path).decode()


def fields(text: str | None) -> dict:
    """The fields of `Report` in the text of an export, those that this version knows."""
    if text is None:
        return {}
    try:
        given = json.loads(text)
        known = {name: value for name, value in given.items() if name in _FIELDS}
        _check_kinds(known)
        for name in _LISTS_OF_TEXTS & set(known):
            known[name] = tuple(map(str, known[name]))
        if "states" in known:
            known["states"] = tuple(map(_tensor, known["states"]))
        if "runtimes" in known:
            known["runtimes"] = tuple(_runtime(each) for each in known["runtimes"])
        if known.get("accuracy") is not None:
            known["accuracy"] = Accuracy(**known["accuracy"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return {"notes": (f"Its metadata {ENTRY!r} are not those of a report of this version.",)}
    return known


def _check_kinds(known: dict) -> None:
    for names, kind in ((_TEXTS, str), (_NUMBERS, Real)):
        for name in names & set(known):
            if not isinstance(known[name], kind | None):
                raise TypeError(f"{name} is {known[name]!r}")
    if len({known.get(name) is None for name in _DIFFERENCES}) > 1:
        raise ValueError("a difference without what belongs to it")


def _runtime(given: dict) -> RuntimeResult:
    result = RuntimeResult(**given)
    str(result)  # needs its figures
    return result


def _tensor(given: dict) -> Tensor:
    stored = given.get("stored_shape")
    shapes = {
        "shape": tuple(given["shape"]),
        "stored_shape": None if stored is None else tuple(stored),
    }
    return Tensor(**{**given, **shapes})
