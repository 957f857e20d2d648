"""Which form an exported graph's recurrent layers take; set by the exporters while they trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_form: ContextVar[str | None] = ContextVar("keras_recurrent_lowering", default=None)


@contextmanager
def lowering(form: str) -> Iterator[None]:
    """Trace the layers called inside under this form, whatever their own engine."""
    token = _form.set(form)
    try:
        yield
    finally:
        _form.reset(token)


def active_form() -> str | None:
    return _form.get()
