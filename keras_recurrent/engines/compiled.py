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
from keras_recurrent.engines.recompute import recomputed, segments
from keras_recurrent.engines.result import Result, column, each, length_of, no_output


def run(
    cell, inputs, states, noise, mask, collect, zero_masked, training, recompute=False
) -> Result:
    """Run `cell` over time; see `loop.run` for the arguments.

    With `training` the pass forward keeps what the pass back needs; without it, a gradient that is
    asked for all the same runs forward twice. With `recompute` it keeps little, see `recompute`.
    """
    variables = cell.weights  # frozen ones too: read inside, they would be unknown inputs
    key = (collect, zero_masked, training, recompute, tuple(map(id, variables)))
    engines = _engines.setdefault(cell, {})
    if key not in engines:
        engines[key] = _Engine(cell, variables, *key[:4])
    weights = cell.read_weights(noise)
    values = [tf.convert_to_tensor(variable) for variable in variables]
    return engines[key].run(inputs, states, weights, values, noise, mask)


# An engine must live as long as its cell: eager calls would compile anew each time.
_engines: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class _Engine:
    """The traced function of one cell; shapes that differ are traced and compiled apart."""

    def __init__(self, cell, variables, collect, zero_masked, training, recompute):
        self._cell = weakref.ref(cell)
        self._variables = list(variables)
        self._collect = collect
        self._zero_masked = zero_masked
        self._training = training
        self._recompute = recompute
        self.run = tf.function(self._run, autograph=False)

    def _run(self, inputs, states, weights, values, noise, mask):
        programs = Programs(self._cell(), self._variables, self._collect, self._zero_masked)
        if inputs.shape[0] is None:
            message = "engine='compiled' needs at least one time step"
            tf.debugging.assert_greater(tf.shape(inputs)[0], 0, message=message)
        count = parts.count_parts(inputs.shape[1])
        over_time = [inputs, None if noise is None else noise.steps, column(mask)]
        by_row = [states, None if noise is None else noise.fixed]
        pairs = zip(
            parts.split(over_time, count, axis=1), parts.split(by_row, count, axis=0), strict=True
        )
        results = []
        for rows, (first, fixed) in pairs:
            own_noise = None if noise is None else noise._replace(fixed=fixed)
            start = (first, no_output(self._cell(), length_of(rows[0], 1)), weights, values)
            results.append(self._part(programs, rows, start, own_noise))
        outputs = parts.join([r.outputs for r in results], axis=1) if self._collect else None
        last, states = parts.join([(r.last_output, r.states) for r in results], axis=0)
        return Result(last, outputs, states)

    def _part(self, programs: Programs, rows, start, noise) -> Result:
        """One part of the batch: at once, or in segments."""
        if not (self._recompute and self._training):
            return self._over(programs, rows, start, noise, self._training)
        outputs = []
        states, output, weights, values = start
        for segment in segments(rows[0].shape[0]):
            inputs, *others = each(lambda t, s=segment: t[s], rows)

            def run(arguments, record, others=others):
                x, *start = arguments
                return self._over(programs, [x, *others], start, noise, record), *start[2:]

            arguments = inputs, states, output, weights, values
            result, weights, values = recomputed(run, arguments)
            output, states = result.last_output, result.states
            outputs.append(result.outputs)
        return Result(output, tf.concat(outputs, 0) if self._collect else (), states)

    def _over(self, programs: Programs, rows, start, noise, record: bool) -> Result:
        """The cell over some time steps; with `record` what the pass back needs is kept."""
        inputs, steps, valid = rows
        states, output, weights, values = start
        own_noise = None if noise is None else noise._replace(steps=steps)
        z = programs.project(inputs, weights, values, own_noise)
        given = Given(z, states, output, weights, values, own_noise, valid)
        template = None

        @tf.custom_gradient
        def loop(*flat):
            nonlocal template
            here = given.replaced(flat)
            template, kept = programs.forward(here, record)

            def gradient(*upstream):
                known = kept if record else programs.forward(here, record=True)[1]
                return programs.backward(here, known, tf.nest.pack_sequence_as(template, upstream))

            return tf.nest.flatten(template), gradient

        flat = loop(*given.differentiable())
        return tf.nest.pack_sequence_as(template, flat)
