"""The `fused` form of exported graphs: one TFLite operation runs the LSTM over the whole sequence.

The TFLite converter puts UNIDIRECTIONAL_SEQUENCE_LSTM in the place of a call to a function with the
attribute `api_implements="lstm_..."`, if the call looks as Keras 2 made it: six positional tensors,
weights among them, five results of which the last three are not used, static sizes but for the time
axis. Where that is not so, it inlines the function's body, which is the package's own loop. The
operation keeps h and c from one call of the interpreter to the next.
"""

import uuid

import tensorflow as tf

from keras_recurrent.engines import loop
from keras_recurrent.engines.result import Result

# What TFLite's kernel is given by the converter, whatever the model says: `export` sets it right.
CONVERTERS_CELL_CLIP = 10.0


def run(cell, inputs, states, noise, mask, collect, zero_masked, training) -> Result:
    """Run an LSTM without options that change its formula; see `loop.run` for the arguments.

    `cells.fused_rules` says which cells and calls qualify; the states must be zeros.
    """
    while hasattr(cell, "cell"):  # kr.WeightDrop, which does nothing outside training
        cell = cell.cell
    weights = cell.read_weights()

    def keras_lstm(inputs, h, c, kernel, recurrent_kernel, bias):
        own = {"kernel": kernel, "recurrent_kernel": recurrent_kernel}
        if cell.use_bias:
            own["bias"] = bias
        given = _WithWeights(cell, weights._replace(**own))
        inputs = tf.transpose(inputs, [1, 0, 2])
        result = loop.run(given, inputs, cell.state_type(h, c), None, None, True, False, False)
        outputs = tf.transpose(result.outputs, [1, 0, 2])
        return result.last_output, outputs, result.states.h, result.states.c, tf.constant(0.0)

    function = tf.function(
        keras_lstm,
        autograph=False,
        experimental_attributes={
            "api_implements": f"lstm_{uuid.uuid4()}",
            "time_major": False,
            "go_backwards": False,
        },
    )
    bias = weights.bias if cell.use_bias else tf.zeros([4 * cell.units])
    batch = inputs.shape[1]
    # The converter makes one tensor of equal constants, and these become the operation's variables:
    # another layer that starts from zeros of this shape would start from what this one ended with.
    h, c = (tf.fill([batch, cell.units], -0.0) for _ in range(2))
    last, outputs, *_ = function(
        tf.transpose(inputs, [1, 0, 2]), h, c, weights.kernel, weights.recurrent_kernel, bias
    )
    return Result(last, tf.transpose(outputs, [1, 0, 2]) if collect else None, states)


class _WithWeights:
    """A cell that reads its weights from the arguments of a function, not from its variables."""

    def __init__(self, cell, weights):
        self._cell = cell
        self._weights = weights

    def __getattr__(self, name):
        return getattr(self._cell, name)

    def read_weights(self, noise=None):
        return self._weights
