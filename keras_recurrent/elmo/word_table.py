"""A biLM of characters turned into one of a fixed vocabulary: a table in place of the encoder."""

from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from keras_recurrent.elmo.bilm import BiLM
from keras_recurrent.elmo.characters import word_to_ids, words_of
from keras_recurrent.elmo.text import UNKNOWN
from keras_recurrent.elmo.vocabulary import SPECIAL, Vocabulary

_AT_ONCE = 512  # words: the convolutions hold some 100 kB a word


def fixed_vocabulary(words: Iterable[str]) -> Vocabulary:
    """The words of `with_vocabulary` in the order of its table.

    `<S>`, `</S>` and `<UNK>`, which stands for all other words, are the first ones; then the words in
    their order, each once.
    """
    if isinstance(words, str | bytes):
        raise TypeError(f"A vocabulary is a list of words. Received: {words[:60]!r}")
    words = words.words if isinstance(words, Vocabulary) else words
    return Vocabulary(tuple(dict.fromkeys((*SPECIAL, *words))))


def with_vocabulary(
    bilm: BiLM, words: Iterable[str] | Vocabulary, *, unknown: str = UNKNOWN
) -> BiLM:
    """The same language model for some words only: their vectors are computed once, here.

    table[row] = token_encoder(characters of fixed_vocabulary(words).words[row])

    On these words the result equals that of `bilm` to rounding (1e-6); convolutions, highways and
    projection are gone. For devices, where they are most of the file and of the time.

    Args:
        bilm: A model of characters; it stays as it is.
        words: The words, or a `kr.elmo.Vocabulary`; special ones are added.
        unknown: Whose vector stands for all other words. `<UNK>` is spelled like any word, which a
            model has learnt as far as its text held it; a rare name may do as well.

    Returns:
        A model with `vocabulary_size`, which reads the ids of `words_to_ids`.

    Raises:
        ValueError: For a model of whole words, or words that are none.

    Example:
        ```python
        small = kr.elmo.with_vocabulary(bilm, ["some", "words"])
        ids = kr.elmo.words_to_ids([["some", "other"]], kr.elmo.fixed_vocabulary(["some", "words"]))
        ```
    """
    if bilm.vocabulary_size is not None:
        raise ValueError(
            "Only a model of characters knows the vectors of words by their spelling. Received: a "
            f"BiLM with vocabulary_size={bilm.vocabulary_size}"
        )
    vocabulary = fixed_vocabulary(words)
    if not bilm.built:
        bilm.build()
    settings = {**bilm.get_config(), "vocabulary_size": len(vocabulary)}
    settings["given_characters"] = None
    settings["name"] = f"{bilm.name}_of_words"
    table = BiLM.from_config(settings)
    table.build()
    spelled = [unknown if word == UNKNOWN else word for word in vocabulary.words]
    table.token_encoder.embedding.assign(_vectors(bilm, spelled))
    for side, cells in bilm.cells.items():
        for cell, original in zip(table.cells[side], cells, strict=True):
            cell.set_weights(original.get_weights())
    for state, original in zip(table.warm_states, bilm.warm_states, strict=True):
        state.assign(original)
    return table


def _vectors(bilm: BiLM, words: Sequence[str]) -> np.ndarray:
    encode = tf.function(bilm.token_encoder, reduce_retracing=True)
    parts = [words[start : start + _AT_ONCE] for start in range(0, len(words), _AT_ONCE)]
    n = bilm.max_characters_per_token
    return np.concatenate(
        [encode(np.stack([word_to_ids(word, n) for word in part])).numpy() for part in parts]
    )


def words_to_ids(sentences: Iterable[Sequence[str]], vocabulary: Vocabulary) -> np.ndarray:
    """Numbers of words for a model of a fixed vocabulary, int32 `(B, T)`, zeros behind a sentence.

    Row + 1 of the model's table; `<UNK>`'s for words that are not there. In a graph
    `keras.layers.StringLookup(vocabulary=vocabulary.words, mask_token="", num_oov_indices=0)` gives the
    same for words that are there, and refuses others.

    Args:
        sentences: Lists of words.
        vocabulary: Of the model: `fixed_vocabulary(words)` for one of `with_vocabulary`.
    """
    rows = [vocabulary.ids(words_of(sentence)) for sentence in sentences]
    ids = np.zeros((len(rows), max(map(len, rows), default=0)), np.int32)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = np.array(row, np.int32) + 1
    return ids
