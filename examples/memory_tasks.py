"""Two tasks that need memory, made here: the adding problem and copy memory, of any length."""

from collections.abc import Iterator

import numpy as np

SYMBOLS, COPIED = 8, 10  # of the copy memory: how many kinds, how many in a row to remember
BLANK, RECALL = SYMBOLS, SYMBOLS + 1

# Mean squared error of always answering 1: the variance of the sum of two uniform numbers.
ADDING_CHANCE = 1 / 6


def copy_chance(delay: int) -> float:
    """Cross entropy, in nats a step, of blanks first and then any symbol with equal probability."""
    return COPIED * np.log(SYMBOLS) / (delay + 2 * COPIED)


def adding(rng: np.random.Generator, rows: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The adding problem (Hochreiter and Schmidhuber 1997): the sum of the two marked numbers.

    Args:
        rng: Where the numbers come from.
        rows: Sequences.
        steps: Their length T, at least 2.

    Returns:
        `(rows, T, 2)`: a number in [0, 1) and a mark, 1 at one step of the first half and one of the
        second, else 0; and the sums, `(rows, 1)`.
    """
    if steps < 2:
        raise ValueError(f"Two steps are marked, so `steps` must be at least 2. Received: {steps}")
    x = np.zeros((rows, steps, 2), "float32")
    x[..., 0] = rng.random((rows, steps))
    half, row = steps // 2, np.arange(rows)
    marked = rng.integers(0, half, rows), rng.integers(half, steps, rows)
    for place in marked:
        x[row, place, 1] = 1
    return x, np.sum([x[row, place, 0] for place in marked], 0)[:, np.newaxis]


def copying(rng: np.random.Generator, rows: int, delay: int) -> tuple[np.ndarray, np.ndarray]:
    """Copy memory (Arjovsky et al. 2016): ten symbols, to be given back later.

    Args:
        rng: Where the symbols come from.
        rows: Sequences.
        delay: T, at least 1: steps from the last symbol to the first one that is asked for.

    Returns:
        `(rows, T + 20, 10)`, one-hot: ten symbols, blanks with a sign to recall before the last ten
        steps, blanks; and the answers `(rows, T + 20)`: blanks, then the ten symbols.
    """
    if delay < 1:
        raise ValueError(f"`delay` must be at least 1. Received: {delay}")
    symbols = rng.integers(0, SYMBOLS, (rows, COPIED))
    read = np.full((rows, delay + 2 * COPIED), BLANK)
    answers = read.copy()
    read[:, :COPIED] = answers[:, -COPIED:] = symbols
    read[:, -COPIED - 1] = RECALL
    return np.eye(SYMBOLS + 2, dtype="float32")[read], answers.astype("int32")


def batches(task, rows: int, steps: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of a task without end, all of them new."""
    rng = np.random.default_rng(seed)
    while True:
        yield task(rng, rows, steps)
