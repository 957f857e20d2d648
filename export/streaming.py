"""Streaming exports: one call takes a block of time steps and the states, and gives both back."""

from pathlib import Path

import keras
import tensorflow as tf

from keras_recurrent.engines import lowering
from keras_recurrent.export.plan import SAVED_MODEL_FORM
from keras_recurrent.export.report import Tensor
from keras_recurrent.export.signature import Signature, name_outputs, signature_of
from keras_recurrent.export.streaming_model import StreamingModel, check_streamable
from keras_recurrent.keras_hooks import all_layers

PREFIX = "state_"


def trace_step(
    streaming: StreamingModel, signature: Signature, batch_size: int | None, folder: Path
) -> tuple[Tensor, ...]:
    """Write a SavedModel whose `serving_default` is one call of a stream.

    Args:
        streaming: What `check_streamable` gave.
        signature: That of the original model.
        batch_size: Rows of a batch; None for any number.
        folder: Where to.

    Returns:
        The states: inputs of these names take them, outputs of the same names give the new ones. All
        are zeros at the start of a sequence.
    """
    step = Step(streaming, signature, batch_size)
    archive = _archive(streaming.model)
    step.add_to(archive, "step")
    archive.write_out(str(folder), verbose=False)
    return step.states


def trace_streaming_saved_model(
    streaming: StreamingModel, signature: Signature, folder: Path
) -> tuple[Tensor, ...]:
    """Write a SavedModel for any batch size that has three signatures; returns the states.

    `serve`, which is `serving_default` too, takes whole sequences, `step` is one call of the stream,
    and `initial_state` gives the states at its start for a `batch_size`.
    """
    step = Step(streaming, signature, None)
    archive = _archive(streaming.model)

    def serve(*tensors):
        with lowering(SAVED_MODEL_FORM):
            outputs = streaming.model(signature.pack(tensors), training=False)
        return name_outputs(outputs)

    def initial_state(batch_size):
        return {t.name: tf.zeros((batch_size, *t.shape[1:]), t.dtype) for t in step.states}

    whole = [tf.TensorSpec((None, *t.shape[1:]), t.dtype, t.name) for t in signature.inputs]
    archive.add_endpoint("serve", serve, input_signature=whole)
    step.add_to(archive, "step")
    size = [tf.TensorSpec((), tf.int32, "batch_size")]
    archive.add_endpoint("initial_state", initial_state, input_signature=size)
    archive.write_out(str(folder), verbose=False)
    return step.states


class Step:
    """One call of a stream as a function of named tensors.

    Attributes:
        inputs: The model's inputs, sequences cut to the length of a block.
        states: What goes in beside them and comes out again.
    """

    def __init__(self, streaming: StreamingModel, signature: Signature, batch_size: int | None):
        self._streaming = streaming
        self._pack = signature.pack
        self.inputs = tuple(streaming.inputs(signature, batch_size, streaming.block))
        self.states = self._discover(batch_size)

    def __call__(self, *tensors) -> dict[str, tf.Tensor]:
        """Inputs, then states, in the order of the attributes; outputs and new states by name."""
        count = len(self.inputs)
        names = [t.name for t in self.states]
        given = dict(zip(names, tensors[count:], strict=True))
        outputs, carry = self.run(tensors[:count], given)
        return {**outputs, **{name: carry.new[name] for name in names}}

    def run(self, inputs, given=None, form: str | None = None, reserved=None) -> tuple:
        """Outputs by name, and the carry; `form=None` for the step's own lowering."""
        reserved = self._reserved if reserved is None else reserved
        with (
            lowering(form or self._streaming.form, compact=True),  # it may be for TFLM
            self._streaming.carrying(given, reserved) as carry,
        ):
            outputs = self._streaming.model(self._pack(list(inputs)), training=False)
        return name_outputs(outputs), carry

    def add_to(self, archive, name: str) -> None:
        specs = [tf.TensorSpec(t.shape, t.dtype, t.name) for t in (*self.inputs, *self.states)]
        archive.add_endpoint(name, self, input_signature=specs)

    def _discover(self, batch_size: int | None) -> tuple[Tensor, ...]:
        """Trace a call that starts from zeros, to learn which states there are."""
        self._reserved = frozenset(t.name for t in self.inputs)
        found: dict = {}

        def call(*tensors):
            outputs, carry = self.run(tensors)
            found.update(outputs=set(outputs), zeros=carry.zeros)
            return outputs

        specs = [tf.TensorSpec(t.shape, t.dtype, t.name) for t in self.inputs]
        tf.function(call, autograph=False).get_concrete_function(*specs)
        if found["outputs"] & set(found["zeros"]):  # an output bears a state's name
            self._reserved |= found["outputs"]
            tf.function(call, autograph=False).get_concrete_function(*specs)
        self._check(found)
        return tuple(
            Tensor(name, (batch_size, *zero.shape[1:]), zero.dtype.name)
            for name, zero in found["zeros"].items()
        )

    def _check(self, found: dict) -> None:
        both = {n for n in found["outputs"] & self._reserved if n.startswith(PREFIX)}
        both &= {t.name for t in self.inputs}
        if both:
            raise ValueError(
                f"An input and an output that share a name beginning with {PREFIX!r} would be taken "
                f"for a state. Give one another name. Received: {sorted(both)}"
            )
        if not found["zeros"]:
            raise ValueError(
                "Nothing in this model is carried from one time step to the next: any number of steps "
                "is a call of its own. Export it with streaming=False."
            )


def _archive(model):
    archive = keras.export.ExportArchive()
    # Variables are found through the function; lookup tables are not.
    for layer in all_layers(model):
        if not layer.variables:
            archive.track(layer)
    return archive


__all__ = [
    "PREFIX",
    "Step",
    "StreamingModel",
    "check_streamable",
    "signature_of",
    "trace_step",
    "trace_streaming_saved_model",
]
