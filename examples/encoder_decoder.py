"""What the examples with an encoder and a decoder share: training, decoding of many, attention."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

import keras_recurrent as kr
from examples.padding import padded
from examples.pair_batches import PairBatches
from keras_recurrent.applications import Decoded

WARM_UP = 200  # updates in which the learning rate rises
AT_ONCE = 256  # sequences decoded together

Decode = Callable[[np.ndarray], Decoded]


def fit(
    model: keras.Model, train: PairBatches, validation: PairBatches, epochs: int, rate: float
) -> dict[str, list[float]]:
    """Train with the true sequences as what was said before; the losses of each epoch, a step's mean.

    The learning rate rises to `rate` and then falls along a cosine to a hundredth of it.
    """
    updates = epochs * len(train)
    warm_up = min(WARM_UP, updates // 4)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 20, max(1, updates - warm_up), alpha=0.01, warmup_target=rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.Adam(schedule, clipnorm=1.0)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model.fit(train, epochs=epochs, validation_data=validation, verbose=2).history


def decode_all(decode: Decode, sources: Sequence[Sequence[int]], at_once: int = AT_ONCE) -> list:
    """The ids that `decode` makes of each source; of a beam search the best ones.

    Sources of similar length go together. `decode` is given ids `(at most at_once, T)`.
    """
    found: list[list[int]] = [[] for _ in sources]
    order = np.argsort([len(source) for source in sources], kind="stable")
    for start in range(0, len(order), at_once):
        chosen = order[start : start + at_once]
        group = [sources[place] for place in chosen]
        decoded = decode(padded(group))
        best = decoded.ids.ndim == 3  # (batch, beams, n)
        ids = decoded.ids[:, 0] if best else decoded.ids
        lengths = decoded.lengths[:, 0] if best else decoded.lengths
        for place, row, length in zip(chosen, ids, lengths, strict=True):
            found[place] = row[:length].tolist()
    return found


def attention(model: keras.Model, source: Sequence[int], said: Sequence[int]) -> np.ndarray:
    """How much the decoder looked at each id of the source when it said each id, the end at last.

    Rows of `(len(said) + 1, len(source))` add up to 1.
    """
    encoder, decoder = kr.applications.parts_of(model)
    previous, _ = kr.applications.teacher_forcing([said])
    memory = encoder(padded([source]), training=False)
    before = keras.Model(decoder.input, decoder.get_layer("with_context").input[0])
    inputs = {"previous": keras.ops.convert_to_tensor(previous), **memory}
    query = before(inputs, training=False)
    looks = decoder.get_layer("attention")
    _, scores = looks(query, memory["memory"], memory["memory_mask"], return_scores=True)
    return keras.ops.convert_to_numpy(scores)[0]
