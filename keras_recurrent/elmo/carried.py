"""States that a biLM takes from one batch to the next, as the original implementations do."""

import tensorflow as tf


class CarriedStates:
    """The states of rows 0, 1, 2, ...; a batch uses and updates the first ones.

    A batch with more rows than there were before starts its new rows from zeros; one with fewer leaves
    the others as they are. They are no weights: no file holds them.
    """

    def __init__(self, widths: list[int], dtype: str):
        self.variables = [
            tf.Variable(tf.zeros((0, width), dtype), shape=(None, width), trainable=False)
            for width in widths
        ]

    def begin(self, batch) -> list:
        """The states of `batch` rows."""
        return [self._rows(variable, batch) for variable in self.variables]

    def _rows(self, variable, batch):
        kept = variable[:batch]
        missing = tf.zeros((batch - tf.shape(kept)[0], variable.shape[1]), variable.dtype)
        rows = tf.concat([kept, missing], 0)
        return tf.ensure_shape(rows, (None, variable.shape[1]))

    def finish(self, states: list) -> None:
        """Keep what the rows of a batch ended with."""
        for variable, new in zip(self.variables, states, strict=True):
            others = variable[tf.shape(new)[0] :]
            variable.assign(tf.concat([tf.cast(new, variable.dtype), others], 0))

    def reset(self) -> None:
        for variable in self.variables:
            variable.assign(variable[:0])
