"""The `compiled` engine: XLA programs for the loop forward and the loop back, for any cell.

Only the loops over time are compiled, see `programs`. What is done once for all time steps stays
outside, where TensorFlow's own products are faster (the gradient of a kernel takes two thirds of the
time) and where it leaves out what nobody asks for, such as the gradient of a model's input.

XLA cannot be differentiated from outside, so both loops are functions of their own behind a custom
gradient. It has no second derivative.
"""

import weakref

import tensorflow as tf

from keras_recurrent.engines import parts
from keras_recurrent.engines.programs import Given, Programs
from keras_recurrent.engines.result import Result, column


def run(cell, inputs, states, noise, mask, collect, zero_masked, training) -> Result:
    """Run `cell` over time; see `loop.run` for the arguments.

    With `training` the pass forward keeps what the pass back needs; without it, a gradient that is
    asked for all the same runs forward twice.
    """
    variables = cell.weights  # frozen ones too: read inside, they would be unknown inputs
    key = (collect, zero_masked, training, tuple(map(id, variables)))
    engines = _engines.setdefault(cell, {})
    if key not in engines:
        engines[key] = _Engine(cell, variables, collect, zero_masked, training)
    weights = cell.read_weights(noise)
    values = [tf.convert_to_tensor(variable) for variable in variables]
    return engines[key].run(inputs, states, weights, values, noise, mask)


# An engine must live as long as its cell: eager calls would compile anew each time.
_engines: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class _Engine:
    """The traced function of one cell; shapes that differ are traced and compiled apart."""

    def __init__(self, cell, variables, collect: bool, zero_masked: bool, training: bool):
        self._cell = weakref.ref(cell)
        self._variables = list(variables)
        self._collect = collect
        self._zero_masked = zero_masked
        self._training = training
        self.run = tf.function(self._run, autograph=False)

    def _run(self, inputs, states, weights, values, noise, mask):
        programs = Programs(self._cell(), self._variables, self._collect, self._zero_masked)
        count = parts.count_parts(inputs.shape[1])
        over_time = [inputs, column(mask), None if noise is None else noise.steps]
        rows = [states, None if noise is None else noise.fixed]
        results = []
        for (x, valid, steps), (first, fixed) in zip(
            parts.split(over_time, count, axis=1), parts.split(rows, count, axis=0), strict=True
        ):
            own_noise = None if noise is None else noise._replace(fixed=fixed, steps=steps)
            z = programs.project(x, weights, values, own_noise)
            given = Given(z, first, weights, values, own_noise, valid)
            results.append(self._differentiable(programs, given))
        outputs = parts.join([r.outputs for r in results], axis=1) if self._collect else None
        last, states = parts.join([(r.last_output, r.states) for r in results], axis=0)
        return Result(last, outputs, states)

    def _differentiable(self, programs: Programs, given: Given) -> Result:
        template = None

        @tf.custom_gradient
        def whole(*flat):
            nonlocal template
            here = given.replaced(flat)
            result, kept = programs.forward(here, record=self._training)
            template = result

            def gradient(*upstream):
                record = kept if self._training else programs.forward(here, record=True)[1]
                return programs.backward(here, record, tf.nest.pack_sequence_as(result, upstream))

            return tf.nest.flatten(result), gradient

        flat = whole(*given.differentiable())
        return tf.nest.pack_sequence_as(template, flat)
