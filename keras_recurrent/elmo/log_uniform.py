"""Words drawn by a guess of their frequency, without drawing one twice."""

import numpy as np
import tensorflow as tf


def log_uniform(classes: int) -> np.ndarray:
    """p(k) = log((k + 2) / (k + 1)) / log(classes + 1), about how frequent word k is."""
    k = np.arange(classes, dtype=np.float64)
    return (np.log1p(1 / (k + 1)) / np.log(classes + 1)).astype(np.float32)


def draw(uniform, probabilities, samples: int):
    """Draw `samples` different classes, as if by one draw after the other that skips what it has.

    Class k comes at the time t_k = -log(1 - u_k) / p_k, and the earliest ones are taken: they are
    distributed as those first seen in a row of independent draws. With the time τ of the first one that
    is not taken and q_k = 1 - exp(-p_k τ), a sum over the taken ones with the weights 1 / q_k is on
    average the sum over all (Cohen and Kaplan 2007).

    Args:
        uniform: u, `(classes,)`, in [0, 1).
        probabilities: p, `(classes,)`.
        samples: How many; fewer than there are classes.

    Returns:
        The classes `(samples,)`, and log q of all classes, `(classes,)`.
    """
    times = -tf.math.log1p(-uniform) / probabilities
    earliest, taken = tf.math.top_k(-times, samples + 1)
    return taken[:-1], tf.math.log(-tf.math.expm1(probabilities * earliest[-1]))
