"""Backpropagation through time, looked at step by step.

Inside `recording` every recurrent layer runs one time step after the other, each on a copy of the
weights of its own, and an outer gradient tape sees all of it. The gradient that reaches the copy of step
t is the share of that step in the gradient of the weights; the one that reaches the states that the
step gives is the total derivative of the loss by them. Nothing is approximated, and the sizes of the
shares are noted while the tape goes back, so that they need not be kept for all steps at once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.keras_hooks import variables_in_own_type

_active: ContextVar["Recorder | None"] = ContextVar("keras_recurrent_recorder", default=None)


@contextmanager
def recording(recorder: "Recorder") -> Iterator["Recorder"]:
    """Let the recurrent layers called inside run step by step, known to `recorder`.

    Functions of `tf.function` run eagerly meanwhile: a layer inside one has steps to look at, too.
    """
    token, eagerly = _active.set(recorder), tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield recorder
    finally:
        tf.config.run_functions_eagerly(eagerly)
        _active.reset(token)


def active_recorder() -> "Recorder | None":
    return _active.get()


class Recorder:
    """All calls of recurrent layers under one gradient tape.

    Args:
        tape: The tape; it must be recording when the layers are called.
        keep_shares: Whether to keep the shares themselves, not their sizes only.

    Attributes:
        calls: What was called, in order.
    """

    def __init__(self, tape: tf.GradientTape, keep_shares: bool = False):
        self.tape = tape
        self.keep_shares = keep_shares
        self.calls: list[Call] = []

    def begin(self, layer, variables, state_names, timesteps: int | None) -> "Call":
        """A call of a layer begins.

        Raises:
            ValueError: Where there are no steps, or none that could be seen.
        """
        if not tf.executing_eagerly():
            raise ValueError(
                f"Layer {layer.name!r} is called inside a graph of its own, as tf.vectorized_map makes "
                "one, where its time steps cannot be looked at. Call it outside."
            )
        if timesteps == 0:
            raise ValueError(
                f"Layer {layer.name!r} reads a sequence of 0 time steps: there is no gradient to look "
                "at. Give sequences of at least one step."
            )
        self.calls.append(Call(self, layer, variables, state_names, timesteps))
        return self.calls[-1]

    def go_back(self, loss) -> None:
        """Compute the gradients of `loss`; afterwards the calls know all about them."""
        sources = [call.sources() for call in self.calls]
        for call, gradients in zip(self.calls, self.tape.gradient(loss, sources), strict=True):
            call.note(gradients)


class Call:
    """One call of one layer.

    Attributes:
        layer: The layer.
        state_names: A name for each part of the state.
        variables: The trainable variables of its cell.
        states: For each part of the state the sizes of dL/ds(t), `(T,)`, in order of the input.
        squares: For each variable the squared sizes of its shares, `(T,)`.
        shares: For each variable its shares, by time step, if they are kept.
        gradients: For each variable the sum of its shares; None where nothing reaches it.
    """

    def __init__(self, recorder: Recorder, layer, variables, state_names, timesteps: int):
        self.layer, self.variables, self.state_names = layer, list(variables), list(state_names)
        self.timesteps = timesteps
        self.states: list[np.ndarray] = []
        self.squares = [np.zeros(timesteps) for _ in self.variables]
        self.shares: list[dict[int, np.ndarray]] = [{} for _ in self.variables]
        self.gradients: list = []
        self._recorder = recorder
        self._reached: list[list[tuple[int, Any]]] = [[] for _ in self.variables]
        self._after: dict[int, list] = {}
        with variables_in_own_type():
            self._weights = [tf.identity(variable.value) for variable in self.variables]
        recorder.tape.watch(self._weights)

    @contextmanager
    def step(self, t: int) -> Iterator[None]:
        """Everything that reads the variables inside belongs to time step t of the input."""
        copies = [self._copy(place, t) for place in range(len(self.variables))]
        scope = _Instead(list(zip(self.variables, copies, strict=True)))
        with scope:
            yield
        for variable, value in scope.updates:  # seeds and the like go on
            variable.assign(value)

    def after(self, t: int, states) -> None:
        """These are the states, flat, that step t gives."""
        self._after[t] = states
        self._recorder.tape.watch([s for s in states if s.dtype.is_floating])

    def sources(self) -> tuple[list, list]:
        """What the tape is asked about."""
        return self._weights, [self._after[t] for t in range(self.timesteps)]

    def note(self, gradients: tuple[list, list]) -> None:
        """The answers of the tape."""
        self.gradients = [None if g is None else tf.convert_to_tensor(g) for g in gradients[0]]
        for squares, reached in zip(self.squares, self._reached, strict=True):
            for t, square in reached:
                squares[t] += square.numpy()
        self.states = [
            np.sqrt([0.0 if g is None else _square(g).numpy() for g in part])
            for part in zip(*gradients[1], strict=True)
        ]

    def _copy(self, place: int, t: int):
        """The variable's value for step t; what reaches it on the way back is noted."""

        @tf.custom_gradient
        def copy(weights):
            def gradient(upstream):
                share = tf.convert_to_tensor(upstream)  # an embedding's comes in slices
                self._reached[place].append((t, _square(share)))
                if self._recorder.keep_shares:
                    self.shares[place][t] = share.numpy()
                return share

            return tf.identity(weights), gradient

        return copy(self._weights[place])


