"""Beam search against all sequences there are, and against one written for a single row."""

import numpy as np
import pytest
from applications.decoding_kit import next_log_p, storyteller, translator

from keras_recurrent.applications import Decoder

SOURCE = np.array([[1, 2, 3, 0], [4, 5, 0, 0], [6, 6, 6, 6], [2, 1, 4, 3]], "int32")
END = 2


def rank(total, steps, alpha):
    return total / ((5 + steps) / 6) ** alpha


def by_hand(log_p_after, beams, max_steps, alpha):
    """One row: `log_p_after(ids)` as `next_log_p` gives it. (ids, log p, finished), best first."""
    going, finished = [([], 0.0)], []
    for step in range(1, max_steps + 1):
        longer = [
            (ids, new, total + value)
            for ids, total in going
            for new, value in enumerate(log_p_after(ids))
            if value > -np.inf
        ]
        longer.sort(key=lambda one: -one[2])
        for ids, new, total in longer[:beams]:
            if new == END:
                finished.append((rank(total, step, alpha), ids, total))
        finished = sorted(finished, key=lambda one: -one[0])[:beams]
        going = [([*ids, new], total) for ids, new, total in longer if new != END][:beams]
        if len(finished) == beams:
            going = []
            break
    result = [(ids, total, True) for _, ids, total in finished]
    return (result + [(ids, total, False) for ids, total in going])[:beams]


def everything(log_p_after, vocabulary, max_steps, alpha):
    """All sequences of at most `max_steps` steps, ranked; those without an end behind."""
    going, finished = [([], 0.0)], []
    for step in range(1, max_steps + 1):
        longer = [
            ([*ids, new], total + log_p_after(ids)[new])
            for ids, total in going
            for new in range(2, vocabulary)
        ]
        finished += [
            (rank(total, step, alpha), ids[:-1], total) for ids, total in longer if ids[-1] == END
        ]
        going = [(ids, total) for ids, total in longer if ids[-1] != END]
    finished.sort(key=lambda one: -one[0])
    going.sort(key=lambda one: -one[1])
    return [(ids, t, True) for _, ids, t in finished] + [(ids, t, False) for ids, t in going]


def same(decoded, row, expected):
    for place, (ids, total, finished) in enumerate(expected):
        got = decoded.ids[row, place]
        assert got.tolist() == ids + [0] * (len(got) - len(ids))
        assert decoded.lengths[row, place] == len(ids)
        assert decoded.finished[row, place] == finished
        np.testing.assert_allclose(decoded.log_probabilities[row, place], total, atol=3e-5)
    for place in range(len(expected), decoded.ids.shape[1]):  # there are no more
        assert not decoded.ids[row, place].any()
        assert decoded.log_probabilities[row, place] == -np.inf
        assert not decoded.finished[row, place]


@pytest.fixture(scope="module")
def attentive():
    model = translator(seed=34)
    readers = [
        next_log_p(model, {"source": SOURCE[row : row + 1]}, 6) for row in range(len(SOURCE))
    ]
    return Decoder(model), readers


@pytest.fixture(scope="module")
def small():
    model = storyteller(vocabulary=5, seed=4)
    return Decoder(model), next_log_p(model, {}, 4)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_with_enough_beams_it_finds_all_sequences_in_their_order(small, alpha):
    decoder, log_p_after = small
    expected = everything(log_p_after, 5, 4, alpha)
    assert len(expected) == (1 + 2 + 4 + 8) + 16
    decoded = decoder.beam_search(rows=2, max_steps=4, beams=35, length_penalty=alpha)
    assert decoded.ids.shape == (2, 35, 4)
    for row in range(2):
        same(decoded, row, expected)


def test_the_length_penalty_changes_the_order(small):
    decoder, _ = small
    shortest, longest = (
        decoder.beam_search(rows=1, max_steps=4, beams=35, length_penalty=alpha).lengths[0, 0]
        for alpha in (0.0, 5.0)
    )
    assert shortest < longest


@pytest.mark.parametrize(("beams", "alpha"), [(1, 0.6), (2, 0.0), (3, 1.0), (4, 0.6)])
def test_against_one_row_by_hand(attentive, beams, alpha):
    decoder, readers = attentive
    decoded = decoder.beam_search(SOURCE, 6, beams, alpha)
    assert decoded.ids.shape[:2] == (len(SOURCE), beams)
    for row, log_p_after in enumerate(readers):
        same(decoded, row, by_hand(log_p_after, beams, 6, alpha))


def test_one_beam_is_greedy(attentive):
    decoder, _ = attentive
    greedy, beam = decoder.greedy(SOURCE, 9), decoder.beam_search(SOURCE, 9, beams=1)
    assert 0 < greedy.finished.sum() < len(SOURCE)
    for one, other in zip(greedy, beam, strict=True):
        np.testing.assert_allclose(one, other[:, 0], atol=1e-5)


def test_wider_beams_find_likelier_sequences(attentive):
    decoder, _ = attentive
    best = [decoder.beam_search(SOURCE, 6, beams, 0.0).log_probabilities[:, 0] for beams in (1, 40)]
    finished = decoder.greedy(SOURCE, 6).finished
    assert (best[1][finished] >= best[0][finished] - 1e-5).all()


def test_other_ids_for_begin_and_end():
    """The same model with ids exchanged in every table gives the same sequences, exchanged."""
    model = storyteller(seed=4)
    order = np.array([0, 4, 3, 2, 1, 5])
    expected = Decoder(model).beam_search(rows=1, max_steps=5, beams=3)
    decoder = model.get_layer("decoder")
    embedding, dense = decoder.layers[1], decoder.layers[-1]
    embedding.set_weights([embedding.get_weights()[0][order]])
    kernel, bias = dense.get_weights()
    dense.set_weights([kernel[:, order], bias[order]])
    exchanged = Decoder(model, begin=4, end=3).beam_search(rows=1, max_steps=5, beams=3)
    np.testing.assert_array_equal(exchanged.ids, order[expected.ids])
    np.testing.assert_allclose(exchanged.log_probabilities, expected.log_probabilities, atol=1e-5)
