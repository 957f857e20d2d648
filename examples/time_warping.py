"""A baseline without learning: the nearest training series by dynamic time warping."""

from collections.abc import Sequence

import numpy as np

AT_ONCE = 16  # queries: bounds the memory


def warped_distances(queries: Sequence[np.ndarray], series: Sequence[np.ndarray]) -> np.ndarray:
    """Distances `(queries, series)` between sequences `(T, channels)` of any lengths.

    The least sum, over all monotone alignments from start to end, of squared Euclidean distances of
    the frames, all channels together and with no window ("DTW_D" of Shokoohi-Yekta et al. 2017).
    """
    if not len(queries) or not len(series):
        raise ValueError(
            f"Both must hold sequences. Received: {len(queries)} queries and {len(series)} series."
        )
    parts = range(0, len(queries), AT_ONCE)
    return np.concatenate([_of_some(queries[i : i + AT_ONCE], series) for i in parts])


def nearest(queries: Sequence[np.ndarray], series: Sequence[np.ndarray], labels) -> np.ndarray:
    """The label of each query's nearest series."""
    return np.asarray(labels)[warped_distances(queries, series).argmin(1)]


def _of_some(queries: Sequence[np.ndarray], series: Sequence[np.ndarray]) -> np.ndarray:
    a, ends_a = _padded(queries)
    b, ends_b = _padded(series)
    # (T_a, T_b, queries, series), so that a cell of the recursion is one contiguous array
    cost = np.stack([((row[:, None, None] - b) ** 2).sum(-1) for row in a.swapaxes(0, 1)])
    cost = cost.transpose(0, 3, 1, 2).copy()
    for i, j in np.ndindex(cost.shape[:2]):
        before = [cost[p, q] for p, q in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if min(p, q) >= 0]
        if before:
            cost[i, j] += np.minimum.reduce(before)
    return cost[ends_a[:, None], ends_b, np.arange(len(a))[:, None], np.arange(len(b))]


def _padded(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """One array `(N, longest, channels)` and the index of each one's last frame."""
    lengths = np.array([len(sequence) for sequence in sequences])
    padded = np.zeros((len(sequences), lengths.max(), sequences[0].shape[1]))
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded, lengths - 1
