"""Windows of long recordings, split in time so that no test sample is seen in training."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np


def split_in_time(
    recordings: Sequence[np.ndarray], shares: Sequence[float] = (0.60, 0.15, 0.25)
) -> tuple[list[np.ndarray], ...]:
    """Cut every recording into consecutive parts, by default train, validation and test.

    The default trains on 12 of 20 repetitions, validates on 3 and tests on the last 5: enough for
    several test windows per recording, and later in time than all that a model has been fitted to.
    """
    shares = np.asarray(shares, dtype=float)
    if shares.ndim != 1 or np.any(shares <= 0) or not np.isclose(shares.sum(), 1.0):
        raise ValueError(
            f"shares must be positive and add up to 1, got {shares.tolist()}. "
            "Pass one share per part, such as (0.6, 0.15, 0.25)."
        )
    inner_borders = np.cumsum(shares)[:-1]
    pieces = [
        np.split(recording, np.rint(inner_borders * len(recording)).astype(int))
        for recording in recordings
    ]
    return tuple([pieces_of_one[part] for pieces_of_one in pieces] for part in range(len(shares)))


def split_by_subject(
    subjects: Sequence[int], held_out: Collection[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the recordings of all other subjects, and of the held-out ones."""
    is_held_out = np.isin(subjects, list(held_out))
    unknown = sorted(set(held_out) - set(np.unique(subjects).tolist()))
    if unknown or is_held_out.all() or not is_held_out.any():
        raise ValueError(
            f"held_out must name some, not all, of the subjects {np.unique(subjects).tolist()}, "
            f"got {sorted(held_out)}. Leave at least one subject for training."
        )
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def cut_windows(
    recordings: Sequence[np.ndarray], labels: Sequence[int], length: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """Windows (N, length, channels) inside single recordings, and the label of each.

    A window starts every `step` samples; what is left at the end of a recording is not used.
    """
    if length < 1 or step < 1:
        raise ValueError(
            f"length and step must be at least 1, got length={length}, step={step}. "
            "Give both as numbers of samples."
        )
    if len(recordings) != len(labels) or not len(recordings):
        raise ValueError(
            f"Every recording needs one label, got {len(recordings)} recordings and "
            f"{len(labels)} labels. Pass two non-empty sequences of the same length."
        )
    windows = [_windows_of_one(r, index, length, step) for index, r in enumerate(recordings)]
    counts = [len(of_one) for of_one in windows]
    return np.concatenate(windows), np.repeat(np.asarray(labels), counts)


def _windows_of_one(recording: np.ndarray, index: int, length: int, step: int) -> np.ndarray:
    if recording.ndim != 2:
        raise ValueError(
            f"A recording must have shape (samples, channels), got {recording.shape} at index "
            f"{index}. Reshape it before cutting windows."
        )
    if len(recording) < length:
        raise ValueError(
            f"Recording {index} has {len(recording)} samples, fewer than one window of {length}. "
            "Shorten the window or drop the recording."
        )
    starts = np.arange(0, len(recording) - length + 1, step)
    return recording[starts[:, None] + np.arange(length)]


class Standardizer(NamedTuple):
    """Shift and scale per channel: fit it to training windows only, apply it to all."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, windows: np.ndarray) -> "Standardizer":
        """Mean and standard deviation of each channel over all windows."""
        mean, scale = windows.mean(axis=(0, 1)), windows.std(axis=(0, 1))
        if not np.all(np.isfinite(scale) & (scale > 0)):
            raise ValueError(
                "Every channel must be finite and vary in the training windows, got standard "
                f"deviations {scale.tolist()}. Remove constant channels and NaNs first."
            )
        return cls(mean, scale)

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """The windows, standardized, as float32."""
        return ((windows - self.mean) / self.scale).astype(np.float32)
