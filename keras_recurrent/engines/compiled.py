"""The `compiled` engine: XLA programs for the pass forward and the pass back, for any cell.

Forward runs the loop and keeps the states before each step and the results of the step's matrix
products. Backward runs each step again on these, without multiplying, to get its gradients; the
gradients of all time steps with respect to a kernel are then one product over time and batch.

XLA cannot be differentiated from outside, so both passes are functions of their own behind a custom
gradient. It has no second derivative.
"""

import weakref

import keras
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
from keras_recurrent.products import Record, Replay, taking_part


def run(cell, inputs, states, noise, mask, collect, zero_masked, training) -> Result:
    """Run `cell` over time; see `loop.run` for the arguments.

    With `training` the pass forward keeps what the pass back needs; without it, a gradient that is
    asked for all the same runs forward twice.
    """
    variables = cell.weights  # frozen ones too: read inside, they would be unknown inputs
    key = (collect, zero_masked, training, tuple(map(id, variables)))
    programs = _programs.setdefault(cell, {})
    if key not in programs:
        programs[key] = _Programs(cell, variables, collect, zero_masked, training)
    values = [tf.convert_to_tensor(variable) for variable in variables]
    return programs[key].run(inputs, states, values, noise, mask)


# Programs must live as long as their cell: eager calls would compile anew each time.
_programs: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class _Programs:
    """The compiled functions of one cell; shapes that differ are compiled apart by TensorFlow."""

    def __init__(self, cell, variables, collect: bool, zero_masked: bool, training: bool):
        self._cell = weakref.ref(cell)
        self._variables = list(variables)
        self._collect = collect
        self._zero_masked = zero_masked
        self._training = training
        self.run = tf.function(self._run, autograph=False)
        self._without_record = _compile(lambda *given: self._forward(*given, record=False))
        self._with_record = _compile(lambda *given: self._forward(*given, record=True))
        self._back = _compile(self._backward)

    def _run(self, inputs, states, values, noise, mask):
        count = len(tf.nest.flatten(states))
        template = None

        @tf.custom_gradient
        def whole(inputs, *rest):
            nonlocal template
            given = (inputs, tf.nest.pack_sequence_as(states, rest[:count]), list(rest[count:]))
            if self._training:
                result, record = self._with_record(*given, noise, mask)
            else:
                result, record = self._without_record(*given, noise, mask), None
            template = result

            def gradient(*upstream):
                kept = record
                if kept is None:
                    _, kept = self._with_record(*given, noise, mask)
                upstream = tf.nest.pack_sequence_as(result, upstream)
                d_inputs, d_states, d_values = self._back(*given, noise, mask, kept, upstream)
                return d_inputs, *d_states, *d_values

            return tf.nest.flatten(result), gradient

        flat = whole(inputs, *tf.nest.flatten(states), *values)
        last, outputs, states = tf.nest.pack_sequence_as(template, flat)
        return Result(last, outputs if self._collect else None, states)

    def _scope(self, values):
        """Inside, the cell's variables read as `values`, so that gradients reach these."""
        return keras.StatelessScope(state_mapping=list(zip(self._variables, values, strict=True)))

    def _step(self, z_t, states, output, weights, noise_t, valid):
        cell = self._cell()
        new_output, new_states = advance(cell, z_t, states, weights, noise_t)
        if valid is not None:
            new_output = masked_output(valid, new_output, output, self._zero_masked)
            new_states = hold(valid, new_states, states)
        return new_output, new_states

    def _forward(self, inputs, states, values, noise, mask, record: bool):
        cell = self._cell()
        with self._scope(values):
            weights = cell.read_weights(noise)
            z = cell.project(inputs, weights, noise)
            timesteps = length_of(z, 0)
            read = _Reader(z, noise, column(mask))
            output = no_output(cell, length_of(z, 1))
            kept = self._rows_like(self._probe(z, states, weights, noise), timesteps, record)
            outputs = _rows(output, timesteps) if self._collect else ()

            def body(t, states, output, outputs, kept):
                with taking_part(Record()) as products:
                    new = self._step(
                        read.z(t), states, output, weights, read.noise(t), read.valid(t)
                    )
                output, new_states = new
                values = [*tf.nest.flatten(states), *products.results]
                kept = [rows.write(t, v) for rows, v in zip(kept, values, strict=False)]
                outputs = outputs.write(t, output) if self._collect else ()
                return t + 1, new_states, output, outputs, kept

            _, states, output, outputs, kept = tf.while_loop(
                lambda t, *_: t < timesteps,
                body,
                (tf.constant(0), states, output, outputs, kept),
                maximum_iterations=timesteps,
            )
        result = (output, outputs.stack() if self._collect else (), states)
        return (result, (z, [rows.stack() for rows in kept])) if record else result

    def _probe(self, z, states, weights, noise) -> list:
        """One step outside the loop, for the shapes of what is kept; XLA removes it."""
        with taking_part(Record()) as products:
            advance(self._cell(), z[0], states, weights, _first(noise))
        return [*tf.nest.flatten(states), *products.results]

    def _rows_like(self, tensors, timesteps, wanted: bool) -> list:
        return [_rows(t, timesteps) for t in tensors] if wanted else []

    def _backward(self, inputs, states, values, noise, mask, record, upstream):
        z, kept = record
        d_last, d_outputs, d_states = upstream
        count = len(tf.nest.flatten(states))
        timesteps = length_of(z, 0)
        read = _Reader(z, noise, column(mask))
        read_kept = [_unstack(rows) for rows in kept]
        read_upstream = _unstack(d_outputs) if self._collect else None

        def step_back(t, d_output, d_states):
            now = [rows.read(t) for rows in read_kept]
            before = tf.nest.pack_sequence_as(states, now[:count])
            if self._collect:
                d_output = d_output + read_upstream.read(t)
            given = (read.z(t), before, values, read.noise(t), read.valid(t), noise)
            return self._step_gradient(*given, now[count:], d_output, d_states)

        d_states = tf.nest.flatten(d_states)
        probe = step_back(0, d_last, d_states)
        places = [k for k, d in enumerate(probe.d_values) if d is not None]

        def body(t, d_output, d_states, d_values, d_z, inputs, gradients):
            step = step_back(t, d_output, d_states)
            d_values = [d + step.d_values[k] for d, k in zip(d_values, places, strict=True)]
            inputs = [r.write(t, v) for r, v in zip(inputs, step.inputs, strict=True)]
            gradients = [r.write(t, v) for r, v in zip(gradients, step.gradients, strict=True)]
            d_z = d_z.write(t, step.d_z)
            return t - 1, step.d_output, step.d_states, d_values, d_z, inputs, gradients

        _, _, d_states, in_steps, d_z, product_inputs, gradients = tf.while_loop(
            lambda t, *_: t >= 0,
            body,
            (
                tf.constant(timesteps - 1) if isinstance(timesteps, int) else timesteps - 1,
                d_last,
                d_states,
                [tf.zeros_like(values[k]) for k in places],
                _rows(probe.d_z, timesteps),
                [_rows(v, timesteps) for v in probe.inputs],
                [_rows(v, timesteps) for v in probe.gradients],
            ),
            maximum_iterations=timesteps,
        )
        d_kernels = [
            _sum_of_outer_products(x.stack(), d.stack())
            for x, d in zip(product_inputs, gradients, strict=True)
        ]
        first = [rows[0] for rows in kept]
        d_inputs, d_values = self._gradient_outside_the_loop(
            inputs, states, values, noise, first[count:], d_z.stack(), d_kernels
        )
        for k, d in zip(places, in_steps, strict=True):
            d_values[k] = d_values[k] + d
        return d_inputs, d_states, d_values

    def _step_gradient(
        self, z_t, states, values, noise_t, valid, noise, products, d_output, d_states
    ):
        """The gradients of one step, its products replayed."""
        with tf.GradientTape() as tape:
            previous = no_output(self._cell(), length_of(z_t, 0))
            sources = [z_t, previous, *tf.nest.flatten(states), *values]
            sources = [tf.identity(source) for source in sources]
            tape.watch(sources)
            z_t, previous, *rest = sources
            count = len(tf.nest.flatten(states))
            states, values = tf.nest.pack_sequence_as(states, rest[:count]), rest[count:]
            with self._scope(values), taking_part(Replay(products)) as replay:
                weights = self._cell().read_weights(noise)
                output, new_states = self._step(z_t, states, previous, weights, noise_t, valid)
        d_z, d_previous, *rest = tape.gradient(
            [output, *tf.nest.flatten(new_states)], sources, [d_output, *d_states]
        )
        d_states = [_or_zeros(d, s) for d, s in zip(rest, tf.nest.flatten(states), strict=False)]
        return _StepGradient(
            d_z=_or_zeros(d_z, z_t),
            d_output=_or_zeros(d_previous, previous),
            d_states=d_states,
            d_values=rest[count:],
            inputs=replay.inputs,
            gradients=[_or_zeros(d, p) for d, p in zip(replay.gradients, products, strict=True)],
        )

    def _gradient_outside_the_loop(self, inputs, states, values, noise, products, d_z, d_kernels):
        """From the projected inputs and the kernels back to the inputs and the variables."""
        cell = self._cell()
        with tf.GradientTape() as tape:
            inputs, *values = [tf.identity(source) for source in (inputs, *values)]
            tape.watch([inputs, *values])
            with self._scope(values), taking_part(Replay(products)) as replay:
                weights = cell.read_weights(noise)
                z = cell.project(inputs, weights, noise)
                advance(cell, z[0], states, weights, _first(noise))
        d_inputs, *d_values = tape.gradient(
            [z, *replay.kernels], [inputs, *values], [d_z, *d_kernels], unconnected_gradients="zero"
        )
        return d_inputs, d_values


