"""Whether XLA can compile a cell: asked before the model runs, since a running model cannot go back."""

import re
import weakref

import tensorflow as tf

from keras_recurrent.engines.programs import Given, Programs
from keras_recurrent.engines.result import no_output
from keras_recurrent.keras_hooks import all_layers

_answers: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def xla_refusal(cell, features: int) -> str | None:
    """What speaks against compiling a cell that has been built, as a sentence; None if nothing.

    Translates two time steps of the cell for XLA, forward and backward; once a cell, half a second.
    Cells of this package with activations of Keras are known to work.
    """
    if cell not in _answers:
        _answers[cell] = None if _is_known(cell) else _ask(cell, features)
    return _answers[cell]


def _is_known(cell) -> bool:
    parts = [type(layer) for layer in all_layers(cell)]
    for name in ("activation", "recurrent_activation", "output_activation"):
        parts += [a for layer in all_layers(cell) if (a := getattr(layer, name, None)) is not None]
    homes = [getattr(part, "__module__", "").split(".")[0] for part in parts]
    return set(homes) <= {"keras", "keras_recurrent", "tensorflow"}


def _ask(cell, features: int) -> str | None:
    who = f"the cell {type(cell).__name__} ({cell.name!r})"
    with tf.init_scope():
        states = cell.get_initial_state(batch_size=2)
        states = tuple(states) if isinstance(states, list) else states
        if not all(tf.as_dtype(s.dtype).is_floating for s in tf.nest.flatten(states)):
            return f"XLA's programs keep real numbers as states, and {who} keeps others."
        # The variables may not have their first values yet.
        values = [tf.zeros(variable.shape, variable.dtype) for variable in cell.weights]
        programs = Programs(cell, cell.weights, collect=False, zero_masked=False)
        with programs.reading(values):
            weights = cell.read_weights(None)
        try:
            inputs = tf.zeros((2, 2, features), cell.compute_dtype)
            z = programs.project(inputs, weights, values, None)
            given = Given(z, states, no_output(cell, 2), weights, values, None, None)
            programs.translate(given)
        except (ValueError, TypeError, tf.errors.OpError) as error:
            return f"XLA cannot compile {who}: {_problem(error)}."
    return None


def _problem(error) -> str:
    """TensorFlow's words without its own names."""
    line = str(error).splitlines()[0].removeprefix("Failed getting HLO text: ")
    line = re.sub(r"\{+node [^}]*\}+|graph __inference\S*", "", line)
    return re.sub(r"\s+", " ", line).strip("' .")