class _Instead(keras.StatelessScope):
    """Inside, variables have other values; what is assigned to any of them is kept for later."""

    def __init__(self, state_mapping):
        super().__init__(state_mapping=state_mapping)
        self._updates: dict = {}

    @property
    def updates(self) -> list[tuple]:
        return list(self._updates.values())

    def add_update(self, update):
        super().add_update(update)
        self._updates[id(update[0])] = update


def run(call: Call, step: Callable, inputs, states, mask, zero_masked: bool, backwards: bool):
    """Run a layer's step over time.

    Args:
        call: Where to note what happens.
        step: `step(t, x_t, states) -> (output, new_states)`, t counted in processed order.
        inputs: `(T, batch, ...)` in processed order, and so is `mask` `(T, batch)`, or None.
        states: Those at the start.
        zero_masked: Whether masked steps give zeros instead of the row's previous output.
        backwards: Whether the processed order is that of the input turned around.

    Returns:
        The last output, all of them `(batch, T, ...)` in processed order, the last states.
    """
    outputs = []
    for place in range(call.timesteps):
        t = call.timesteps - 1 - place if backwards else place
        with call.step(t):
            output, new = step(place, inputs[place], states)
        output, new = _distinct(output, new, [inputs[place], *tf.nest.flatten(states)])
        call.after(t, tf.nest.flatten(new))
        if mask is not None:
            zeros = zero_masked or not outputs
            output = _where(mask[place], output, tf.zeros_like(output) if zeros else outputs[-1])
            new = tf.nest.map_structure(lambda n, o, m=mask[place]: _where(m, n, o), new, states)
        outputs.append(output)
        states = new
    return outputs[-1], tf.stack(outputs, 1), states


def _distinct(output, states, given):
    """States that a step hands on as they came get a tensor of their own, and so a gradient."""
    handed_on = {id(tensor) for tensor in given}
    own = {id(s): tf.identity(s) for s in tf.nest.flatten(states) if id(s) in handed_on}
    states = tf.nest.map_structure(lambda s: own.get(id(s), s), states)
    return own.get(id(output), output), states


def _where(valid, new, old):
    """By row, for tensors of any rank."""
    return tf.where(tf.reshape(valid, [-1] + [1] * (new.shape.rank - 1)), new, old)


def _square(gradient):
    """Squared size, in float64: gradients that vanish are small long before their squares are 0."""
    return tf.reduce_sum(tf.cast(gradient, tf.float64) ** 2)
