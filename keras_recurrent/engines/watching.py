"""Looking inside while a model runs: a watcher takes the place of the engine of every layer called.

While nobody watches, one look at a context variable a call is all that there is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

import tensorflow as tf

from keras_recurrent.engines.result import Result

_active: ContextVar["Watcher | None"] = ContextVar("keras_recurrent_watcher", default=None)


class Watcher(Protocol):
    """What runs the layers that are called inside `watched_by`."""

    def run(
        self, layer, cell, inputs, states, noise, mask, collect, zero_masked, training
    ) -> Result:
        """Run `cell` over time as an engine does, see `loop.run`; eagerly, so that all is known.

        Args:
            layer: The recurrent layer that was called, for its name and direction.
            cell: Its cell, or what makes a stock cell of Keras follow `kr.Cell`.
            inputs: As for every engine in processed order: flipped with `layer.go_backwards`.
        """


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[Watcher]:
    """Let `watcher` run the recurrent layers of this package that are called inside.

    What is a `tf.function` runs eagerly meanwhile, a model's own `call` for one.
    """
    token = _active.set(watcher)
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield watcher
    finally:
        tf.config.run_functions_eagerly(eagerly)
        _active.reset(token)


def active_watcher() -> Watcher | None:
    return _active.get()
