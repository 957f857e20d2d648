"""A model as it streams: a copy whose layers can go on where the last call ended, or the refusal."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from keras_recurrent.cells.stacked import follows_contract
from keras_recurrent.engines.carry import Carry, carrying
from keras_recurrent.export.adopt import adopt, is_graph
from keras_recurrent.export.keras_layers import shown
from keras_recurrent.export.report import Tensor
from keras_recurrent.export.signature import Signature, signature_of
from keras_recurrent.export.streaming_copies import Copies
from keras_recurrent.export.streaming_rules import refusal_inside
from keras_recurrent.keras_hooks import all_layers


@dataclass(frozen=True)
class StreamingModel:
    """A model that has been found fit to stream.

    Attributes:
        model: Reads blocks of any length; gives the original's numbers when no carry is at work.
        block: Time steps of one call.
        names: Those of the inputs.
        sequences: For each input of the signature whether it is a sequence; others are constants.
        local: Identities of the layers that begin anew in each call: those inside `TimeDistributed`
            and those behind what has no axis of time.
        notes: What one should know about the result.
    """

    model: Any
    block: int
    names: tuple[str, ...]
    sequences: tuple[bool, ...]
    local: frozenset[int]
    notes: tuple[str, ...] = ()

    @property
    def form(self) -> str:
        """The lowering of a step of its own; cells that do not follow `kr.Cell` have one form."""
        recurrent = [la for la in all_layers(self.model) if isinstance(la, keras.layers.RNN)]
        return "unroll" if all(follows_contract(la.cell) for la in recurrent) else "saved_model"

    def inputs(self, signature: Signature, batch: int | None, length: int | None) -> list[Tensor]:
        """The signature's inputs, sequences with this length."""
        return [
            Tensor(
                t.name, (batch, length, *t.shape[2:]) if long else (batch, *t.shape[1:]), t.dtype
            )
            for t, long in zip(signature.inputs, self.sequences, strict=True)
        ]

    @contextmanager
    def carrying(self, given=None, reserved=()) -> Iterator[Carry]:
        """Calls of `model` inside go on from the states `given` (zeros by default)."""
        with carrying(Carry(given, reserved, self.local)) as carry:
            yield carry


def check_streamable(model, block: int = 1) -> StreamingModel:
    """The model in a form that can stream, in blocks of `block` time steps.

    Raises:
        ValueError: It cannot; names the layer, the reason and what to do.
    """
    signature = signature_of(model)
    sequences = _sequences(model, signature)
    if is_graph(model):
        copies = Copies(model)
        copies.make(signature, sequences, None)
        copy = copies.make(signature, sequences, block)
        copies.copy_weights()
        local, own = copies.begin_anew(), copies.own_layers
    else:
        if (reason := refusal_inside(model)) is not None:
            raise ValueError(reason)
        copy, local, own = adopt(model), set(), [model]
    for part in all_layers(copy):
        if isinstance(part, keras.layers.TimeDistributed):
            local |= {id(inner) for inner in all_layers(part)[1:]}
    names = tuple(t.name for t in signature.inputs)
    return StreamingModel(copy, block, names, sequences, frozenset(local), _notes(own))


def _sequences(model, signature: Signature) -> tuple[bool, ...]:
    """Which inputs have an axis of time, their second one; all of one length, or of any."""
    shapes = [t.shape for t in signature.inputs]
    lengths = {shape[1] for shape in shapes if len(shape) > 2 or None in shape[1:2]}
    if not lengths:  # token ids of a fixed number, say
        lengths = {
            t.shape[1]
            for t in signature.inputs
            if len(t.shape) == 2 and t.shape[1] > 1 and not t.dtype.startswith("float")
        }
    if None in lengths:
        lengths = {None}
    if len(lengths) != 1:
        raise ValueError(
            "A stream needs inputs with one axis of time, behind that of the batch, and of one length. "
            f"Received: model {model.name!r} with inputs {', '.join(map(str, signature.inputs))}"
        )
    (length,) = lengths
    return tuple(
        len(t.shape) > 1
        and t.shape[1] == length
        and (len(t.shape) > 2 or length is None or not t.dtype.startswith("float"))
        for t in signature.inputs
    )


def _notes(own_layers) -> tuple[str, ...]:
    if not own_layers:
        return ()
    named = ", ".join(dict.fromkeys(shown(la) for la in own_layers))
    return (
        f"Taken to treat every time step by itself, but for the recurrent layers in it: {named}. "
        "Verification compares blocks in a row with whole sequences.",
    )
