"""The `cudnn` engine: NVIDIA's recurrent kernels, through TensorFlow's operation `CudnnRNNV3`.

One call runs one cell, both directions of a sequence, or cells on top of each other: cuDNN runs the
independent parts of these at the same time, where separate calls would follow one another.

The operation knows lengths, so steps of any mask are moved to the front first (`valid_steps`). It drops
nothing itself: its dropout draws a mask for each step, ours hold for all steps, so that inputs and
weights are masked beforehand. It takes bfloat16 too, but computes it in float32, and its source does not
hand the reserved values on to the pass back; so it is given float32 then.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from keras_recurrent.engines import cudnn_blob
from keras_recurrent.engines.result import Result
from keras_recurrent.engines.valid_steps import Every, Some, valid_steps

# The one place where it is named: tests without a GPU put a model of it here.
operation = tf.raw_ops.CudnnRNNV3


def visible_gpus() -> int:
    """GPUs that TensorFlow may use through cuDNN; asking does not start them."""
    return len(tf.config.get_visible_devices("GPU")) if tf.test.is_built_with_cuda() else 0


def run(cell, inputs, states, noise, mask, collect, zero_masked, training) -> Result:
    """Run `cell` over time; see `loop.run` for the arguments.

    It has no second derivative. With `training` the pass forward keeps what the pass back needs;
    without it, a gradient that is asked for all the same runs forward twice.
    """
    ran = run_together([cell], inputs, [states], [noise], mask, training)
    return ran.result(0, collect, zero_masked)


def run_together(
    cells, inputs, states, noises, mask, training: bool, bidirectional: bool = False
) -> "Together":
    """Run cells of one kind in one call; see `loop.run` for the arguments that are not lists.

    Args:
        cells: Layer by layer; with `bidirectional` the forward and the backward cell of a layer.
        inputs: In the order of time, also for the backward cells.
        states: Of each cell.
        noises: Of each cell; only that of the first one may mask inputs.
        bidirectional: Whether every layer runs both ways.
    """
    mode = cells[0].cudnn_mode
    dtype = tf.float32 if inputs.dtype == tf.bfloat16 else inputs.dtype
    steps = valid_steps(inputs, mask)
    inputs = cells[0].mask_inputs(inputs, noises[0])
    weights = [cell.read_weights(noise) for cell, noise in zip(cells, noises, strict=True)]
    parts = [tf.cast(tf.stack(part), dtype) for part in zip(*states, strict=True)]
    outputs, *final = _differentiable(
        training,
        tf.cast(steps.pack(inputs), dtype),
        parts[0],
        parts[1] if len(parts) == 2 else tf.zeros([], dtype),
        cudnn_blob.pack(mode, weights, dtype),
        sequence_lengths=steps.lengths,
        rnn_mode=mode,
        direction="bidirectional" if bidirectional else "unidirectional",
        num_proj=_projection_units(*parts),
        time_major=True,
        # Without effect, as nothing is dropped: keeps calls with a mask from sharing an eager kernel
        # with calls that have none, see `Some.pack`.
        seed=int(mask is not None),
    )
    final = [tf.unstack(tf.cast(part, inputs.dtype)) for part in final[: len(parts)]]
    new = [tf.nest.pack_sequence_as(old, s) for old, *s in zip(states, *final, strict=True)]
    return Together(tf.cast(outputs, inputs.dtype), new, states, steps, bidirectional)


class Together(NamedTuple):
    """What a call gave: outputs of the last layer, packed; states of all cells before and after."""

    outputs: Any
    final: list
    initial: list
    steps: Every | Some
    bidirectional: bool

    def result(self, place: int, collect: bool, zero_masked: bool) -> Result:
        """What the cell at `place` gives in its own processed order; outputs of the last layer only."""
        backwards = self.bidirectional and place % 2 == 1
        final = self.final[place]
        outputs = None
        if collect:
            part = tf.split(self.outputs, 2, -1)[place % 2] if self.bidirectional else self.outputs
            outputs = self.steps.unpack(part, zero_masked, backwards)
        last = self.steps.last(final[0], zero_masked, backwards)
        return Result(last, outputs, self.steps.states(final, self.initial[place]))


def _differentiable(training: bool, *inputs, **options):
    """output, output_h and output_c of the operation.

    Its registered gradient reads values that it reserves with `is_training=True` only, which takes
    memory for every time step; inference does without.
    """
    if training:
        return _call(inputs, True, options)

    @tf.custom_gradient
    def without_reserve(*inputs):
        def gradient(*upstream):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                again = _call(inputs, True, options)
            return tape.gradient(again, inputs, upstream, unconnected_gradients="zero")

        return _call(inputs, False, options), gradient

    return without_reserve(*inputs)


def _call(inputs, is_training: bool, options) -> tuple:
    names = ("input", "input_h", "input_c", "params")
    given = dict(zip(names, inputs, strict=True))
    return tuple(operation(**given, is_training=is_training, **options)[:3])


def _projection_units(h, c=None) -> int:
    """The width of h where it differs from that of c; 0 without a projection."""
    return 0 if c is None or h.shape[-1] == c.shape[-1] else h.shape[-1]
