"""The two tasks of the study of vanishing gradients, its cells and its verdict."""

import keras
import numpy as np
import pytest

import keras_recurrent as kr
from examples import memory_tasks as tasks
from examples.memory_cells import KINDS, UNITS, build
from examples.vanishing_gradients import Run, judge


def _rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("steps", [2, 7, 50])
def test_adding_is_the_sum_of_one_marked_number_of_each_half(steps):
    x, y = tasks.adding(_rng(), 500, steps)
    assert x.shape == (500, steps, 2)
    assert y.shape == (500, 1)
    half, marks = steps // 2, x[..., 1]
    assert set(np.unique(marks)) <= {0.0, 1.0}
    np.testing.assert_array_equal(marks[:, :half].sum(1), 1)
    np.testing.assert_array_equal(marks[:, half:].sum(1), 1)
    np.testing.assert_allclose(y[:, 0], (x[..., 0] * marks).sum(1), rtol=1e-6)
    assert np.mean((y - 1) ** 2) == pytest.approx(tasks.ADDING_CHANCE, rel=0.1)
    if steps == 50:
        assert np.all(marks.any(0))  # every place is drawn


def test_copying_asks_for_the_first_symbols_at_the_end():
    x, y = tasks.copying(_rng(), 300, 5)
    assert x.shape == (300, 25, 10)
    np.testing.assert_array_equal(x.sum(-1), 1)
    read = x.argmax(-1)
    np.testing.assert_array_equal(read[:, :10], y[:, -10:])
    assert set(np.unique(read[:, :10])) == set(range(8))
    np.testing.assert_array_equal(read[:, 14], tasks.RECALL)
    rest = np.delete(read, 14, 1)[:, 10:]
    assert np.all(rest == tasks.BLANK)
    assert np.all(y[:, :-10] == tasks.BLANK)


def test_the_chance_level_of_copying_is_that_of_an_answer_without_memory():
    _, y = tasks.copying(_rng(), 4, 30)
    p = np.zeros((4, 50, 9))
    p[:, :40, tasks.BLANK] = 1
    p[:, 40:, :8] = 1 / 8
    nats = -np.log(np.take_along_axis(p, y[..., np.newaxis], -1))
    assert nats.mean() == pytest.approx(tasks.copy_chance(30))


def test_batches_are_new_and_come_again_with_the_seed():
    first, again = (tasks.batches(tasks.adding, 4, 6, seed=3) for _ in range(2))
    one, two = next(first)[0], next(first)[0]
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(next(again)[0], one)


def test_too_short():
    with pytest.raises(ValueError, match="steps"):
        tasks.adding(_rng(), 3, 1)
    with pytest.raises(ValueError, match="delay"):
        tasks.copying(_rng(), 3, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_memories_of_untrained_gates_last_from_one_step_to_all(kind):
    """The share of the past that a gate without input keeps is n / (n + 1), n from 1 to T - 1."""
    model = build(kind, 100, 2, 1, False, "loop")
    layer = model.get_layer(kind)
    assert isinstance(layer, kr.RNN)
    x = np.zeros((1, 1, 2), "float32")
    if not KINDS[kind].gated:
        assert not np.any(layer.get_weights()[2])
        return
    # of a state of ones, with a candidate of 0 and no recurrent part
    kernel, recurrent, bias = layer.get_weights()
    layer.set_weights([kernel, np.zeros_like(recurrent), bias])
    step = kr.RNN(layer.cell, return_state=True)
    states = step(x, initial_state=[np.ones((1, UNITS), "float32")] * len(step(x)[1:]))[1:]
    kept = keras.ops.convert_to_numpy(states[-1])[0]
    n = kept / (1 - kept)
    assert np.all((n > 0.99) & (n < 99.5))
    assert n.max() - n.min() > 50


def _runs(losses: dict) -> list[Run]:
    return [
        Run("adding", kind, length, tasks.ADDING_CHANCE, loss, 100, [])
        for (kind, length), loss in losses.items()
    ]


def test_the_verdict_is_about_lengths_where_tanh_stays_at_chance():
    losses = {("tanh", 50): 0.03, ("gru", 50): 0.2, ("tanh", 100): 0.17, ("gru", 100): 0.01}
    losses |= {("lstm", 100): 0.02, ("irnn", 100): 0.3}
    verdict = judge(_runs(losses))
    assert verdict.lengths == [100]
    assert (verdict.tanh, verdict.gated) == (0.17, 0.02)
    assert verdict.reached
    assert not judge(_runs(losses | {("lstm", 100): 0.06})).reached
    nowhere = judge(_runs(losses | {("tanh", 100): 0.1}))
    assert nowhere.lengths == []
    assert not nowhere.reached
