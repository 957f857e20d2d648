"""Backpropagation through time, looked at step by step.

Every recurrent layer runs one time step after the other, each on a copy of the weights of its own, and
an outer gradient tape sees all of it. The gradient that reaches the copy of step t is the share of that
step in the gradient of the weights; the one that reaches the states that the step gives is the total
derivative of the loss by them. Nothing is approximated, and the sizes of the shares are noted while the
tape goes back, so that they need not be kept for all steps at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.engines.carry import names_of_parts
from keras_recurrent.engines.result import (
    Result,
    advance,
    hold,
    masked_output,
    no_output,
)
from keras_recurrent.keras_hooks import variables_in_own_type


class Recorder:
    """All calls of recurrent layers under one gradient tape; a `watching.Watcher`.

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

    def run(
        self, layer, cell, inputs, states, noise, mask, collect, zero_masked, training
    ) -> Result:
        """Run a layer's cell over time; see `watching.Watcher.run`."""
        timesteps = inputs.shape[0]
        if timesteps == 0:
            raise ValueError(
                f"Layer {layer.name!r} reads a sequence of 0 time steps: there is no gradient to look "
                "at. Give sequences of at least one step."
            )
        call = Call(self, layer, cell.trainable_variables, names_of_parts(states), timesteps)
        self.calls.append(call)
        output, outputs = no_output(cell, inputs.shape[1]), []
        for place in range(timesteps):
            t = timesteps - 1 - place if layer.go_backwards else place
            with call.step(t):
                noise_t = None if noise is None else noise.at(lambda m, at=place: m[at])
                weights = cell.read_weights(noise_t)
                z_t = cell.project(inputs[place], weights, noise_t)
                new_output, new = advance(cell, z_t, states, weights, noise_t)
            new_output, new = _distinct(new_output, new, [z_t, *tf.nest.flatten(states)])
            call.after(t, tf.nest.flatten(new))
            if mask is not None:
                new_output = masked_output(mask[place], new_output, output, zero_masked)
                new = hold(mask[place], new, states)
            states, output = new, new_output
            if collect:
                outputs.append(output)
        return Result(output, tf.stack(outputs) if collect else None, states)

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


def _distinct(output, states, given):
    """States that a step hands on as they came get a tensor of their own, and so a gradient."""
    handed_on = {id(tensor) for tensor in given}
    own = {id(s): tf.identity(s) for s in tf.nest.flatten(states) if id(s) in handed_on}
    states = tf.nest.map_structure(lambda s: own.get(id(s), s), states)
    return own.get(id(output), output), states


def _square(gradient):
    """Squared size, in float64: gradients that vanish are small long before their squares are 0."""
    return tf.reduce_sum(tf.cast(gradient, tf.float64) ** 2)
