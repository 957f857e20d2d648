"""Generation with a trained model, one id after the other: greedy, drawn, or by beam search."""

import random
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.applications import beam_search, token_choice
from keras_recurrent.applications.decoding_arguments import (
    check_boundaries,
    check_count,
    check_inputs,
    check_length_penalty,
    check_rows,
    check_temperature,
    check_top_p,
)
from keras_recurrent.applications.id_generation import GeneratingParts
from keras_recurrent.applications.traced import Traced
from keras_recurrent.options import check_seed


class Decoded(NamedTuple):
    """Generated sequences; `beam_search` gives `beams` a row, best first: `(batch, beams, ...)`.

    Attributes:
        ids: `(batch, n)` int32 for the longest's n; the end is left out, 0 stands behind it.
        lengths: `(batch,)`, how many ids each has.
        log_probabilities: `(batch,)`, the model's Σ_t log p(y_t | y_<t, source), the end's among them.
        finished: `(batch,)`, whether the end came within `max_steps`.
    """

    ids: np.ndarray
    lengths: np.ndarray
    log_probabilities: np.ndarray
    finished: np.ndarray


class _Progress(NamedTuple):
    """What goes from step to step of `greedy` and `sample`."""

    steps: tf.Tensor
    ids: tf.Tensor
    log_probabilities: tf.Tensor
    finished: tf.Tensor
    states: dict


