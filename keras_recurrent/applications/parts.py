"""The two models inside a generating model."""

from typing import NamedTuple

import keras

from keras_recurrent.keras_hooks import all_layers


class Parts(NamedTuple):
    """The models that `one_to_many` and `sequence_to_sequence` consist of.

    Attributes:
        encoder: From the source or the condition to a dictionary: the decoder's first states
            `state_1_h`, ..., and with attention `memory` and `memory_mask`. None without a condition:
            states start from zeros.
        decoder: From a dictionary with `previous`, the states and the memory to one with `output` and
            the new states, for any number of steps.
    """

    encoder: keras.Model | None
    decoder: keras.Model


def parts_of(model: keras.Model) -> Parts:
    """The encoder and the decoder of a generating model; they share its weights.

    Raises:
        ValueError: The model is none of `one_to_many` or `sequence_to_sequence`.
    """
    found = {la.name: la for la in all_layers(model) if isinstance(la, keras.Model)}
    decoder = found.get("decoder")
    names = set(getattr(decoder, "output_names", ())) if decoder is not None else set()
    if decoder is None or "output" not in names:
        raise ValueError(
            "Decoding needs a model of kr.applications.one_to_many or sequence_to_sequence, which "
            f"hold a model named 'decoder'. Received: {getattr(model, 'name', model)!r}"
        )
    return Parts(found.get("encoder"), decoder)
