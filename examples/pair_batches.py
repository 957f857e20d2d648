"""Batches of pairs of sequences, long ones with long ones, in few shapes."""

from collections.abc import Sequence

import keras
import numpy as np

import keras_recurrent as kr
from examples.padding import padded


class PairBatches(keras.utils.PyDataset):
    """What `sequence_to_sequence` reads and should say, anew shuffled every epoch.

    Pairs go into buckets by their longer side, so that little of a batch is padding, and all batches of
    a bucket have one shape, so that a compiled engine compiles once a bucket. A batch is filled up with
    other pairs of its bucket, drawn at random.

    Args:
        sources: Ids, above 0.
        targets: Ids, above 2: 1 stands for the begin and 2 for the end.
        batch: Pairs of a batch.
        bounds: The buckets' greatest numbers of steps; 1 of them is the end of the target. None may be
            longer than the last one.
        seed: Of the order.
    """

    def __init__(
        self,
        sources: Sequence[Sequence[int]],
        targets: Sequence[Sequence[int]],
        batch: int,
        bounds: Sequence[int],
        seed: int,
    ):
        super().__init__()
        if len(sources) != len(targets) or not len(sources):
            raise ValueError(
                "There must be as many sources as targets, and one at least. "
                f"Received: {len(sources)} and {len(targets)}"
            )
        longest = np.array([max(len(s), len(t) + 1) for s, t in zip(sources, targets, strict=True)])
        if longest.max() > bounds[-1]:
            raise ValueError(
                "No pair may need more steps than the last bucket has. "
                f"Received: bounds={bounds}, a pair with {longest.max()} steps"
            )
        self.batch, self.rng = batch, np.random.default_rng(seed)
        self.buckets = []
        for low, high in zip((0, *bounds), bounds, strict=False):
            (members,) = np.nonzero((low < longest) & (longest <= high))
            if len(members):
                self.buckets.append(_arrays(sources, targets, members, high))
        self.order: list[tuple[int, np.ndarray]] = []
        self.on_epoch_end()

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        bucket, rows = self.order[index]
        source, previous, targets = (array[rows] for array in self.buckets[bucket])
        return {"source": source, "previous": previous}, targets

    def on_epoch_end(self) -> None:
        order = []
        for number, (source, _, _) in enumerate(self.buckets):
            rows = self.rng.permutation(len(source))
            more = self.rng.integers(0, len(rows), -len(rows) % self.batch)
            parts = np.concatenate([rows, more]).reshape(-1, self.batch)
            order.extend((number, part) for part in parts)
        self.order = [order[place] for place in self.rng.permutation(len(order))]
        self._start_with_two_lengths()

    def _start_with_two_lengths(self) -> None:
        """Keras holds the length of the first two batches for that of all, unless they differ."""
        first, *others = (bucket for bucket, _ in self.order)
        for place, bucket in enumerate(others, start=1):
            if bucket != first:
                self.order[1], self.order[place] = self.order[place], self.order[1]
                return


def _arrays(sources, targets, members: np.ndarray, length: int) -> tuple[np.ndarray, ...]:
    source = padded([sources[i] for i in members], length)
    previous, wanted = kr.applications.teacher_forcing([targets[i] for i in members], length=length)
    return source, previous, wanted
