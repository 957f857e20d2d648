"""A cell over a sequence, with Keras's conventions, and the gradients of a linear loss."""

from typing import NamedTuple

import numpy as np

from . import tape
from .tape import Node, as_node


def run(
    cell_step,
    x,
    states,
    weights,
    options,
    mask=None,
    go_backwards=False,
    zero_output_for_mask=False,
    noise=None,
):
    """(outputs (B, T, width), last_output (B, width), states), nodes, in processed order.

    go_backwards takes the steps of x and of mask from the last to the first. A masked step (False)
    holds every state; its output is the previous output, zeros before the first valid step, or
    zeros anyway with zero_output_for_mask. `noise` is a list with the options of each processed
    step, laid over `options`. The first state gives the width of the output.
    """
    x, states = as_node(x), tuple(as_node(state) for state in states)
    weights = {name: as_node(weight) for name, weight in weights.items()}
    batch, steps = x.shape[:2]
    zeros = as_node(np.zeros((batch, states[0].shape[-1])))
    output, outputs = zeros, []
    order = reversed(range(steps)) if go_backwards else range(steps)
    for n, t in enumerate(order):
        step_options = {**options, **(noise[n] if noise is not None else {})}
        new_output, new_states = cell_step(x[:, t], states, weights, step_options)
        if mask is None:
            output, states = new_output, new_states
        else:
            valid = np.asarray(mask, dtype=bool)[:, t, None]
            output = tape.where(valid, new_output, zeros if zero_output_for_mask else output)
            pairs = zip(new_states, states, strict=True)
            states = tuple(tape.where(valid, new, old) for new, old in pairs)
        outputs.append(output[:, None])
    if not outputs:
        return as_node(np.zeros((batch, 0, zeros.shape[-1]))), zeros, states
    return tape.concatenate(outputs, axis=1), output, states


class Result(NamedTuple):
    """The forward values, the loss, and its gradients."""

    loss: float
    outputs: np.ndarray
    states: tuple  # the final ones
    weight_gradients: dict  # by name
    x_gradient: np.ndarray
    state_gradients: tuple  # of the initial states


def loss_and_gradients(
    cell_step, x, states, weights, options, cotangent=None, state_cotangents=None, **kwargs
):
    """loss = sum(cotangent * outputs) + sum over the final states of their cotangents, as Result.

    A cotangent left out (None) counts as zeros; `kwargs` are those of `run`.
    """
    x, states = Node(x), tuple(Node(state) for state in states)
    weights = {name: Node(weight) for name, weight in weights.items()}
    outputs, _, final = run(cell_step, x, states, weights, options, **kwargs)
    loss = Node(0.0)
    if cotangent is not None:
        loss = loss + tape.sum(outputs * cotangent)
    for state, weight in zip(final, state_cotangents or (None,) * len(final), strict=True):
        if weight is not None:
            loss = loss + tape.sum(state * weight)
    dx, *rest = tape.gradient(loss, [x, *states, *weights.values()])
    values = tuple(state.value for state in final)
    dstates, dweights = tuple(rest[: len(states)]), rest[len(states) :]
    named = dict(zip(weights, dweights, strict=True))
    return Result(float(loss.value), outputs.value, values, named, dx, dstates)
