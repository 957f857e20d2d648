"""The XLA programs of the `compiled` engine: a cell's loop forward and its loop back.

Forward keeps the states before each step and the results of the step's matrix products. Backward runs
each step again on these, without multiplying, to get its gradients; the gradients of all time steps
with respect to a kernel are then one product over time and batch.
"""

import re
import weakref
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_recurrent.engines.once import once
from keras_recurrent.engines.projection import project
from keras_recurrent.engines.result import Result, advance, each, hold, masked_output
from keras_recurrent.engines.scan import scan
from keras_recurrent.engines.step_gradient import StepGradient, step_gradient
from keras_recurrent.keras_hooks import autocast
from keras_recurrent.products import Record, taking_part

# Operations of TensorFlow that draw random numbers, by their names.
_DRAWS = re.compile("Random|Multinomial|TruncatedNormal|StatefulUniform|StatefulStandardNormal|Rng")


class Given(NamedTuple):
    """What a pass over time reads.

    Attributes:
        z: The projected inputs, `(T, batch, width)`.
        states: The cell's state at the start.
        output: The output before the first step, which masked steps repeat.
        weights: The cell's weights as `read_weights` gives them.
        values: Those of its variables, for a step that reads variables by itself.
        noise: The noise or None.
        valid: Booleans `(T, batch, 1)` or None.
    """

    z: Any
    states: Any
    output: Any
    weights: Any
    values: list
    noise: Any
    valid: Any

    def differentiable(self) -> list:
        return tf.nest.flatten(self[:5])

    def replaced(self, flat) -> "Given":
        """The same with other tensors in place of the differentiable ones."""
        return Given(*tf.nest.pack_sequence_as(self[:5], list(flat)), *self[5:])

    def rows(self) -> tuple:
        return self.z, None if self.noise is None else self.noise.steps, self.valid


