"""Names for what a step computes, for whoever looks inside it; see `kr.training.gate_activations`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

# Called with the cell, the gate's name and its value.
Note = Callable[[Any, str, Any], None]

_active: ContextVar[Note | None] = ContextVar("keras_recurrent_gate_names", default=None)


@contextmanager
def noted_by(note: Note) -> Iterator[None]:
    """Hand every value that a step names to `note(cell, name, value)`."""
    token = _active.set(note)
    try:
        yield
    finally:
        _active.reset(token)


def named(cell, name: str, value, complement: bool = False):
    """`value` itself, whether somebody takes note or not."""
    if (note := _active.get()) is not None:
        note(cell, name, 1 - value if complement else value)
    return value
