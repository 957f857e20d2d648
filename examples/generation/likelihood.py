"""How likely a model finds sequences."""

from collections.abc import Callable

import numpy as np

TINY = np.finfo(np.float32).tiny
ROWS = 2048  # at a time, for the sake of memory


def nats_of_each(
    predict: Callable[[dict[str, np.ndarray]], np.ndarray],
    inputs: dict[str, np.ndarray],
    targets: np.ndarray,
) -> np.ndarray:
    """-Σ_t log p(y_t | y_<t, condition) of each row of `targets` `(N, T)`: `(N,)`, 0 is padding.

    `predict` takes some rows of `inputs` and gives probabilities `(rows, T, ids)`.
    """
    parts = []
    for start in range(0, len(targets), ROWS):
        rows = slice(start, start + ROWS)
        some, steps = targets[rows], max(1, np.count_nonzero(targets[rows], axis=1).max())
        some = some[:, :steps]
        given = {name: value[rows] for name, value in inputs.items()}
        given["previous"] = given["previous"][:, :steps]
        found = np.take_along_axis(predict(given), some[..., np.newaxis], axis=2)[..., 0]
        parts.append(-np.where(some > 0, np.log(np.maximum(found, TINY)), 0).sum(1))
    return np.concatenate(parts)


def log_of_mixture(log_p: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """log Σ_k shares_k exp(log_p_k) for `log_p` `(N, K)` and `shares` `(K,)`: `(N,)`."""
    top = log_p.max(1, keepdims=True)
    return np.log(np.exp(log_p - top) @ shares) + top[:, 0]
