"""One error for whatever TensorFlow raises when another worker is gone."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf


class WorkerLost(RuntimeError):
    """Another worker of the cluster no longer answers, so that training cannot go on.

    TensorFlow's coordination service notices a worker that is gone after about ten seconds, a
    closed connection at once. A worker that lives but no longer takes part is noticed only with
    `tf.distribute.experimental.CommunicationOptions(timeout_seconds=...)` given to the strategy.
    A cluster cannot be joined again: restart all workers.
    """


_SIGNS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
    tf.errors.CancelledError,
)
_WORDS = ("Collective ops is aborted", "collective", "heartbeat", "coordination service")


@contextmanager
def lost_workers_named(strategy) -> Iterator[None]:
    """Turn the errors of a broken cluster into `WorkerLost`."""
    try:
        yield
    except tf.errors.OpError as error:
        if not _spans_workers(strategy) or not _of_the_cluster(error):
            raise
        if "expected type" in str(error.message):
            raise WorkerLost(
                "The workers are out of step: all must make the same calls, with the same model, "
                f"on data of the same kind. TensorFlow says: {_first_lines(error)}"
            ) from error
        raise WorkerLost(
            "A worker of the cluster is lost: it has stopped, has been killed or cannot be "
            "reached; its own log says why. This worker cannot go on alone. Restart the program "
            "on all workers; with kr.training.ChiefOnly(kr.training.BackupAndRestore("
            "folder)) among the callbacks of `fit`, training goes on after the "
            f"last epoch that was finished. TensorFlow says: {_first_lines(error)}"
        ) from error


def _spans_workers(strategy) -> bool:
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def _of_the_cluster(error) -> bool:
    return isinstance(error, _SIGNS) or any(word in str(error.message) for word in _WORDS)


def _first_lines(error) -> str:
    lines = [line.strip() for line in str(error.message).splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in _WORDS)]
    return " ".join((telling or lines)[:3])
