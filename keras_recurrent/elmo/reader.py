"""A biLM over many batches of many lengths, without training, from programs that are compiled once."""

import weakref
from collections.abc import Callable

import tensorflow as tf

from keras_recurrent.engines.result import advance, hold
from keras_recurrent.engines.scan import scan

# Steps of a program. Of a large batch the inputs' products for so many steps stay in a core's cache.
# Those of a few rows are made for all steps at once: they take no room, but each reads all weights.
MANY_ROWS, FEW_STEPS, MORE_STEPS = 8, 4, 32


class Reader:
    """The functions of a biLM that `embed` runs.

    An engine that is compiled needs a program for each length and each LSTM. Here one program of a few
    time steps or less is compiled for each number of rows; it serves all LSTMs of a biLM, and runs as
    often as the sentences are long. On a GPU the engines of the stacks run.
    """

    def __init__(self, bilm):
        self._bilm = weakref.ref(bilm)  # readers are kept as long as their biLM, and no longer
        self._results: dict = {}
        self._program = _Program(bilm)
        shape = (None, None) if bilm.vocabulary_size is None else (None,)
        self.encode = tf.function(
            lambda ids: self._bilm().token_encoder(ids),
            input_signature=[tf.TensorSpec(shape, tf.int32)],
            autograph=False,
        )

    def results(self, form: Callable, rows: int) -> Callable:
        """`form(sides, valid)` as a function of words' vectors and where there are words.

        Args:
            form: What to make of what `read` returns.
            rows: Of a batch.
        """
        if (form, rows) not in self._results:
            bilm = self._bilm()
            specs = (
                tf.TensorSpec((rows, None, bilm.width), bilm.compute_dtype),
                tf.TensorSpec((rows, None), tf.bool),
            )
            made = tf.function(lambda *given: form(*self.read(*given)), autograph=False)
            self._results[form, rows] = made.get_concrete_function(*specs)
        return self._results[form, rows]

    def read(self, tokens, valid) -> tuple:
        """All layers of both directions and `valid`, as `BiLM.read` gives them, of words' vectors."""
        bilm = self._bilm()
        starts = bilm.starts(tf.shape(tokens)[0]) or dict.fromkeys(bilm.directions)
        if tf.config.list_logical_devices("GPU"):
            stacks = bilm.stacks.items()
            return {s: stack(tokens, starts[s], mask=valid)[0] for s, stack in stacks}, valid
        inputs = tf.transpose(tokens, [1, 0, 2])
        mask = tf.expand_dims(tf.transpose(valid), -1)
        sides = {s: self._direction(bilm, s, inputs, mask, starts[s]) for s in bilm.directions}
        return sides, valid

    def _direction(self, bilm, side: str, x, mask, starts) -> list:
        turned = (lambda t: tf.reverse(t, [0])) if side == "backward" else tf.identity
        x, mask = turned(x), turned(mask)
        activations = [x]
        for place, cell in enumerate(bilm.cells[side]):
            y = self._program.run(cell, x, mask, starts and starts[place])
            x = y + x if bilm.residual and place else y
            activations.append(x)
        return [tf.transpose(turned(a), [1, 0, 2]) for a in activations]


def reader_of(bilm) -> Reader:
    """The one of this biLM, so that nothing is compiled twice."""
    if bilm not in _readers:
        _readers[bilm] = Reader(bilm)
    return _readers[bilm]


_readers: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class _Program:
    """Some time steps of an LSTM, whose weights are among the arguments."""

    def __init__(self, bilm):
        cell = weakref.proxy(bilm.cells[bilm.directions[0]][0])  # its step is that of all

        @tf.function(jit_compile=True, autograph=False)
        def steps(weights, z, mask, states, count):
            def step(states, row):
                z_t, mask_t = row
                output, new = advance(cell, z_t, states, weights, None)
                output = tf.where(mask_t, output, tf.zeros_like(output))
                return hold(mask_t, new, states), output

            return scan(step, states, (z, mask), count=count)

        self._steps = steps

    def run(self, cell, inputs, mask, start):
        """Outputs `(T, rows, width)` of inputs `(T, rows, features)`, rows known."""
        weights = cell.read_weights()
        timesteps, rows, width = tf.shape(inputs)[0], inputs.shape[1], cell.output_size
        many = rows >= MANY_ROWS
        size = FEW_STEPS if many else MORE_STEPS
        parts = -(-timesteps // size)
        x = _in_parts(inputs if many else cell.project(inputs, weights), parts, size)
        mask = _in_parts(mask, parts, size)
        outputs = tf.TensorArray(cell.compute_dtype, parts, element_shape=(size, rows, width))

        def body(part, states, outputs):
            z = cell.project(x[part], weights) if many else x[part]
            count = tf.minimum(timesteps - part * size, size)
            states, new = self._steps(weights, z, mask[part], states, count)
            return part + 1, states, outputs.write(part, new)

        start = cell.get_initial_state(rows) if start is None else start
        state = cell.state_type(*(tf.ensure_shape(s, (rows, s.shape[-1])) for s in start))
        _, _, outputs = tf.while_loop(
            lambda part, *_: part < parts, body, (tf.constant(0), state, outputs)
        )
        return tf.reshape(outputs.stack(), [-1, rows, width])[:timesteps]


def _in_parts(values, parts, size: int):
    """`(T, rows, n)` as `(parts, size, rows, n)`, zeros behind the end."""
    missing = parts * size - tf.shape(values)[0]
    values = tf.pad(values, [[0, missing], [0, 0], [0, 0]])
    return tf.reshape(values, [parts, size, *values.shape[1:]])
