"""States carried from one call of a model to the next by an exporter, each under a name of its own.

A streaming export calls a model on a few time steps at a time. While it traces such a call, every
layer that remembers something starts from what the carry holds and leaves there what it ends with.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import tensorflow as tf

_active: ContextVar["Carry | None"] = ContextVar("keras_recurrent_carry", default=None)


@contextmanager
def carrying(carry: "Carry") -> Iterator["Carry"]:
    """Let the layers called inside take their states from `carry` and leave the new ones there."""
    token = _active.set(carry)
    try:
        yield carry
    finally:
        _active.reset(token)


def carry_of(layer) -> "Carry | None":
    """The carry that a layer's states belong to, if one is at work."""
    carry = _active.get()
    return None if carry is None or id(layer) in carry.local else carry


class Carry:
    """The states of one call: those it starts from and those it ends with.

    Names are `state_<layer>_<part>`, parts being the fields of the cell's state; whatever is taken
    already gets a number: `state_lstm_h_2` for the second call of a shared layer.

    Attributes:
        zeros: What every state is at the start of a sequence, by name, in the order of the calls.
        new: The states after the call, by name.
        local: Identities of the layers that begin anew within each time step, or in each call.
    """

    def __init__(
        self,
        given: Mapping[str, tf.Tensor] | None = None,
        reserved: Collection[str] = (),
        local: Collection[int] = (),
    ):
        self.given = given
        self.zeros: dict[str, tf.Tensor] = {}
        self.new: dict[str, tf.Tensor] = {}
        self.local = frozenset(local)
        self._reserved = frozenset(reserved)
        self._names: dict[int, list[str]] = {}

    def begin(self, layer, zeros, initial_state=None):
        """The states that a call of `layer` starts from, in the structure of `zeros`.

        Raises:
            ValueError: The layer cannot go on where the last call ended.
        """
        reason = refusal(layer, initial_state)
        if reason is not None:
            raise ValueError(f"{type(layer).__name__} {layer.name!r} cannot stream: {reason}")
        pairs = zip(names_of_parts(zeros), tf.nest.flatten(zeros), strict=True)
        taken = [self._take(f"state_{layer.name}_{part}", zero) for part, zero in pairs]
        self._names[id(layer)] = [name for name, _ in taken]
        return tf.nest.pack_sequence_as(zeros, [value for _, value in taken])

    def finish(self, layer, states) -> None:
        """Keep the states after the call that began last."""
        self.new.update(zip(self._names.pop(id(layer)), tf.nest.flatten(states), strict=True))

    def hold_outputs(self, layer, last_output, outputs, valid) -> tuple:
        """Outputs whose masked steps repeat the last valid one, of an earlier call if need be."""
        name, previous = self._take(f"state_{layer.name}_output", tf.zeros_like(last_output))
        if valid.shape[1] == 1:
            last_output = self.new[name] = tf.where(valid, last_output, previous)
            return last_output, None if outputs is None else last_output[:, tf.newaxis]
        seen = tf.cumsum(tf.cast(valid, tf.float32), 1) > 0
        if outputs is not None:
            outputs = tf.where(seen[..., tf.newaxis], outputs, previous[:, tf.newaxis])
        self.new[name] = tf.where(seen[:, -1:], last_output, previous)
        return self.new[name], outputs

    def _take(self, name: str, zero) -> tuple:
        """A free name like this one, and the value to start from."""
        name = re.sub(r"\W", "_", name, flags=re.ASCII)
        free, count = name, 1
        while free in self.zeros or free in self._reserved:
            count += 1
            free = f"{name}_{count}"
        self.zeros[free] = zero
        return free, zero if self.given is None else self.given[free]


def refusal(layer, initial_state=None) -> str | None:
    """Why a recurrent layer cannot go on where the last call ended, and what to do; or None."""
    if getattr(layer, "go_backwards", False):
        return (
            "with go_backwards=True it starts at the end of the sequence. Train the model with layers "
            "that go forwards."
        )
    if initial_state is not None:
        return (
            "it gets `initial_state` from another layer or input, and would start anew in every call. "
            "Leave it out: a stream's states are inputs of the exported file."
        )
    return None


def names_of_parts(states) -> list[str]:
    """A name for every tensor of a structure, in the order of `tf.nest.flatten`."""
    if hasattr(states, "_fields"):
        named = zip(states._fields, states, strict=True)
    elif isinstance(states, dict):
        named = sorted(states.items())
    elif isinstance(states, list | tuple):
        named = enumerate(states)
    else:
        return [""]
    return [f"{key}_{part}".rstrip("_") for key, value in named for part in names_of_parts(value)]
