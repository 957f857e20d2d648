"""Words as the character ids that ELMo reads (Jozefowicz et al. 2016; Peters et al. 2018)."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.options import Declared

# Symbols behind the 256 bytes; ids are one more, since id 0 says that there is no word.
BEGIN_SENTENCE, END_SENTENCE, BEGIN_WORD, END_WORD, PADDING = 256, 257, 258, 259, 260
VOCABULARY = 261
BOUNDARIES = {"<S>": BEGIN_SENTENCE, "</S>": END_SENTENCE}
LEAST_CHARACTERS = 3  # begin, one byte, end


def word_to_ids(word: str | bytes, max_characters_per_token: int = 50) -> np.ndarray:
    """The ids of one word, int32 `(max_characters_per_token,)`: begin, its bytes, end, padding.

    Text is taken in UTF-8; of a word with more bytes than fit the first ones stay, which may split a
    character. Nothing is lower-cased or normalised. Exactly `<S>` and `</S>` are the boundaries of a
    sentence. Lone surrogates, which UTF-8 does not have, are left out.
    """
    check_word(word)
    stored = word.encode("utf-8", "ignore") if isinstance(word, str) else word
    boundary = BOUNDARIES.get(stored.decode("latin-1"))
    inner = list(stored[: max_characters_per_token - 2]) if boundary is None else [boundary]
    ids = np.full(max_characters_per_token, PADDING + 1, np.int32)
    ids[: len(inner) + 2] = np.array([BEGIN_WORD, *inner, END_WORD]) + 1
    return ids


def batch_to_ids(
    sentences: Iterable[Sequence[str | bytes]], max_characters_per_token: int = 50
) -> np.ndarray:
    """Character ids of tokenised sentences, padded on the right: int32 `(B, T, characters)`.

    T is the longest sentence's number of words; places behind a sentence's end, and all of an empty
    sentence, hold zeros. An empty batch gives `(0, 0, characters)`. See `word_to_ids` for the words.

    Args:
        sentences: Lists of words; splitting text into words is up to you.
        max_characters_per_token: Ids of a word; what the model was trained with, 50 by default.

    Raises:
        TypeError: For a sentence that is one string, or words that are no text.
        ValueError: For less than 3 characters.

    Example:
        ```python
        ids = kr.elmo.batch_to_ids([["A", "first", "sentence"], ["Another"]])  # (2, 3, 50)
        ```
    """
    n = check_characters("max_characters_per_token", max_characters_per_token)
    if isinstance(sentences, str | bytes):
        raise TypeError(f"Give a list of lists of words. Received: the text {sentences[:60]!r}")
    rows = [words_of(sentence) for sentence in sentences]
    places: dict = {}
    steps = max(map(len, rows), default=0)
    index = np.zeros((len(rows), steps), np.int64)
    for i, row in enumerate(rows):
        try:
            index[i, : len(row)] = [places.setdefault(word, len(places) + 1) for word in row]
        except TypeError:  # what has no hash, tensors and lists among it, is no text
            for word in row:
                check_word(word)
            raise
    table = np.zeros((len(places) + 1, n), np.int32)
    for word, place in places.items():
        table[place] = word_to_ids(word, n)
    return table[index]


def check_word(word) -> None:
    if not isinstance(word, str | bytes):
        raise TypeError(
            "A word must be text (str or bytes); of tensors kr.elmo.CharacterIds makes ids. "
            f"Received: {word!r}"
        )


def tensor_of(sentences):
    """Lists or an array of words, or of ids, as a tensor."""
    try:
        return tf.constant(sentences)
    except ValueError as error:
        raise ValueError(
            "Sentences of several lengths are no tensor: give tf.ragged.constant(sentences) or "
            f"kr.elmo.batch_to_ids(sentences). {error}"
        ) from None


def words_of(sentence: Iterable) -> list:
    """The words of a sentence, which must have been split."""
    if isinstance(sentence, str | bytes):
        raise TypeError(
            "A sentence must be a list of words: split it first, sentence.split() being the "
            f"simplest way. Received: the text {sentence[:60]!r}"
        )
    return list(sentence)


def check_characters(name: str, value) -> int:
    number = options.positive_int("").check(name, value)
    if number < LEAST_CHARACTERS:
        raise ValueError(
            f"`{name}` must leave room for the begin and end of a word and a byte, "
            f"{LEAST_CHARACTERS} at least. Received: {name}={value!r}"
        )
    return number


@keras.saving.register_keras_serializable("keras_recurrent")
class CharacterIds(Declared, keras.layers.Layer):
    """Words as text to the character ids that `kr.elmo.BiLM` reads, within the graph.

    Input: strings `(batch, T)`, in which "" means that there is no word, or a ragged tensor of
    strings, in which it is an empty word. Output: int32 `(batch, T, characters)`, the same as
    `batch_to_ids` gives, zeros where there is no word. Bytes are taken as they are, UTF-8 or not.

    Keras takes strings as tensors (`tf.constant`, tf.data), not as NumPy arrays, in `fit` and
    `predict`. TFLite has no strings that could be split: export models that begin with ids.

    Raises:
        TypeError: For inputs that are no strings.
        ValueError: For inputs that are not `(batch, T)`.
    """

    max_characters_per_token = options.Option(
        check_characters, 50, "Ids of a word.", annotation=int
    )

    def __call__(self, words, *args, **kwargs):
        if isinstance(words, tf.RaggedTensor):
            if words.ragged_rank != 1 or words.shape.rank != 2:
                raise ValueError(
                    "Ragged words must have the shape (batch, ragged T). Received: shape "
                    f"{tuple(words.shape)}, ragged_rank {words.ragged_rank}"
                )
            flat = super().__call__(tf.expand_dims(words.values, 0), *args, empty_words=True)
            return words.with_values(flat[0]).to_tensor()
        if isinstance(words, list | tuple | np.ndarray):
            words = tensor_of(words)
        return super().__call__(words, *args, **kwargs)

    def call(self, words, empty_words: bool = False):
        if words.dtype != tf.string:
            raise TypeError(f"Words must be strings. Received: dtype {words.dtype.name}")
        if words.shape.rank != 2:
            raise ValueError(f"Words must be (batch, T). Received: shape {tuple(words.shape)}")
        n = self.max_characters_per_token
        room = n - 2
        stored = tf.cast(tf.io.decode_raw(words, tf.uint8, fixed_length=room), tf.int32)
        length = tf.minimum(tf.strings.length(words), room)[..., tf.newaxis]
        stored, length = self._with_boundaries(words, stored, length)
        place = tf.range(n)
        inner = tf.pad(stored, [[0, 0], [0, 0], [1, 1]])
        symbols = tf.where(place <= length, inner, PADDING)
        symbols = tf.where(place == length + 1, END_WORD, symbols)
        ids = tf.where(place == 0, BEGIN_WORD, symbols) + 1
        if empty_words:
            return ids
        return tf.where((words != "")[..., tf.newaxis], ids, 0)

    def _with_boundaries(self, words, stored, length):
        for text, symbol in BOUNDARIES.items():
            here = (words == text)[..., tf.newaxis]
            stored = tf.where(here, symbol, stored)
            length = tf.where(here, 1, length)
        return stored, length

    def compute_output_spec(self, words, empty_words: bool = False):
        if keras.backend.standardize_dtype(words.dtype) != "string":
            raise TypeError(f"Words must be strings. Received: dtype {words.dtype}")
        if len(words.shape) != 2:
            raise ValueError(f"Words must be (batch, T). Received: shape {tuple(words.shape)}")
        return keras.KerasTensor((*words.shape, self.max_characters_per_token), dtype="int32")
