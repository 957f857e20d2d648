"""The loop of exported graphs: built-in TFLite operations only, any batch size and length.

A TensorArray of unknown batch size becomes a tensor list, which TFLite runs with TensorFlow's own
kernels only (Flex). Here rows are gathered from and scattered into plain tensors instead. It has no
gradient worth using: reading a row costs a whole sequence in the backward pass.
"""

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


def run(cell, inputs, states, weights, noise, mask, collect: bool, zero_masked: bool) -> Result:
    """Run `cell` over time, without noise; see `loop.run` for the arguments."""
    if noise is not None:
        raise ValueError(
            "An exported graph holds no random operations: export with training=False."
        )
    z = cell.project(inputs, weights)
    valid = column(mask)
    timesteps, batch = length_of(z, 0), length_of(z, 1)

    def body(t, states, output, outputs):
        new_output, new_states = advance(cell, tf.gather(z, t), states, weights, None)
        if valid is not None:
            valid_t = tf.gather(valid, t)
            new_output = masked_output(valid_t, new_output, output, zero_masked)
            new_states = hold(valid_t, new_states, states)
        if collect:
            place = tf.reshape(t, [1, 1])
            outputs = tf.tensor_scatter_nd_update(outputs, place, new_output[tf.newaxis])
        return t + 1, new_states, new_output, outputs

    output = no_output(cell, batch)
    outputs = tf.zeros((timesteps, batch, cell.output_size), z.dtype) if collect else ()
    _, states, output, outputs = tf.while_loop(
        lambda t, *_: t < timesteps, body, (tf.constant(0), states, output, outputs)
    )
    return Result(output, outputs if collect else None, states)