class _StepGradient:
    def __init__(self, **parts):
        self.__dict__.update(parts)


class _Reader:
    """Rows of what a step reads."""

    def __init__(self, z, noise, valid):
        self._z = _unstack(z)
        self._noise = None if noise is None else noise.at(_unstack)
        self._valid = None if valid is None else _unstack(valid)

    def z(self, t):
        return self._z.read(t)

    def noise(self, t):
        return None if self._noise is None else self._noise.at(lambda rows: rows.read(t))

    def valid(self, t):
        return None if self._valid is None else self._valid.read(t)


def _compile(function):
    return tf.function(function, jit_compile=True, autograph=False)


def _rows(like, timesteps):
    return tf.TensorArray(like.dtype, timesteps, element_shape=like.shape)


def _unstack(tensor):
    rows = tf.TensorArray(
        tensor.dtype, length_of(tensor, 0), element_shape=tensor.shape[1:], clear_after_read=False
    )
    return rows.unstack(tensor)


def _first(noise):
    return None if noise is None else noise.at(lambda rows: rows[0])


def _or_zeros(gradient, like):
    return tf.zeros_like(like) if gradient is None else gradient


def _sum_of_outer_products(inputs, gradients):
    """Σ over time and batch of x(t)ᵀ d(t), as one matrix product."""
    flat = [tf.reshape(t, [-1, t.shape[-1]]) for t in (inputs, gradients)]
    return tf.matmul(*flat, transpose_a=True)
