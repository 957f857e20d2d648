"""The example `names`: what is loaded, what is drawn and how names are scored."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from examples.datasets.baby_names import DECADES, SEXES, load_baby_names
from examples.datasets.baby_names.baby_names_dataset_builder import read_births, tenth_of
from examples.generation import name_scores
from examples.generation.batches import Sequences, batches_by_length
from examples.generation.likelihood import log_of_mixture, nats_of_each
from examples.generation.spelling import VOCABULARY_SIZE, Occurrences, decode, encode
from keras_recurrent.applications import teacher_forcing


def test_what_is_loaded():
    data = load_baby_names()
    names = {part: set(own.names) for part, own in data.items()}
    assert {part: len(own) for part, own in names.items()} == {
        "train": 77_787,
        "validation": 9_782,
        "test": 9_741,
    }
    assert len(set.union(*names.values())) == 97_310  # none is in two parts
    assert all(len(own.names) == len(own.births) for own in data.values())
    assert sum(int(own.births.sum()) for own in data.values()) == 348_120_517
    assert all(own.births.any((1, 2)).all() for own in data.values())
    part = next(own for own in data.values() if "Mary" in own.names)
    mary = part.births[part.names.index("Mary")]
    assert mary.shape == (len(SEXES), len(DECADES))
    assert mary[SEXES.index("F"), DECADES.index(1920)] > 100_000 > mary[SEXES.index("M")].max()
    for name in ("Mary", "Zyair"):
        assert decode([encode(name)]) == [name]


def test_births_are_added_up():
    table = pa.table(
        {
            "year": [1880.0, 1889.0, 1890.0, 2017.0],
            "sex": ["F", "F", "F", "M"],
            "name": ["Mary", "Mary", "Mary", "Ed"],
            "n": pa.array([5, 6, 7, 8], pa.int32()),
        }
    )
    file = io.BytesIO()
    pa.parquet.write_table(table, file)
    names, births = read_births(file.getvalue())
    assert names.tolist() == ["Ed", "Mary"]
    assert births[1, 0, :3].tolist() == [11, 7, 0]
    assert births[0, 1, -1] == 8
    assert births.sum() == 26


def test_the_part_of_a_name_does_not_depend_on_capitals():
    assert tenth_of("Mary") == tenth_of("MARY")
    sizes = np.bincount([tenth_of("a" * length) for length in range(2000)])
    assert len(sizes) == 10
    assert sizes.min() > 150


@pytest.mark.parametrize("name", ["", "Zoë", "Mary Ann"])
def test_other_letters(name):
    with pytest.raises(ValueError, match="a to z"):
        encode(name)


@pytest.fixture
def births():
    births = np.zeros((3, 2, 4), int)
    births[0, 0, 1] = 5
    births[1, 1, 0] = births[1, 1, 3] = births[1, 0, 3] = 9
    births[2, 1, 2] = births[2, 0, 2] = 1
    return births


def test_a_name_counts_once_and_is_drawn_evenly(births):
    occurrences = Occurrences.of(births)
    np.testing.assert_allclose(np.bincount(occurrences.names, occurrences.weights), 1)
    random = np.random.default_rng(0)
    drawn = np.stack([occurrences.draw(random) for _ in range(900)])
    assert all(births[(np.arange(3), *row.T)].all() for row in drawn)
    assert np.mean(drawn[:, 1] == [1, 3], 0)[1] == pytest.approx(2 / 3, abs=0.06)
    shares = np.zeros((2, 4))
    np.add.at(shares, tuple(drawn.reshape(-1, 2).T), 1 / drawn[..., 0].size)
    np.testing.assert_allclose(occurrences.prior((2, 4)), shares, atol=0.03)


def test_batches_hold_each_sequence_once_an_epoch():
    previous, targets = teacher_forcing([[3] * n for n in (1, 4, 2, 4, 1, 3, 2)])
    number = np.arange(7, dtype=np.int32)[:, np.newaxis]
    sequences = Sequences(
        {"previous": previous, "condition": number}, targets, np.count_nonzero(targets, axis=1)
    )
    batches = batches_by_length(lambda random: sequences, 3, seed=0)
    assert len(batches) == 3
    for _ in range(2):
        seen = []
        for inputs, some in batches.as_numpy_iterator():
            rows = inputs["condition"][:, 0]
            steps = sequences.lengths[rows].max()
            assert steps - sequences.lengths[rows].min() <= 2  # of like lengths
            np.testing.assert_array_equal(some, targets[rows, :steps])
            np.testing.assert_array_equal(inputs["previous"], previous[rows, :steps])
            seen += rows.tolist()
        assert sorted(seen) == list(range(7))


def uniform(inputs):
    """All letters and the end alike, whatever the condition."""
    return np.full((*inputs["previous"].shape, VOCABULARY_SIZE), 1 / 27)


def test_nats_count_letters_and_the_end(births):
    names = name_scores.Names(["Ann", "Bo", "Marilyn"], births)
    scores = name_scores.of_model(uniform, names)
    assert scores.overall == pytest.approx(np.log(27))
    known = births.any(0)
    np.testing.assert_allclose(scores.by_condition[known], np.log(27))
    assert np.isnan(scores.by_condition[~known]).all()
    mixed = name_scores.without_condition(uniform, names.names, np.full((2, 4), 1 / 8))
    assert mixed == pytest.approx(np.log(27))


def test_a_name_under_several_conditions_has_their_mean(births):
    def predict(inputs):  # 1/2 for boys, 1/4 for girls
        share = np.where(inputs["condition"][:, 0], 0.5, 0.25)[:, np.newaxis, np.newaxis]
        return np.broadcast_to(share, (*inputs["previous"].shape, VOCABULARY_SIZE))

    scores = name_scores.of_model(predict, name_scores.Names(["A", "Bo", "C"], births))
    bits = (2 * 2 + 3 * 4 / 3 + 2 * 1.5) / 7  # for each letter: girls 2, boys 1
    assert scores.overall == pytest.approx(bits * np.log(2))


def test_likelihood_of_rows_beside_a_loop():
    random = np.random.default_rng(1)
    p = random.random((5, 4, 6))
    p /= p.sum(-1, keepdims=True)
    targets = np.array([[3, 2, 0, 0], [5, 5, 4, 2], [2, 0, 0, 0], [3, 4, 2, 0], [4, 2, 0, 0]])
    rows = iter([p])
    found = nats_of_each(lambda inputs: next(rows), {"previous": targets}, targets)
    for row in range(5):
        expected = -sum(np.log(p[row, t, y]) for t, y in enumerate(targets[row]) if y)
        assert found[row] == pytest.approx(expected)


def test_mixture_of_small_probabilities():
    log_p = np.array([[-1000.0, -1001.0], [-2.0, -np.inf]])
    expected = [-1000 + np.log(0.25 + 0.75 * np.exp(-1)), -2 + np.log(0.25)]
    np.testing.assert_allclose(log_of_mixture(log_p, np.array([0.25, 0.75])), expected)
