"""Training windows that begin anywhere in the recordings, each batch varied anew."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

# What the other arm would have measured: mirrored left to right, the watch's x axis, along the
# forearm, turns round; turning rates are pseudovectors and change sign on the other two axes.
OTHER_ARM = np.array([-1, 1, 1, 1, -1, -1], np.float32)


class Variation(NamedTuple):
    """How much a window is changed; zeros leave it as it was measured.

    Attributes:
        tilt: Standard deviation, in radians and about each axis, of how the watch sits on the wrist.
        speed: Standard deviation of the logarithm of how fast the exercise is done.
        mirrored: Share of the windows that are those of the other arm.
        noise: Standard deviation of what is added to every standardized sample.
    """

    tilt: float = 0.0
    speed: float = 0.0
    mirrored: float = 0.0
    noise: float = 0.0


class RandomWindows(keras.utils.PyDataset):
    """Batches `(batch_size, length, 6)` and labels, drawn in proportion to the recordings' lengths.

    Args:
        recordings: `(samples, 6)` each, three accelerations and three turning rates, standardized
            by one scale for all three axes: a tilt would mix them otherwise.
        labels: One for each recording.
        length: Samples of a window.
        batch_size: Windows of a batch.
        batches: Of an epoch.
        variation: What is done to the windows.
        seed: Of all that is drawn.
    """

    def __init__(
        self,
        recordings: Sequence[np.ndarray],
        labels: Sequence[int],
        length: int,
        batch_size: int,
        batches: int,
        variation: Variation,
        seed: int,
    ):
        super().__init__()
        self._lengths = np.array([len(recording) for recording in recordings])
        if self._lengths.min() <= length:
            raise ValueError(
                f"A recording has {self._lengths.min()} samples, too few for windows of {length} that "
                "begin anywhere. Shorten the windows or drop the recording."
            )
        self._samples = np.concatenate(recordings).astype(np.float32)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._labels = np.asarray(labels)
        self._length, self._batch_size, self._batches = length, batch_size, batches
        self._variation = variation
        self._random = np.random.default_rng(seed)

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        share = self._lengths / self._lengths.sum()
        chosen = self._random.choice(len(share), self._batch_size, p=share)
        x = self._cut(chosen)
        count, variation = len(x), self._variation
        if variation.tilt:
            turn = rotations(self._random.normal(0, variation.tilt, (count, 3)))
            x = np.concatenate([x[..., :3] @ turn, x[..., 3:] @ turn], -1)
        x[self._random.random(count) < variation.mirrored] *= OTHER_ARM
        if variation.noise:
            x += self._random.normal(0, variation.noise, x.shape)
        return x.astype(np.float32), self._labels[chosen]

    def _cut(self, chosen: np.ndarray) -> np.ndarray:
        """A window of each chosen recording, read faster or slower between its samples."""
        last = self._length - 1
        speed = np.exp(self._random.normal(0, self._variation.speed, len(chosen)))
        speed = np.clip(speed, 0.6, (self._lengths[chosen] - 1) / self._length)
        begin = self._random.uniform(0, self._lengths[chosen] - 1 - speed * last)
        places = begin[:, None] + speed[:, None] * np.arange(self._length)
        if not self._variation.speed:
            places = np.floor(places)
        before = np.minimum(places.astype(int), self._lengths[chosen, None] - 2)
        share = (places - before)[..., None].astype(np.float32)
        before += self._starts[chosen, None]
        x = (1 - share) * self._samples[before] + share * self._samples[before + 1]
        x[..., 3:] *= speed[:, None, None]  # who moves faster turns faster
        return x


def rotations(angles: np.ndarray) -> np.ndarray:
    """Matrices `(N, 3, 3)` that turn by vectors `(N, 3)` of radians (Rodrigues' formula)."""
    size = np.linalg.norm(angles, axis=1)[:, None, None]
    x, y, z = (angles / np.maximum(size[:, 0], 1e-12)).T
    none = np.zeros_like(x)
    cross = np.stack([none, -z, y, z, none, -x, -y, x, none], -1).reshape(-1, 3, 3)
    return np.eye(3) + np.sin(size) * cross + (1 - np.cos(size)) * (cross @ cross)
