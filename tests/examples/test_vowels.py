"""Vowels: the data, the baseline, padding that changes nothing, folds that keep occasions apart."""

import numpy as np
import pytest

from examples import vowels
from examples.datasets.vowels import CHANNELS, SPEAKERS, load_vowels
from examples.datasets.vowels.vowels_dataset_builder import read_ts
from examples.padding import padded
from examples.time_warping import nearest, warped_distances


def test_data(tmp_path):
    training, test = load_vowels(data_dir=tmp_path)
    assert np.bincount(training.speakers).tolist() == [30] * SPEAKERS
    assert np.bincount(test.speakers).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    for part, lengths in ((training, (7, 26)), (test, (7, 29))):
        counts = [len(series) for series in part.series]
        assert (min(counts), max(counts)) == lengths
        assert all(series.shape[1:] == (CHANNELS,) for series in part.series)
        assert all(np.abs(series).max(1).min() > 0 for series in part.series)  # no frame is padding
    np.testing.assert_allclose(
        training.series[0][:2, :2], [[1.860936, -0.207383], [1.891651, -0.193249]]
    )


def test_lines_of_a_ts_file():
    channels = [f"{number},{-number}" for number in range(CHANNELS)]
    content = "\n".join(["# about", "@data", ":".join([*channels, "3"]), ""])
    ((series, speaker),) = read_ts(content.encode())
    assert speaker == 2
    np.testing.assert_array_equal(series, [np.arange(12), -np.arange(12)])
    with pytest.raises(
        ValueError, match=r"Line 1 should hold 12 channels .* found the lengths \[2\]"
    ):
        list(read_ts(b"1,2:4"))


def by_recursion(a, b):
    """The definition, one pair at a time."""
    cost = np.full((len(a) + 1, len(b) + 1), np.inf)
    cost[0, 0] = 0
    for i, j in np.ndindex(len(a), len(b)):
        least = min(cost[i, j + 1], cost[i + 1, j], cost[i, j])
        cost[i + 1, j + 1] = least + np.sum((a[i] - b[j]) ** 2)
    return cost[-1, -1]


def test_time_warping():
    rng = np.random.default_rng(0)
    queries, series = (
        [rng.normal(size=(rng.integers(1, 9), 3)) for _ in range(count)] for count in (19, 5)
    )
    distances = warped_distances(queries, series)
    np.testing.assert_allclose(distances, [[by_recursion(q, s) for s in series] for q in queries])
    slower = [np.repeat(one, 3, axis=0) for one in series]  # as near as can be, once warped
    assert nearest(slower, series, [4, 3, 2, 1, 0]).tolist() == [4, 3, 2, 1, 0]
    with pytest.raises(ValueError, match="0 queries and 5 series"):
        warped_distances([], series)


def ragged(lengths=(7, 12, 29)):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(length, CHANNELS)).astype(np.float32) for length in lengths]


def test_padding():
    series = vowels.pad(ragged())
    assert series.shape == (3, 29, CHANNELS)
    assert series.dtype == np.float32
    assert (series != 0).any(-1).sum(1).tolist() == [7, 12, 29]
    with pytest.raises(ValueError, match="30 steps, more than the 29"):
        vowels.pad(ragged((7, 30)))
    np.testing.assert_array_equal(padded([[4], [5, 6]]), [[4, 0], [5, 6]])


def test_blurred_batches_keep_padding_and_labels():
    series, speakers = ragged([9] * 40), np.arange(40) % SPEAKERS
    data = vowels.Blurred(vowels.pad(series), speakers, seed=0)
    assert len(data) == 2
    x, y = (np.concatenate(parts) for parts in zip(data[0], data[1], strict=True))
    assert len(x) == len(y) == 40
    assert np.all(x[:, 9:] == 0)
    assert np.all(x[:, :9] != 0)
    # Shuffled, but each series still has its speaker.
    nearest_series = nearest([row[:9] for row in x], series, speakers)
    np.testing.assert_array_equal(nearest_series, y.argmax(1))
    assert y.argmax(1).tolist() != speakers.tolist()
    assert np.abs(data[0][0] - x[:27]).max() > 0.1  # blurred anew


def test_folds_hold_out_stretches_of_every_speaker():
    part = vowels.Part([np.zeros((7, CHANNELS))] * 270, np.repeat(np.arange(SPEAKERS), 30))
    held_out = [outside for _, outside in vowels.folds(part)]
    np.testing.assert_array_equal(np.sort(np.concatenate(held_out)), np.arange(270))
    for inside, outside in vowels.folds(part):
        assert not set(inside) & set(outside)
        assert np.bincount(part.speakers[outside]).tolist() == [6] * SPEAKERS
        assert np.all(np.diff(outside.reshape(SPEAKERS, 6)) == 1)
