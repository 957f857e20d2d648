"""Text files as windows for the training of a language model."""

import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.elmo.characters import CharacterIds
from keras_recurrent.elmo.packing import packed
from keras_recurrent.elmo.text import BEGIN, END, numbered, sentences, text_files
from keras_recurrent.elmo.vocabulary import Vocabulary

DIRECTIONS = ("forward", "backward")
_SHUFFLED = ("documents", "files", "sentences", None)


class Corpus:
    """A text to train or to evaluate a language model on, read from its files as it is needed.

    A line is a sentence, its words are separated by white space. A blank line ends a document, and so
    does a file. All files are read once at first, to count and to check them; what stays in memory are
    the places where documents start, if these are shuffled, and no text. The files must not change.

    An epoch's order depends on `seed`, the number of the epoch and the direction alone: the two
    directions of a model read the documents in different orders, and a training that is taken up
    again reads on as it would have.

    Args:
        text: A path, a pattern such as "news-*.txt", or a list of them. UTF-8; lines end as `\\n`,
            `\\r\\n` or `\\r`, and have 16 MB at most; the model cuts words that are too long for it.
        vocabulary: The words to predict; all others count as `<UNK>`.
        shuffle: What changes places from epoch to epoch: "documents", "files", "sentences", each
            as a whole, or None. Sentences are for texts that are shuffled lists of sentences anyway,
            as the One Billion Word Benchmark is.
        seed: Of the order.

    Attributes:
        words, sentences, documents: How many the text has.

    Raises:
        FileNotFoundError: For a missing file.
        ValueError: With file and line for bytes that are not UTF-8, zero bytes, too long a line, `<S>`
            or `</S>` as a word; for a text without a sentence, and for unknown arguments.

    Example:
        ```python
        corpus = kr.elmo.Corpus("news-*.txt", vocabulary)
        model.fit(corpus, epochs=10)
        ```
    """

    epoch = 0
    _counted: tuple | None = None

    def __init__(
        self, text, vocabulary: Vocabulary, shuffle: str | None = "documents", seed: int = 0
    ):
        if not isinstance(vocabulary, Vocabulary):
            raise TypeError(
                "`vocabulary` must be a kr.elmo.Vocabulary, of Vocabulary.from_text or "
                f"Vocabulary.read. Received: {vocabulary!r}"
            )
        self.vocabulary = vocabulary
        self.shuffle = options.check_choice("shuffle", shuffle, _SHUFFLED)
        self.seed = options.check_seed("seed", 0 if seed is None else seed)
        self.files = text_files(text)
        self.words = self.sentences = self.documents = 0
        places = (place for number in range(len(self.files)) for place in self._read(number))
        numbers = np.fromiter(itertools.chain.from_iterable(places), np.int64)
        self._places = numbers.reshape(-1, 3)
        if not self.sentences:
            raise ValueError(f"The text holds no sentence. Received: {text!r}")

    def __repr__(self) -> str:
        return (
            f"Corpus({self.documents} documents, {self.sentences} sentences, {self.words} words; "
            f"shuffle={self.shuffle!r})"
        )

    def _read(self, number: int) -> Iterator[tuple[int, int, int]]:
        """Count a file, and find the places of what is shuffled: file, first byte, byte behind."""
        file, start = self.files[number], None
        by_sentence, by_document = self.shuffle == "sentences", self.shuffle == "documents"
        within, last = False, -1
        for at, words in numbered(file):
            if words is None:
                within = False
                if by_document and start is not None and at > last:
                    yield number, start, at
                    start = None
                continue
            self.words += len(words)
            self.sentences += 1
            self.documents += not within
            within, last = True, at
            if by_sentence and start != at:  # lines that end in \r alone stay together
                if start is not None:
                    yield number, start, at
                start = at
            elif start is None:
                start = at
        if start is not None:
            yield number, start, file.stat().st_size

    def steps(self, batch_size: int, window: int) -> int:
        """Batches of a shuffled epoch: as many as all words and ends of sentences fill."""
        return (self.words + self.sentences) // (batch_size * window)

    def windows(
        self,
        batch_size: int,
        window: int,
        *,
        directions: tuple[str, ...] = DIRECTIONS,
        max_characters_per_token: int | None = 50,
        in_order: bool = False,
    ) -> tf.data.Dataset:
        """One epoch of windows for `kr.elmo.LanguageModel`, which calls this itself.

        Rows are packed as the original implementation (bilm-tf) does: `<S> w(1) .. w(n) </S>` is read up
        to w(n) and predicted from w(1) on, the next sentence follows at once, and a row goes on from
        batch to batch. The backward direction reads `</S> w(n) .. w(1) <S>` of other text.

        A shuffled epoch has `steps(batch_size, window)` batches, whatever its order: the few words that
        are left in the rows at its end make place for as many from the begin of the epoch's order. In
        order nothing is read twice, and a last batch that does not fill is left out.

        Args:
            batch_size: Rows, all replicas together.
            window: Words of a row.
            directions: "forward", "backward" or both.
            max_characters_per_token: Character ids of a word; None for the word's number in the
                vocabulary plus 1, for models with a `vocabulary_size`.
            in_order: Whether to read the text as it stands, whatever `shuffle` says.

        Returns:
            A dataset of `({"inputs": {"words": words, "targets": targets}, "reset": reset}, targets)`:
            `words (batch_size, window, directions, characters)`, or without the last axis, `targets
            (batch_size, window, directions)`, the numbers of the words to predict, `reset
            (batch_size,)`, 1 in the first batch, else 0. All are int32.

        Raises:
            ValueError: For a text that does not fill one batch, and for unknown arguments.
        """
        batch_size = options.positive_int("").check("batch_size", batch_size)
        window = options.positive_int("").check("window", window)
        directions = _check_directions(directions)
        in_order = in_order or self.shuffle is None
        sizes = (batch_size, window)
        batches = self._steps_in_order(*sizes) if in_order else self.steps(*sizes)
        if not batches:
            raise ValueError(
                f"The text does not fill one batch of {batch_size} rows of {window} words. Take fewer "
                f"rows or a shorter window. Received: {self!r}"
            )
        by_characters = max_characters_per_token is not None
        shape = (*sizes, len(directions))
        data = tf.data.Dataset.from_generator(
            lambda: self._batches(directions, sizes, by_characters, batches, in_order),
            output_signature=(
                tf.TensorSpec(shape, tf.string if by_characters else tf.int32),
                tf.TensorSpec(shape, tf.int32),
                tf.TensorSpec(shape[:1], tf.int32),
            ),
        )
        encode = CharacterIds(max_characters_per_token) if by_characters else None

        def example(words, targets, reset):
            if encode is not None:
                ids = encode(tf.reshape(words, [batch_size, -1]))
                words = tf.reshape(ids, [*shape, max_characters_per_token])
            return {"inputs": {"words": words, "targets": targets}, "reset": reset}, targets

        data = data.map(example, num_parallel_calls=2, deterministic=True)
        data = data.apply(tf.data.experimental.assert_cardinality(batches))
        settings = tf.data.Options()
        policy = tf.data.experimental.AutoShardPolicy.DATA  # workers take their rows of each batch
        settings.experimental_distribute.auto_shard_policy = policy
        return data.prefetch(2).with_options(settings)

    def _steps_in_order(self, batch_size: int, window: int) -> int:
        if self._counted is None or self._counted[0] != (batch_size, window):
            batches = self._packed("forward", batch_size, window, in_order=True)
            self._counted = ((batch_size, window), sum(1 for _ in batches))
        return self._counted[1]

    def _batches(self, directions, sizes, by_characters: bool, batches: int, in_order: bool):
        streams = [self._packed(side, *sizes, in_order) for side in directions]
        shape = (*sizes, len(directions))
        find = self.vocabulary.ids
        for number, parts in enumerate(itertools.islice(zip(*streams, strict=True), batches)):
            words = np.empty(shape, object if by_characters else np.int32)
            targets = np.empty(shape, np.int32)
            for side, (read, following) in enumerate(parts):
                flat = itertools.chain.from_iterable
                if by_characters:
                    words[..., side] = [[word.encode() for word in row] for row in read]
                else:
                    words[..., side] = np.reshape(find(flat(read)), sizes) + 1
                targets[..., side] = np.reshape(find(flat(following)), sizes)
            yield words, targets, np.full(sizes[:1], number == 0, np.int32)

    def _packed(self, direction: str, rows: int, steps: int, in_order: bool) -> Iterator:
        backward = direction == "backward"
        boundaries = (END, BEGIN) if backward else (BEGIN, END)
        order = None if in_order else self._order(self.epoch, DIRECTIONS.index(direction))
        return packed(self._stream(order, backward), rows, steps, boundaries)

    def _order(self, epoch: int, direction: int) -> np.ndarray:
        return np.random.default_rng([self.seed, epoch, direction]).permutation(len(self._places))

    def _stream(self, order, backward: bool) -> Iterator[list[str]]:
        """Sentences in order, or by an order of places, which begins again at its end."""
        for place in range(len(self._places)) if order is None else itertools.cycle(order):
            number, start, end = map(int, self._places[place])
            for words in sentences(self.files[number], start, end):
                if words is not None:
                    yield words[::-1] if backward else words


def _check_directions(given) -> tuple[str, ...]:
    sides = (given,) if isinstance(given, str) else tuple(given)
    if not sides or len(set(sides)) < len(sides) or not set(sides) <= set(DIRECTIONS):
        raise ValueError(
            f"`directions` must be some of {DIRECTIONS}, each once. Received: directions={given!r}"
        )
    return sides
