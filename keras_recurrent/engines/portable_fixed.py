"""The loop of exported graphs whose batch size and length are fixed: the fast one.

TFLite copies a tensor that a loop changes at every iteration, and so a sequence of outputs as a whole:
they are written into a block of about 2√T rows, and each full block into the result. Small cells run
several steps an iteration, since the loop itself costs more than they do; not large ones, for each
copy of the product has packed weights of its own, and copies that fall out of the cache cost more than
the loop. Measured on x86 in ai-edge-litert: `benchmarks/export.py`.
"""

import math

import tensorflow as tf

from keras_recurrent.engines.result import Result

_CACHED_BYTES = 1 << 19  # of recurrent weights, all copies together
_ONE_ARRAY_BYTES = 1 << 15  # outputs up to this size are carried as they are


def steps_together(weights, inputs, z) -> int:
    """How many steps one iteration runs: as many as there is cache for copies of the weights."""
    matrices = [w for w in tf.nest.flatten(weights) if len(w.shape) == 2]
    # The projection of the inputs stands outside the loop.
    values = sum(math.prod(w.shape) for w in matrices) - inputs.shape[-1] * z.shape[-1]
    fitting = _CACHED_BYTES // max(1, values * z.dtype.size)
    return max(1, min(5, fitting, z.shape[0]))


def over_time(step, rows, states, output, together: int, collect: bool, look_back: bool) -> Result:
    """Run a step over time, batch size and length known.

    Args:
        step: From the rows of a time step, states and output before it to the new states and output.
        rows: Tensors `(T, batch, ...)`, T at least 1.
        states, output: Those before the first step.
        together: Steps of one iteration.
        collect: Whether all outputs are wanted.
        look_back: Whether the step reads the output before it, which costs a copy.
    """
    timesteps, batch = rows[0].shape[:2]
    groups = timesteps // together
    whole = groups * together
    grouped = [tf.reshape(r[:whole], [groups, together, *r.shape[1:]]) for r in rows]
    if together == 1:
        grouped = list(rows)

    def run_group(g, states, output) -> tuple:
        """The steps of one iteration; outputs one below the other, `(together * batch, width)`."""
        of_group = [tf.gather(r, g) for r in grouped]
        steps = zip(*map(tf.unstack, of_group), strict=True) if together > 1 else [of_group]
        outputs = []
        for row in steps:
            states, output = step(row, states, output)
            outputs.append(output)
        return states, output, tf.concat(outputs, 0) if together > 1 else output

    if collect:
        states, output, outputs = _collected(
            run_group, groups, states, output, together, look_back, rows[0]
        )
        outputs = tf.reshape(outputs, [-1, batch, output.shape[-1]])[:whole]
    else:
        states, output = _last(run_group, groups, states, output)
        outputs = None
    rest = []
    for t in range(whole, timesteps):
        states, output = step([r[t] for r in rows], states, output)
        rest.append(output)
    if collect and rest:
        outputs = tf.concat([outputs, tf.stack(rest)], 0)
    return Result(output, outputs, states)


def _last(run_group, groups: int, states, output) -> tuple:
    _, states, output = tf.while_loop(
        lambda g, *_: g < groups,
        lambda g, states, output: (g + 1, *run_group(g, states, output)[:2]),
        (tf.constant(0), states, output),
    )
    return states, output


def _collected(run_group, groups: int, states, output, together, look_back, like) -> tuple:
    row = [together * output.shape[0], output.shape[-1]]
    # Overwritten before it is read: zeros would lie in the file as a constant.
    anything = tf.cast(tf.reshape(like[:1, :1, :1], []), output.dtype)

    def array(*sizes):
        content = tf.fill([*sizes, *row], anything)
        return tf.TensorArray(
            output.dtype, sizes[0], element_shape=content.shape[1:], clear_after_read=False
        ).unstack(content)

    def loop(first, last, states, previous, outputs):
        def body(g, states, previous, outputs):
            before = previous[0] if look_back else output
            states, newest, of_group = run_group(g, states, before)
            return g + 1, states, [newest] * look_back, outputs.write(g - first, of_group)

        return tf.while_loop(lambda g, *_: g < last, body, (first, states, previous, outputs))[1:]

    previous = [output] * look_back
    if groups * math.prod(row) * output.dtype.size <= _ONE_ARRAY_BYTES:
        states, previous, outputs = loop(tf.constant(0), groups, states, previous, array(groups))
    else:
        size = min(groups, 2 * math.isqrt(groups))
        blocks = -(-groups // size)

        def one_block(b, states, previous, outputs):
            first = b * size
            last = first + size if groups % size == 0 else tf.minimum(first + size, groups)
            states, previous, block = loop(first, last, states, previous, array(size))
            return b + 1, states, previous, outputs.write(b, block.stack())

        _, states, previous, outputs = tf.while_loop(
            lambda b, *_: b < blocks,
            one_block,
            (tf.constant(0), states, previous, array(blocks, size)),
        )
    outputs = tf.reshape(outputs.stack(), [-1, *row])
    newest = previous[0] if look_back else outputs[groups - 1, -output.shape[0] :]
    return states, newest, outputs
