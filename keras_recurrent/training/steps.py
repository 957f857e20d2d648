"""The functions that `fit`, `evaluate` and `predict` call, on several replicas."""

from collections.abc import Callable

import keras
import tensorflow as tf

from keras_recurrent.training import replicas


def over_replicas(model, step: Callable, states: Callable[[], list]) -> Callable:
    """A function of an iterator: runs `step` on each replica's part of the next batches.

    Args:
        model: The model, for its strategy, its metrics and `steps_per_execution`.
        step: `step(data)` for one replica; returns logs.
        states: Gives the variables that the step moves on each replica by itself.

    Returns:
        A function that raises `StopIteration` when no worker has data left, and else returns the
        logs of the joint batch, the same on every worker.
    """
    strategy = model.distribute_strategy

    def on_replica(data):
        data = tf.nest.map_structure(_without_optional, data)
        with replicas.counted(replicas.rows_of(data)):
            outputs = step(replicas.at_least_one_row(data))
            replicas.average_states(states())
            return outputs if is_standard(outputs) else replicas.mean(outputs)

    def run(data):
        return strategy.run(on_replica, args=(data,))

    def is_standard(outputs) -> bool:
        return isinstance(outputs, dict) and set(outputs) == set(model.get_metrics_result())

    def logs(outputs):
        if is_standard(outputs):
            return model.get_metrics_result()  # reads the sums over all replicas
        return tf.nest.map_structure(lambda v: strategy.experimental_local_results(v)[0], outputs)

    def several(iterator):
        outputs = run(iterator.get_next())
        if model.steps_per_execution > 1:
            _rest(run, iterator, model.steps_per_execution)
        return logs(outputs)

    def one(data):
        return logs(run(data))

    if not model.run_eagerly:
        several = tf.function(several, reduce_retracing=True, autograph=False)
        one = tf.function(one, reduce_retracing=True, autograph=False)

    def function(iterator):
        if isinstance(iterator, tf.data.Iterator | tf.distribute.DistributedIterator):
            return several(iterator)  # OutOfRangeError ends the epoch in Keras
        outputs = None
        for _, data in zip(range(model.steps_per_execution), iterator, strict=False):
            outputs = one(data)
        return outputs

    return function


def _rest(run: Callable, iterator, steps: int) -> None:
    """The steps after the first one of an execution, as far as there is data."""

    def body(step, following):
        run(following.get_value())
        more = tf.cond(step + 1 < steps, iterator.get_next_as_optional, lambda: following)
        return step + 1, more

    tf.while_loop(
        lambda step, following: (step < steps) & following.has_value(),
        body,
        (tf.constant(1), iterator.get_next_as_optional()),
        parallel_iterations=1,
    )


def gathered_predictions(model) -> Callable:
    """A function of a list of batches: the outputs for all rows, in order, on every worker."""
    strategy = model.distribute_strategy

    def on_replica(data):
        data = tf.nest.map_structure(_without_optional, data)
        rows = replicas.rows_of(data)
        outputs = model.predict_step(replicas.at_least_one_row(data))
        return tf.nest.map_structure(lambda v: v[:rows], outputs)

    def one(data):
        outputs = strategy.run(on_replica, args=(data,))
        return tf.nest.map_structure(lambda v: strategy.gather(v, axis=0), outputs)

    if not model.run_eagerly:
        one = tf.function(one, reduce_retracing=True, autograph=False)

    def function(batches):
        parts = [one(batch) for batch in batches]
        return tf.nest.map_structure(lambda *v: keras.ops.concatenate(v, 0), *parts)

    return function


def _without_optional(leaf):
    return None if isinstance(leaf, tf.experimental.Optional) else leaf
