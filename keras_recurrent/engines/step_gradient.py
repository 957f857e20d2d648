"""The gradients of one time step, its matrix products replayed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from keras_recurrent.products import Replay, taking_part


class StepGradient(NamedTuple):
    """What one step gives in the pass back.

    Attributes:
        z: Gradient of `z_t`.
        states: Gradients of the states before the step, flat.
        output: Gradient of the output before the step.
        leaves: Gradients of the weights as far as the step uses them outside its products; None for
            those that it does not use.
        products: For each product its input and the gradient that reaches it. An input that is a
            state as it was given is that very tensor.
    """

    z: Any
    states: list
    output: Any
    leaves: list
    products: list[tuple[Any, Any]]


def step_gradient(
    step: Callable, at: tuple, results: list, turned: list, d_states: list, d_output
) -> StepGradient:
    """Differentiate `step(z_t, states, output, leaves) -> (new_states, new_output)`.

    Args:
        step: The step; its products are given by `results`, not multiplied.
        at: Its arguments; states and leaves are flat.
        results: The results of its products.
        turned: Their kernels, transposed.
        d_states: The gradients that reach the new states, flat.
        d_output: The gradient that reaches the new output.
    """
    with tf.GradientTape() as tape:
        sources = tf.nest.map_structure(tf.identity, at)
        tape.watch(sources)
        with taking_part(Replay(results, turned)) as replay:
            new_states, new_output = step(*sources)
    targets = [*tf.nest.flatten(new_states), new_output]
    d_z, d_before, d_previous, d_leaves = tape.gradient(targets, sources, [*d_states, d_output])
    z_t, states, output, _ = at
    as_given = dict(zip(map(id, sources[1]), states, strict=True))
    return StepGradient(
        z=_or_zeros(d_z, z_t),
        states=[_or_zeros(d, s) for d, s in zip(d_before, states, strict=True)],
        output=_or_zeros(d_previous, output),
        leaves=d_leaves,
        products=[
            (as_given.get(id(x), x), _or_zeros(d, result))
            for x, d, result in zip(replay.inputs, replay.gradients, results, strict=True)
        ],
    )


def _or_zeros(gradient, like):
    return tf.zeros_like(like) if gradient is None else gradient
