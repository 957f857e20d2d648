"""Whether XLA can compile a cell: asked before the model runs, since a running model cannot go back."""

import weakref

import tensorflow as tf

from keras_recurrent.engines.programs import Given, Programs
from keras_recurrent.engines.result import no_output

_answers: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def xla_refusal(cell, features: int) -> str | None:
    """What XLA says against a cell that has been built, as a sentence; None if it can compile it.

    Translates two time steps of the cell for XLA, a fifth of a second, once a cell.
    """
    if cell not in _answers:
        _answers[cell] = _ask(cell, features)
    return _answers[cell]


def _ask(cell, features: int) -> str | None:
    with tf.init_scope():
        # The variables may not have their first values yet.
        values = [tf.zeros(variable.shape, variable.dtype) for variable in cell.weights]
        programs = Programs(cell, cell.weights, collect=False, zero_masked=False)
        with programs.reading(values):
            weights = cell.read_weights(None)
        inputs = tf.zeros((2, 2, features), cell.compute_dtype)
        z = programs.project(inputs, weights, values, None)
        states = cell.get_initial_state(batch_size=2)
        states = tuple(states) if isinstance(states, list) else states
        given = Given(z, states, no_output(cell, 2), weights, values, None, None)
        try:
            programs.translate(given)
        except ValueError as error:
            problem = (
                str(error).splitlines()[0].removeprefix("Failed getting HLO text: ").strip("'")
            )
            return f"XLA cannot compile the cell {type(cell).__name__} ({cell.name!r}): {problem}."
    return None
