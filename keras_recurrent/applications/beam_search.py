"""Beam search with a length penalty, all rows of a batch and all their hypotheses at once.

Wu et al. 2016 (arXiv:1609.08144) rank hypotheses of n steps, the end among them, by

    log p(y_1 .. y_n) / ((5 + n) / 6)^α

In each step the beam's k hypotheses go on to their k V continuations. Those among the best k that end
are finished: they are kept apart, the k best of them by rank, and take no place in the beam. The best k
that do not end are the new beam. A row is done once it has k finished ones.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

NONE = float("-inf")  # the log-probability of a place without a hypothesis


class Hypotheses(NamedTuple):
    """k a row: ids `(batch, k, n)`, 0 for the end and behind it, and log-probabilities `(batch, k)`."""

    ids: tf.Tensor
    log_probabilities: tf.Tensor


class Beam(NamedTuple):
    """What goes from step to step; `states` has a row for each place of the beam, `(batch k, ...)`."""

    steps: tf.Tensor
    going: Hypotheses
    finished: Hypotheses
    states: Any


def search(
    step: Callable, states, rows, beams, begin: int, end: int, max_steps, length_penalty
) -> tuple[Hypotheses, Hypotheses]:
    """Finished and unfinished hypotheses, best first, -inf where there are fewer than `beams`.

    Args:
        step: `(previous (batch k,), states) -> (log p (batch k, V), states)`.
        states: What it starts from, each row `beams` times.
        rows, beams, max_steps, length_penalty: Scalars.
    """

    def score(hypotheses: Hypotheses):
        lengths = tf.math.count_nonzero(hypotheses.ids, -1, dtype=tf.float32) + 1.0
        return hypotheses.log_probabilities / ((5.0 + lengths) / 6.0) ** length_penalty

    def extend(beam: Beam) -> tuple[Beam]:
        ids, totals = beam.going
        last = tf.where(beam.steps == 0, begin, ids[..., -1])
        log_p, states = step(tf.reshape(last, [-1]), beam.states)
        vocabulary = log_p.shape[-1]
        totals = totals[..., tf.newaxis] + tf.reshape(log_p, [-1, beams, vocabulary])
        # At most one continuation of each hypothesis ends: 2 k leave k that do not.
        totals, places = tf.math.top_k(tf.reshape(totals, [rows, -1]), 2 * beams)
        parents, new = places // vocabulary, places % vocabulary
        ends = new == end
        ids = tf.gather(ids, parents, batch_dims=1)
        ids = tf.concat([ids, tf.where(ends, 0, new)[..., tf.newaxis]], -1)

        finishing = ends & (tf.range(2 * beams) < beams)
        ended = Hypotheses(ids, tf.where(finishing, totals, NONE))
        finished = _joined(_one_longer(beam.finished), ended)
        finished, _ = _best(finished, score(finished), beams)

        done = tf.reduce_all(finished.log_probabilities > NONE, -1, keepdims=True)
        going = Hypotheses(ids, tf.where(ends | done, NONE, totals))
        going, chosen = _best(going, going.log_probabilities, beams)
        parents = tf.gather(parents, chosen, batch_dims=1)
        parents = tf.reshape(parents + beams * tf.range(rows)[:, tf.newaxis], [-1])
        states = tf.nest.map_structure(lambda state: tf.gather(state, parents), states)
        return (Beam(beam.steps + 1, going, finished, states),)

    def goes_on(beam: Beam):
        return (beam.steps < max_steps) & tf.reduce_any(beam.going.log_probabilities > NONE)

    # The first id is a dummy: all hypotheses would be the same, but for one that counts.
    empty = tf.zeros([rows, beams, 1], tf.int32)
    first = tf.where(tf.range(beams) == 0, 0.0, NONE) * tf.ones([rows, 1])
    none = tf.fill([rows, beams], NONE)
    start = Beam(tf.constant(0), Hypotheses(empty, first), Hypotheses(empty, none), states)
    shapes = tf.nest.map_structure(lambda tensor: tensor.shape, start)
    growing = Hypotheses(tf.TensorShape([None, None, None]), tf.TensorShape([None, None]))
    shapes = shapes._replace(going=growing, finished=growing)
    (beam,) = tf.while_loop(goes_on, extend, (start,), shape_invariants=(shapes,))
    finished, _ = _best(beam.finished, score(beam.finished), beams)
    return _without_dummy(finished), _without_dummy(beam.going)


def _joined(one: Hypotheses, other: Hypotheses) -> Hypotheses:
    return Hypotheses(*(tf.concat(pair, 1) for pair in zip(one, other, strict=True)))


def _one_longer(hypotheses: Hypotheses) -> Hypotheses:
    return hypotheses._replace(ids=tf.pad(hypotheses.ids, [[0, 0], [0, 0], [0, 1]]))


def _best(hypotheses: Hypotheses, scores, count) -> tuple[Hypotheses, tf.Tensor]:
    """The best of each row, and their places; earlier ones where several are as good."""
    _, places = tf.math.top_k(scores, count)
    kept = (tf.gather(values, places, batch_dims=1) for values in hypotheses)
    return Hypotheses(*kept), places


def _without_dummy(hypotheses: Hypotheses) -> Hypotheses:
    return hypotheses._replace(ids=hypotheses.ids[..., 1:])