class Decoder:
    """Generates sequences with a model of `one_to_many` or `sequence_to_sequence`.

    All rows go on together, in one graph that is traced once, until the last has ended. Neither 0, the
    padding, nor `begin` is ever generated. The methods take `inputs`, what the encoder reads: the source
    `(batch, T)`, padded with 0 on the right, or `(batch, T, features)`; the condition `(batch, C)`; for
    an unconditioned model none, and `rows`, how many sequences to generate. An empty batch gives an
    empty result.

    Args:
        model: It may be trained further: later calls take the new weights.
        begin, end: Ids that begin and end a sequence.

    Raises:
        ValueError: The model generates no ids, or an argument is unsuitable.
    """

    def __init__(self, model, begin: int = 1, end: int = 2):
        self._parts = GeneratingParts(model)
        self._begin, self._end = check_boundaries(begin, end, self._parts.vocabulary)
        ids = tf.range(self._parts.vocabulary)
        self._allowed = ((ids != 0) & (ids != begin)).numpy()
        symbolic = self._parts.input
        first = (
            tf.TensorSpec([], tf.int32)
            if symbolic is None
            else tf.TensorSpec([None, *symbolic.shape[1:]], symbolic.dtype)
        )
        whole, real = tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.float32)
        self._greedy = Traced(self._run_greedy, first, whole)
        seed = tf.TensorSpec([], tf.int64)
        self._sample = Traced(self._run_sample, first, whole, real, whole, real, seed)
        self._beam_search = Traced(self._run_beam_search, first, whole, whole, real)

    def greedy(self, inputs=None, max_steps: int = 100, rows: int | None = None) -> Decoded:
        """The most likely id in each step: y_t = argmax_v p(v | y_<t, source).

        Args:
            inputs, rows: See the class.
            max_steps: The most ids to generate, the end among them.
        """
        first, batch = self._first(inputs, rows)
        max_steps = check_count("max_steps", max_steps)
        return self._sequences(self._greedy, batch, first, max_steps)

    def sample(
        self,
        inputs=None,
        max_steps: int = 100,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        rows: int | None = None,
    ) -> Decoded:
        """Ids drawn from q(v) ∝ p(v | y_<t, source)^(1/temperature), or from the likely ones alone.

        Args:
            inputs, rows: See the class.
            max_steps: The most ids to generate, the end among them.
            temperature: Below 1 likely ids come more often than the model says, above 1 less often.
            top_k: Draw from the k most likely ids (Fan et al. 2018); None from all.
            top_p: Draw from the fewest most likely ids that have this share of q (nucleus sampling,
                Holtzman et al. 2020), after top_k; None from all.
            seed: The same seed and inputs give the same ids; None takes one from Python's `random`,
                which `keras.utils.set_random_seed` sets.
        """
        first, batch = self._first(inputs, rows)
        max_steps = check_count("max_steps", max_steps)
        temperature, top_p = check_temperature(temperature), check_top_p(top_p)
        top_k = self._parts.vocabulary if top_k is None else check_count("top_k", top_k)
        seed = check_seed("seed", seed)
        if seed is None:
            seed = random.randrange(2**31)
        arguments = (max_steps, temperature, top_k, top_p, seed % 2**63)
        return self._sequences(self._sample, batch, first, *arguments)

    def beam_search(
        self,
        inputs=None,
        max_steps: int = 100,
        beams: int = 5,
        length_penalty: float = 0.6,
        rows: int | None = None,
    ) -> Decoded:
        """The best sequences that a search of this width finds; with one beam those of `greedy`.

        Sequences of n ids, the end counted, are ranked by log p(y) / ((5 + n) / 6)^α (Wu et al. 2016).
        Finished ones stand before those that `max_steps` cut off. Where there are fewer than `beams`,
        the rest has no ids and log-probability -inf.

        Args:
            inputs, rows: See the class.
            max_steps: The most ids to generate, the end among them.
            beams: How many sequences go on at a time, and are returned.
            length_penalty: α; 0 ranks by probability, which favours short sequences.
        """
        first, batch = self._first(inputs, rows)
        max_steps, beams = check_count("max_steps", max_steps), check_count("beams", beams)
        length_penalty = check_length_penalty(length_penalty)
        if not batch:
            return _decoded(np.zeros((0, beams, 0)), np.zeros((0, beams)), np.zeros((0, beams)))
        finished, going = self._beam_search(first, max_steps, beams, length_penalty)
        return _best_first(finished, going, beams)

    def _first(self, inputs, rows) -> tuple:
        """What the graph starts from, and the number of rows."""
        symbolic = self._parts.input
        if symbolic is None:
            rows = check_rows(rows, inputs)
            return rows, rows
        array = check_inputs(
            inputs,
            rows,
            symbolic.name,
            tuple(symbolic.shape),
            keras.backend.standardize_dtype(symbolic.dtype),
            self._parts.input_sizes,
        )
        return array, len(array)

    def _sequences(self, graph: Traced, batch: int, *arguments) -> Decoded:
        if not batch:
            return _decoded(np.zeros((0, 0)), np.zeros(0), np.zeros(0))
        return _decoded(*graph(*arguments))

    # ------------------------------------------------------------ in the graph

    def _run_greedy(self, first, max_steps):
        return self._generate(first, max_steps, lambda log_p, _: token_choice.most_likely(log_p))

    def _run_sample(self, first, max_steps, temperature, top_k, top_p, seed):
        def choose(log_p, steps):
            seeds = tf.stack([seed, tf.cast(steps, tf.int64)])
            return token_choice.drawn(log_p, temperature, top_k, top_p, seeds)

        return self._generate(first, max_steps, choose)

    def _generate(self, first, max_steps, choose: Callable):
        """Run steps until all rows are finished; ids with 0 for and behind the end."""
        start = self._parts.start(first)
        rows = tf.shape(start[self._parts.states[0]])[0]
        constants = {name: start.pop(name) for name in self._parts.constants}

        def step(so_far: _Progress) -> tuple[_Progress]:
            steps, ids, total, finished, states = so_far
            last = tf.where(steps == 0, self._begin, ids[:, -1])
            log_p, states = self._step(last, states, constants)
            new = choose(log_p, steps)
            gained = tf.gather(log_p, new, batch_dims=1)
            total += tf.where(finished, 0.0, gained)
            finished |= new == self._end
            ids = tf.concat([ids, tf.where(finished, 0, new)[:, tf.newaxis]], 1)
            return (_Progress(steps + 1, ids, total, finished, states),)

        def goes_on(so_far: _Progress):
            return (so_far.steps < max_steps) & ~tf.reduce_all(so_far.finished)

        # One id that is dropped at the end, so that there is always a last.
        start = _Progress(
            tf.constant(0),
            tf.zeros([rows, 1], tf.int32),
            tf.zeros(rows),
            tf.zeros(rows, tf.bool),
            start,
        )
        shapes = tf.nest.map_structure(lambda tensor: tensor.shape, start)
        shapes = shapes._replace(ids=tf.TensorShape([None, None]))
        (end,) = tf.while_loop(goes_on, step, (start,), shape_invariants=(shapes,))
        return end.ids[:, 1:], end.log_probabilities, end.finished

    def _run_beam_search(self, first, max_steps, beams, length_penalty):
        start = self._parts.start(first)
        rows = tf.shape(start[self._parts.states[0]])[0]
        start = {name: tf.repeat(value, beams, 0) for name, value in start.items()}
        constants = {name: start.pop(name) for name in self._parts.constants}
        return beam_search.search(
            lambda previous, states: self._step(previous, states, constants),
            start,
            rows,
            beams,
            self._begin,
            self._end,
            max_steps,
            length_penalty,
        )

    def _step(self, previous, states, constants):
        log_p, states = self._parts.step(previous, states, constants)
        return tf.where(self._allowed, log_p, beam_search.NONE), states


def _decoded(ids, log_probabilities, finished) -> Decoded:
    lengths = np.count_nonzero(ids, -1)
    return Decoded(
        np.ascontiguousarray(ids[..., : lengths.max(initial=0)], "int32"),
        lengths.astype("int32"),
        np.asarray(log_probabilities, "float32"),
        np.asarray(finished, bool),
    )


def _best_first(finished, going, beams: int) -> Decoded:
    """Finished hypotheses, then those that were cut off, then empty places."""
    ids = np.concatenate([finished.ids, going.ids], 1)
    log_probabilities = np.concatenate([finished.log_probabilities, going.log_probabilities], 1)
    has_end = np.arange(2 * beams) < beams
    is_one = log_probabilities > beam_search.NONE
    order = np.argsort(np.where(is_one, ~has_end, 2), axis=1, kind="stable")[:, :beams]
    ids = np.take_along_axis(ids * is_one[..., np.newaxis], order[..., np.newaxis], 1)
    log_probabilities = np.take_along_axis(log_probabilities, order, 1)
    return _decoded(ids, log_probabilities, np.take_along_axis(is_one & has_end, order, 1))
