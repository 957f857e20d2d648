"""The arguments of `embed`, checked."""

from collections.abc import Iterable

import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.elmo.bilm import BiLM
from keras_recurrent.elmo.characters import BOUNDARIES


def check_sentence(sentence) -> list:
    is_list = isinstance(sentence, Iterable) and not isinstance(sentence, str | bytes)
    words = list(sentence) if is_list else None
    if words is None or not all(isinstance(word, str | bytes) for word in words):
        raise TypeError(
            "A sentence must be a list of words, text.split() being the simplest way to get them. "
            f"Received: {sentence!r:.80}"
        )
    return words


def check_bilm(bilm, vocabulary) -> None:
    if not isinstance(bilm, BiLM):
        raise TypeError(f"`bilm` must be a kr.elmo.BiLM. Received: {bilm!r:.80}")
    if bilm.stateful:
        raise ValueError(
            "`embed` runs sentences of about one length together, and the vectors of a stateful biLM "
            "depend on what ran before. Load it with stateful=False (initial_state='warm' starts every "
            "sentence from kept states), or call it batch by batch."
        )
    if bilm.vocabulary_size is None and vocabulary is None:
        return
    words = bilm.vocabulary_size is not None
    if words != (vocabulary is not None):
        raise ValueError(
            "A biLM of whole words needs its `vocabulary`, a kr.elmo.Vocabulary; one of characters "
            f"takes none. Received: vocabulary_size={bilm.vocabulary_size}, vocabulary={vocabulary!r}"
        )
    check_words(bilm, vocabulary)


def check_words(bilm: BiLM, vocabulary) -> None:
    """Refuse a vocabulary that is not that of a biLM of whole words."""
    if len(vocabulary) != bilm.vocabulary_size or vocabulary.ids(BOUNDARIES) != [0, 1]:
        raise ValueError(
            f"The biLM has {bilm.vocabulary_size} words, <S> and </S> first; this is another's "
            f"vocabulary. Received: {vocabulary!r}"
        )


def check_layers(output, num_layers: int):
    """The numbers of layers, or "average"."""
    if isinstance(output, str):
        output = options.check_choice("output", output, ("all", "top", "average"))
        known = {"all": tuple(range(num_layers + 1)), "top": num_layers, "average": output}
        return known[output]
    layers = list(output) if isinstance(output, Iterable) else [output]
    fits = layers and all(type(layer) is int and 0 <= layer <= num_layers for layer in layers)
    if not fits:
        raise ValueError(
            f"`output` must be 'all', 'top', 'average', or layers from 0 to {num_layers}. "
            f"Received: output={output!r}"
        )
    return output if isinstance(output, int) else tuple(layers)


def check_dtype(dtype) -> str:
    try:
        known = tf.as_dtype(dtype)
    except TypeError:
        known = None
    if known is None or not known.is_floating:
        raise ValueError(f"`dtype` must be a kind of real numbers. Received: dtype={dtype!r}")
    return known.name


def check_cache(cache) -> int:
    if type(cache) is not int or cache < 0:
        raise ValueError(f"`cache` is a number of words, 0 for none. Received: cache={cache!r}")
    return cache
