"""The `unroll` engine: one copy of the step for each time step; needs a known number of them."""

import operator

import tensorflow as tf

from keras_recurrent.engines.result import (
    Result,
    advance,
    column,
    hold,
    length_of,
    masked_output,
    no_output,
)


def run(cell, inputs, states, noise, mask, collect, zero_masked, training) -> Result:
    """Run `cell` over time; see `loop.run` for the arguments."""
    weights = cell.read_weights(noise)
    z = cell.project(inputs, weights, noise)
    valid = column(mask)
    if valid is not None:
        valid = _steps(valid)
    output = no_output(cell, length_of(z, 1))
    outputs = []
    for t, z_t in enumerate(_steps(z)):
        noise_t = None if noise is None else noise.at(operator.itemgetter(t))
        new_output, new_states = advance(cell, z_t, states, weights, noise_t)
        if valid is not None:
            new_output = masked_output(valid[t], new_output, output, zero_masked)
            new_states = hold(valid[t], new_states, states)
        states, output = new_states, new_output
        if collect:
            outputs.append(output)
    if not collect:
        return Result(output, None, states)
    # tf.stack refuses an empty list
    return Result(output, tf.stack(outputs) if outputs else output[tf.newaxis][:0], states)


def _steps(tensor) -> list:
    """The time steps; a single one is reshaped, which is cheaper than a cut in an exported graph."""
    return [tf.squeeze(tensor, 0)] if tensor.shape[0] == 1 else tf.unstack(tensor)