class Programs:
    """The programs of one cell; shapes that differ are compiled apart by TensorFlow.

    Made anew for each trace: what a program returns is laid out while it is traced.
    """

    def __init__(self, cell, variables, collect: bool, zero_masked: bool):
        self._cell = weakref.proxy(cell)  # a trace, which holds this, must not hold its cell
        self._variables = variables
        self._collect = collect
        self._zero_masked = zero_masked
        self._forward = _compiled(self._run_forward)
        self._backward = _compiled(self._run_backward)
        self._layout: _Layout | None = None

    def project(self, inputs, weights, values, noise):
        def projection(arguments):
            inputs, weights, values, noise = arguments
            with self.reading(values):
                return self._cell.project(inputs, weights, noise)

        return project(projection, (inputs, weights, values, noise))

    def forward(self, given: Given, record: bool) -> tuple[Result, Any]:
        """The result, and with `record` what the pass back needs: the states and products."""
        self._refuse_random_steps(given, record)
        result, kept = self._forward(given, record)
        return result, tf.nest.map_structure(tf.stop_gradient, kept)

    def translate(self, given: Given) -> None:
        """Let XLA read both programs; raises `ValueError` or `TypeError` if it cannot."""
        self._refuse_random_steps(given, True)
        self._forward.experimental_get_compiler_ir(given, True)(stage="hlo")
        specs = self._forward.get_concrete_function(given, True).structured_outputs
        upstream, record = tf.nest.map_structure(lambda s: tf.zeros(s.shape, s.dtype), specs)
        products = self._products(given, given.weights, given.values)
        turned = [tf.transpose(kernel) for kernel in products.kernels]
        backward = (given, record, upstream, turned)
        self._backward.experimental_get_compiler_ir(*backward)(stage="hlo")

    def _refuse_random_steps(self, given: Given, record: bool) -> None:
        """The pass back runs each step again, and a step that draws would draw other numbers."""
        graph = self._forward.get_concrete_function(given, record).graph.as_graph_def()
        functions = [graph.node, *(function.node_def for function in graph.library.function)]
        drawn = {node.op for nodes in functions for node in nodes if _DRAWS.search(node.op)}
        if drawn:
            raise ValueError(
                f"The step of {type(self._cell).__name__} ({self._cell.name!r}) draws random numbers, "
                "and its pass back would draw others: draw them in `draw`, see `kr.Cell`, or use "
                f"engine='loop'. Received: {', '.join(sorted(drawn))}"
            )

    def backward(self, given: Given, record, upstream: Result) -> list:
        """The gradients of `given.differentiable()`."""
        return once(
            lambda arguments: self._gradients(*arguments),
            (given, record, upstream),
            "engine 'compiled' has no second derivative: use engine='loop'",
        )

    def _gradients(self, given: Given, record, upstream: Result) -> list:
        structure = [given.weights, given.values]
        with tf.GradientTape() as tape:
            leaves = [tf.identity(leaf) for leaf in tf.nest.flatten(structure)]
            tape.watch(leaves)
            products = self._products(given, *tf.nest.pack_sequence_as(structure, leaves))
        turned = [tf.transpose(kernel) for kernel in products.kernels]
        d_states, d_output, sums, rows = self._backward(given, record, upstream, turned)
        rows = [*rows, *tf.nest.flatten(record[0])]
        targets, d_targets = [], []
        for kernel, bias, (x, d) in zip(
            products.kernels, products.biases, self._layout.products, strict=True
        ):
            targets.append(kernel)
            d_targets.append(_over_steps(rows[x], rows[d]))
            if bias is not None:
                targets.append(bias)
                d_targets.append(_sum(rows[d]))
        d_leaves = tape.gradient(targets, leaves, d_targets)
        for k, d in zip(self._layout.summed, sums, strict=True):
            d_leaves[k] = d if d_leaves[k] is None else d_leaves[k] + d
        return [rows[self._layout.z], *d_states, d_output, *d_leaves]

    @contextmanager
    def reading(self, values):
        """Inside, the cell's variables read as `values`, so that gradients reach these.

        They are cast as in a call of the layer: the pass back is traced outside of one.
        """
        mapping = list(zip(self._variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping), autocast(self._cell):
            yield

    def _step(self, noise, row, states, output, weights, values):
        """One step of the cell on one row, masked: `(new_states, new_output)`."""
        z_t, steps, valid = row
        noise_t = None if noise is None else noise._replace(steps=steps)
        with self.reading(values):
            new_output, new_states = advance(self._cell, z_t, states, weights, noise_t)
        if valid is not None:
            new_output = masked_output(valid, new_output, output, self._zero_masked)
            new_states = hold(valid, new_states, states)
        return new_states, new_output

    def _products(self, given: Given, weights, values) -> Record:
        """The products of one step; TensorFlow leaves out the rest of the step."""
        row = each(lambda rows: rows[0], given.rows())
        with taking_part(Record()) as products:
            self._step(given.noise, row, given.states, given.output, weights, values)
        return products

    def _run_forward(self, given: Given, record: bool):
        def step(carry, row):
            with taking_part(Record()) as products:
                new = self._step(given.noise, row, *carry, given.weights, given.values)
            kept = (carry[0], products.results) if record else ()
            return new, (new[1] if self._collect else (), kept)

        start = (given.states, given.output)
        (states, output), (outputs, kept) = scan(step, start, given.rows())
        return Result(output, outputs, states), kept

    def _run_backward(self, given: Given, record, upstream: Result, turned):
        structure = [given.weights, given.values]
        leaves = tf.nest.flatten(structure)
        kept_states, results = record

        def step(carry, row):
            d_states, d_output, sums = carry
            (z_t, steps, valid), states, results, d_output_t = row

            def again(z_t, states, output, leaves):
                states = tf.nest.pack_sequence_as(given.states, states)
                own = tf.nest.pack_sequence_as(structure, leaves)
                return self._step(given.noise, (z_t, steps, valid), states, output, *own)

            states = tf.nest.flatten(states)
            d_output = d_output if d_output_t is None else d_output + d_output_t
            found = step_gradient(
                again, (z_t, states, d_output, leaves), results, turned, d_states, d_output
            )
            self._layout = _Layout(found, states)
            sums = [s if d is None else s + d for s, d in zip(sums, found.leaves, strict=True)]
            return (found.states, found.output, sums), self._layout.rows

        d_outputs = upstream.outputs if self._collect else None
        zeros = [tf.zeros_like(leaf) for leaf in leaves]
        start = (tf.nest.flatten(upstream.states), upstream.last_output, zeros)
        rows = (given.rows(), kept_states, results, d_outputs)
        (d_states, d_output, sums), rows = scan(step, start, rows, reverse=True)
        return d_states, d_output, [sums[k] for k in self._layout.summed], rows


class _Layout:
    """Where the parts of a step's gradient lie among the rows that are kept of every step.

    Attributes:
        rows: The tensors to keep, each once: an LSTM's gradient of z is that of its product, too.
        z: The row that is the gradient of z.
        products: For each product the rows of its input and of its gradient. Numbers behind the
            rows stand for the parts of the state: the pass forward has kept these.
        summed: Which weights are used outside products, so that their gradients add up in the loop.
    """

    def __init__(self, found: StepGradient, states):
        wanted = [found.z, *(tensor for pair in found.products for tensor in pair)]
        known = set(map(id, states))
        self.rows = []
        for tensor in wanted:
            if id(tensor) not in known:
                known.add(id(tensor))
                self.rows.append(tensor)
        places = {id(tensor): k for k, tensor in enumerate([*self.rows, *states])}
        self.z = places[id(found.z)]
        self.products = [(places[id(x)], places[id(d)]) for x, d in found.products]
        self.summed = [k for k, d in enumerate(found.leaves) if d is not None]


def _compiled(function):
    return tf.function(function, jit_compile=True, autograph=False)


def _over_steps(inputs, gradients):
    """Σ over time and batch of x(t)ᵀ d(t), as one product."""
    inputs, gradients_ = _flat(inputs), _flat(gradients)
    return tf.cast(tf.matmul(inputs, gradients_, transpose_a=True), gradients.dtype)


def _sum(gradients):
    """Σ over time and batch of d(t); a third of the time of `tf.reduce_sum`."""
    return tf.cast(tf.raw_ops.BiasAddGrad(out_backprop=_flat(gradients)), gradients.dtype)


def _flat(rows):
    """`(T, batch, n)` to `(T * batch, n)`; 16-bit types as float32, since they do not add up."""
    flat = tf.reshape(rows, [-1, rows.shape[-1]])
    return tf.cast(flat, tf.float32) if flat.dtype.size < 4 else flat
