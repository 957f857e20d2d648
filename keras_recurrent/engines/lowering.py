"""Which form an exported graph's recurrent layers take; set by the exporters while they trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from keras_recurrent.engines.choose import Choice

_active: ContextVar["Lowering | None"] = ContextVar("keras_recurrent_lowering", default=None)


@dataclass(frozen=True)
class Lowering:
    """What the layers of a traced graph are told, and what they answered.

    Attributes:
        form: "saved_model", "loop", "unroll", "fused", or "fused_or_loop" and "fused_or_unroll": one
            kernel for the whole sequence where the layer allows it, else the other.
        compact: Whether the size of the file counts more than its speed.
        choices: For every recurrent layer that was called its name and its choice.
    """

    form: str
    compact: bool = False
    choices: list[tuple[str, Choice]] = field(default_factory=list)


@contextmanager
def lowering(form: str, compact: bool = False) -> Iterator[Lowering]:
    """Trace the layers called inside under this form, whatever their own engine."""
    active = Lowering(form, compact)
    token = _active.set(active)
    try:
        yield active
    finally:
        _active.reset(token)


def active_form() -> str | None:
    active = _active.get()
    return None if active is None else active.form


def compact_wanted() -> bool:
    active = _active.get()
    return active is not None and active.compact


def note_choice(layer_name: str, choice: Choice) -> None:
    """Keep for the exporter what a layer chose; nothing to do outside an export."""
    active = _active.get()
    if active is not None:
        active.choices.append((layer_name, choice))
