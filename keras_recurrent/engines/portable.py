"""The loop of exported graphs: built-in TFLite operations only, any batch size and length.

Where both are fixed, `portable_fixed` runs the loop. Else a TensorArray becomes a tensor list, which
TFLite runs with TensorFlow's own kernels only (Flex). Here rows are gathered from and written into
plain tensors instead. A write copies the whole tensor, so outputs are written into blocks of 32 steps,
and blocks into the result: the cost of a step does not grow with the length. There is no gradient worth
using.
"""

import tensorflow as tf

from keras_recurrent.engines import portable_fixed
from keras_recurrent.engines.lowering import compact_wanted
from keras_recurrent.engines.result import (
    Result,
    advance,
    column,
    hold,
    length_of,
    masked_output,
    no_output,
)

BLOCK = 32


def run(cell, inputs, states, noise, mask, collect, zero_masked, training) -> Result:
    """Run `cell` over time, without noise; see `loop.run` for the arguments."""
    if noise is not None:
        raise ValueError(
            "An exported graph holds no random operations: export with training=False."
        )
    weights = cell.read_weights()
    z = cell.project(inputs, weights)
    valid = column(mask)
    timesteps, batch = length_of(z, 0), length_of(z, 1)

    rows = [z] if valid is None else [z, valid]

    def step(row, states, output):
        z_t, *valid_t = row
        new_output, new_states = advance(cell, z_t, states, weights, None)
        if valid_t:
            new_output = masked_output(*valid_t, new_output, output, zero_masked)
            new_states = hold(*valid_t, new_states, states)
        return new_states, new_output

    output = no_output(cell, batch)
    if isinstance(batch, int) and isinstance(timesteps, int) and timesteps > 0:
        together = 1 if compact_wanted() else portable_fixed.steps_together(weights, inputs, z)
        look_back = valid is not None
        return portable_fixed.over_time(step, rows, states, output, together, collect, look_back)

    def step_at(t, states, output):
        return step([tf.gather(r, t) for r in rows], states, output)

    if collect:
        return _collected(step_at, states, output, timesteps)
    _, states, output = tf.while_loop(
        lambda t, *_: t < timesteps,
        lambda t, *state: (t + 1, *step_at(t, *state)),
        (tf.constant(0), states, output),
    )
    return Result(output, None, states)


def _collected(step, states, output, timesteps) -> Result:
    """Run `step` over time, block by block, and keep all outputs."""
    size = min(BLOCK, max(timesteps, 1)) if isinstance(timesteps, int) else BLOCK
    blocks = -(-timesteps // size)
    places = tf.reshape(tf.range(size), [-1, 1, 1])
    empty = tf.zeros_like(output)[tf.newaxis] * tf.zeros([size, 1, 1], output.dtype)

    def one_block(b, states, output, outputs):
        start = b * size

        def one_step(t, states, output, block):
            states, output = step(t, states, output)
            return t + 1, states, output, tf.where(places == t - start, output[tf.newaxis], block)

        _, states, output, block = tf.while_loop(
            lambda t, *_: t < tf.minimum(start + size, timesteps),
            one_step,
            (start, states, output, empty),
        )
        outputs = tf.tensor_scatter_nd_update(outputs, tf.reshape(b, [1, 1]), block[tf.newaxis])
        return b + 1, states, output, outputs

    shape = tf.concat([[blocks, size], tf.shape(output)], 0)
    _, states, output, outputs = tf.while_loop(
        lambda b, *_: b < blocks,
        one_block,
        (tf.constant(0), states, output, tf.zeros(shape, output.dtype)),
    )
    shape = tf.concat([[blocks * size], tf.shape(output)], 0)
    return Result(output, tf.reshape(outputs, shape)[:timesteps], states)
