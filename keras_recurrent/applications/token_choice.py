"""Which id comes next, given the logarithms of the probabilities of all of them."""

import tensorflow as tf


def most_likely(log_probabilities):
    """`(batch, V)` to `(batch,)`: argmax_v p(v), the smallest id where several are as likely."""
    return tf.argmax(log_probabilities, -1, tf.int32)


def drawn(log_probabilities, temperature, top_k, top_p, seed):
    """`(batch, V)` to `(batch,)`: draws from what temperature, top-k and nucleus leave, in this order.

    With the ids sorted by p, and q the distribution that is drawn from:

        q(v) ∝ p(v)^(1/temperature)
        top-k: the first k ids are kept (Fan et al. 2018)
        nucleus: of these the fewest whose q add up to top_p or more (Holtzman et al. 2020)

    Args:
        log_probabilities: -inf for ids that must not come.
        temperature, top_k, top_p: Scalars; k = V and p = 1 keep all.
        seed: Two whole numbers, on which alone the draw depends.
    """
    vocabulary = log_probabilities.shape[-1]
    log_probabilities, ids = tf.math.top_k(log_probabilities, vocabulary)
    # The best one's becomes 0, so that it stays finite however low the temperature is.
    logits = (log_probabilities - log_probabilities[:, :1]) / temperature
    nothing = tf.fill(tf.shape(logits), logits.dtype.min)
    logits = tf.where(tf.range(vocabulary) < top_k, logits, nothing)
    before = tf.cumsum(tf.nn.softmax(logits), -1, exclusive=True)
    # Sums of floats may reach 1 before the last id.
    logits = tf.where((before < top_p) | (top_p >= 1.0), logits, nothing)
    places = tf.random.stateless_categorical(logits, 1, seed, tf.int32)
    return tf.gather(ids, places[:, 0], batch_dims=1)
