"""What temperature, top-k and nucleus leave, against NumPy, and how often each id is drawn."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_recurrent.applications import token_choice

P = np.array([0.04, 0.31, 0.0, 0.2, 0.15, 0.3])


def left(p, temperature=1.0, top_k=None, top_p=1.0):
    """The distribution that is drawn from, in order: temperature, top-k, nucleus."""
    q = p ** (1 / temperature)
    if top_k is not None:
        q[np.argsort(-q)[top_k:]] = 0
    q /= q.sum()
    order = np.argsort(-q)
    needed = 1 + np.searchsorted(np.cumsum(q[order]), top_p)
    q[order[needed:]] = 0
    return q / q.sum()


def draws(p, count, temperature=1.0, top_k=None, top_p=1.0, seed=3):
    with np.errstate(divide="ignore"):
        rows = np.tile(np.log(p).astype("float32"), (count, 1))
    top_k = len(p) if top_k is None else top_k
    ids = token_choice.drawn(tf.constant(rows), temperature, top_k, top_p, [seed, 0])
    assert ids.dtype == tf.int32
    return np.bincount(ids.numpy(), minlength=len(p))


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 3.0},
        {"top_k": 3},
        {"top_k": 9},
        {"top_p": 0.6},
        {"top_p": 0.62},
        {"top_p": 0.05},
        {"top_k": 3, "top_p": 0.7},
        {"temperature": 2.0, "top_k": 4, "top_p": 0.75},
    ],
    ids=str,
)
def test_how_often_ids_come(how):
    q = left(P, **how)
    counts = draws(P, 20_000, **how)
    assert not counts[q == 0].any()
    if (q > 0).sum() > 1:
        assert stats.chisquare(counts[q > 0], 20_000 * q[q > 0]).pvalue > 1e-3


def test_top_p_counts_what_top_k_left():
    """0.31 + 0.3 are 0.61 of all, but 0.75 of the first three."""
    assert (left(P, top_k=3, top_p=0.7) > 0).sum() == 2
    assert (left(P, top_p=0.7) > 0).sum() == 3


def test_the_likeliest_and_of_equals_the_first():
    rows = tf.constant([[-np.inf, -1.0, -0.5, -0.5], [-np.inf, -0.1, -9.0, -3.0]], tf.float32)
    assert token_choice.most_likely(rows).numpy().tolist() == [2, 1]
