"""Vectors of many sentences: `embed`."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.elmo import context as contexts
from keras_recurrent.elmo.bilm import BiLM
from keras_recurrent.elmo.characters import BOUNDARIES
from keras_recurrent.elmo.embedding_arguments import (
    check_bilm,
    check_cache,
    check_dtype,
    check_layers,
    check_sentence,
)
from keras_recurrent.elmo.reader import reader_of
from keras_recurrent.elmo.vocabulary import Vocabulary
from keras_recurrent.elmo.word_vectors import WordVectors

_CONTEXTS = {"inclusive": contexts.inclusive, "exclusive": contexts.exclusive}
_TOKENS = 2048  # of a batch, unless a single sentence is longer
_WINDOW = 16  # batches that are sorted by length together


def embed(
    bilm: BiLM,
    sentences: Iterable[Sequence[str | bytes]],
    *,
    batch_size: int = 32,
    output: str | int | Sequence[int] = "all",
    context: str = "inclusive",
    pooling: str | None = None,
    dtype: str = "float32",
    vocabulary: Vocabulary | None = None,
    window: int | None = None,
    cache: int = 20_000,
) -> Iterator[np.ndarray]:
    """The vectors of sentences, one array for each, in their order.

    For many sentences, or a stream of them: `sentences` is read as far ahead as `window` says and no
    further, so memory does not grow. Within a window, sentences of about one length run together, and
    every word's own vector is computed once; those of `cache` words are kept for later windows. The
    numbers are those of `bilm(batch_to_ids(sentences))`, but for rounding.

    Args:
        bilm: The language model, not a `stateful` one.
        sentences: Lists of words, or any iterable of such.
        batch_size: Sentences that run together. Long ones run with fewer: 2048 words at most.
        output: "all", `(words, L + 1, width)` with width that of all directions; "top" or "average"
            (of all layers), `(words, width)`; the number of a layer, 0 being the words' own vectors,
            `(words, width)`; or several, `(words, layers, width)`.
        context: "inclusive" or "exclusive", see `kr.ELMo`.
        pooling: "mean" for one vector instead of one a word, the mean over the sentence's words, zeros
            for an empty sentence.
        dtype: "float32" or "float16" (or another), of the arrays.
        vocabulary: For a biLM of whole words, its vocabulary.
        window: Sentences to read ahead, 16 batches by default; 1 for answers without delay.
        cache: Words whose own vectors are kept, 0 for none; a word takes `width` numbers. Train `bilm`
            only when the iterator is done.

    Returns:
        An iterator of arrays. An empty sentence gives an array of 0 words; no sentences, none.

    Raises:
        TypeError, ValueError: For arguments that do not fit, at once; for a sentence that is no list
            of words when it is read.

    Example:
        ```python
        for vectors in kr.elmo.embed(bilm, (line.split() for line in open("text.txt")), output="top"):
            ...  # (words, 2 * bilm.width)
        ```
    """
    check_bilm(bilm, vocabulary)
    batch_size = options.positive_int("").check("batch_size", batch_size)
    window = options.positive_int("", optional=True).check("window", window)
    form = _Form(
        check_layers(output, bilm.num_layers),
        options.check_choice("context", context, tuple(_CONTEXTS)),
        options.check_choice("pooling", pooling, (None, "mean")),
        check_dtype(dtype),
    )
    if isinstance(sentences, str | bytes) or not isinstance(sentences, Iterable):
        kind = "the text " if isinstance(sentences, str | bytes) else ""
        raise TypeError(f"Give lists of words. Received: {kind}{sentences!r:.80}")
    cache = check_cache(cache)
    if not bilm.built:
        bilm.build()
    number = None if vocabulary is None else lambda words: np.add(vocabulary.ids(words), 1)
    words = WordVectors(bilm, cache, number)
    return _run(bilm, iter(sentences), words, form, batch_size, window or _WINDOW * batch_size)


class _Form(NamedTuple):
    """What is made of the layers: `output` is "average", a layer's number, or several."""

    output: str | int | tuple[int, ...]
    context: str
    pooling: str | None
    dtype: str

    def __call__(self, sides, valid):
        layers = _CONTEXTS[self.context](sides, valid)
        if self.output == "average":
            values = tf.add_n(layers) / len(layers)
        elif isinstance(self.output, int):
            values = layers[self.output]
        else:
            values = tf.stack([layers[place] for place in self.output], 2)
        if self.pooling == "mean":
            words = tf.reduce_sum(tf.cast(valid[:, 1:-1], values.dtype), 1)
            words = tf.reshape(words, [-1, *[1] * (values.shape.rank - 2)])
            values = tf.math.divide_no_nan(tf.reduce_sum(values, 1), words)
        return tf.cast(values, self.dtype)


def _run(bilm, sentences, words: WordVectors, form: _Form, batch_size: int, window: int):
    while ahead := [check_sentence(sentence) for sentence in islice(sentences, window)]:
        yield from _embed_window(bilm, ahead, words, form, batch_size)


def _embed_window(bilm, sentences: list, words: WordVectors, form: _Form, batch_size: int) -> list:
    rows, vectors = words.table(_words_of(sentences))
    order = sorted(range(len(sentences)), key=lambda place: -len(sentences[place]))
    results: list = [None] * len(sentences)
    first = 0
    while first < len(order):
        steps = len(sentences[order[first]]) + 2
        batch = order[first : first + max(1, min(batch_size, _TOKENS // steps))]
        first += len(batch)
        places = [[rows[word] for word in sentences[place]] for place in batch]
        index, valid = _table_of_places(places, _padded_rows(len(batch), batch_size), steps)
        values = reader_of(bilm).results(form, len(index))(
            tf.constant(vectors[index]), tf.constant(valid)
        )
        values = values.numpy()
        for row, place in enumerate(batch):
            own = values[row] if form.pooling else values[row, : len(sentences[place])]
            results[place] = own.copy()  # a view would hold the whole batch
    return results


def _words_of(sentences) -> Iterator:
    yield from BOUNDARIES  # rows 0 and 1
    for sentence in sentences:
        yield from sentence


def _table_of_places(places: list, rows: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of words, boundaries around them as in `BiLM.read`; and where there is something."""
    index, valid = np.zeros((rows, steps), np.int32), np.zeros((rows, steps), bool)
    index[:, -1] = 1
    valid[:, [0, -1]] = True
    for row, own in enumerate(places):
        index[row, 1 : len(own) + 1] = own
        valid[row, 1 : len(own) + 1] = True
    return index, valid


def _padded_rows(rows: int, most: int) -> int:
    """The next power of two, so that few programs are compiled; no more than a whole batch."""
    return min(most, 1 << (rows - 1).bit_length())
