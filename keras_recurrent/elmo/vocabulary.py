"""The words that a language model predicts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from keras_recurrent import options
from keras_recurrent.elmo.text import BEGIN, END, UNKNOWN, sentences, text_files

SPECIAL = (BEGIN, END, UNKNOWN)
_SPACE = frozenset(" \t\n\r\v\f")  # others, U+00A0 say, stand within words of some vocabularies
_IGNORED = "!!!MAXTERMID"  # stands in vocabularies of the One Billion Word Benchmark and counts not


class Vocabulary:
    """The words that a language model predicts, numbered from the most to the least frequent.

    The order matters: the sampled softmax takes word number k for one of about the k-th frequency.
    `<S>` and `</S>`, the boundaries of a sentence, and `<UNK>`, which stands for all other words, are
    among the words. A character model reads any word; the vocabulary says what it predicts.

    Args:
        words: All words in order, the three special ones included.

    Raises:
        TypeError: For words that are no strings.
        ValueError: If a special word is missing, a word stands twice, is empty or holds white space.

    Example:
        ```python
        vocabulary = kr.elmo.Vocabulary.from_text("news-*.txt", min_count=3)
        vocabulary.write("vocab.txt")
        ```
    """

    def __init__(self, words: Sequence[str]):
        if isinstance(words, str | bytes):
            raise TypeError(f"A vocabulary is a list of words. Received: {words[:60]!r}")
        self.words = tuple(words)
        self._index = {word: number for number, word in enumerate(self.words)}
        self._check()
        self.begin, self.end, self.unknown = (self._index[word] for word in SPECIAL)

    def _check(self) -> None:
        bad = next(
            (w for w in self.words if not isinstance(w, str) or not w or not _SPACE.isdisjoint(w)),
            None,
        )
        if bad is not None:
            kind = ValueError if isinstance(bad, str) else TypeError
            raise kind(
                "The words of a vocabulary are strings without white space, none of them empty. "
                f"Received: {bad!r}, word {self.words.index(bad)}"
            )
        missing = [word for word in SPECIAL if word not in self._index]
        if missing:
            raise ValueError(
                f"A vocabulary must hold {', '.join(SPECIAL)}, best as its first words: without them "
                "a model cannot say where a sentence begins or ends, nor name a rare word. Received: "
                f"{len(self.words)} words without {', '.join(missing)}"
            )
        if len(self._index) < len(self.words):
            word, count = Counter(self.words).most_common(1)[0]
            raise ValueError(
                f"Each word of a vocabulary stands there once. Received: {word!r}, {count} times"
            )

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._index

    def __eq__(self, other) -> bool:
        return isinstance(other, Vocabulary) and self.words == other.words

    def __hash__(self) -> int:
        return hash(self.words)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} words: {', '.join(self.words[:6])} ...)"

    def ids(self, words: Iterable[str]) -> list[int]:
        """The number of each word, text or its bytes in UTF-8; that of `<UNK>` for others."""
        find, unknown = self._index.get, self.unknown
        return [find(word if isinstance(word, str) else _text(word), unknown) for word in words]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The words of some numbers."""
        return [self.words[number] for number in np.asarray(ids, np.int64).reshape(-1)]

    @classmethod
    def from_text(cls, text, min_count: int = 1, max_size: int | None = None) -> "Vocabulary":
        """The words of some text files, counted without holding the text in memory.

        Args:
            text: A path, a pattern such as "news-*.txt", or a list of them: one sentence a line, words
                separated by white space. See `kr.elmo.Corpus`.
            min_count: How often a word must stand there.
            max_size: How many words at most, the special ones included; the most frequent are taken.

        Returns:
            `<S>`, `</S>`, `<UNK>`, then the words by descending frequency; equally frequent ones by
            their code points.

        Raises:
            ValueError: For a text without words, and as `kr.elmo.Corpus`.
        """
        min_count = options.positive_int("").check("min_count", min_count)
        max_size = options.positive_int("", optional=True).check("max_size", max_size)
        if max_size is not None and max_size <= len(SPECIAL):
            raise ValueError(
                f"`max_size` counts the {len(SPECIAL)} special words too. Received: {max_size}"
            )
        counts: Counter = Counter()
        for file in text_files(text):
            for words in sentences(file):
                counts.update(words or ())
        for word in SPECIAL:
            counts.pop(word, None)
        found = [word for word, count in counts.items() if count >= min_count]
        if not found:
            raise ValueError(
                "The text holds no words for a vocabulary. Received: "
                f"{len(counts)} different words, none of them {min_count} times; text={text!r}"
            )
        found.sort(key=lambda word: (-counts[word], word))
        return cls([*SPECIAL, *found][:max_size])

    @classmethod
    def read(cls, path) -> "Vocabulary":
        """The vocabulary of a file with one word a line, as the published models have it.

        Raises:
            ValueError: For a file that is no such vocabulary, with its name and what is wrong.
        """
        path = Path(path)
        try:
            lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"A vocabulary is a text in UTF-8, one word a line. Received: {str(path)!r}, whose byte "
                f"{error.start + 1} is none"
            ) from None
        words = [line.strip("".join(_SPACE)) for line in lines]
        if words and not words[-1]:
            words.pop()  # behind the last line's end
        try:
            return cls([word for word in words if word != _IGNORED])
        except ValueError as error:
            raise ValueError(f"{str(path)!r} is no vocabulary: {error}") from None

    def write(self, path) -> None:
        """Write one word a line; what was there before stays until all is written."""
        path = Path(path)
        partial = path.with_name(f".{path.name}.partial")
        try:
            with partial.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{word}\n" for word in self.words)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _text(word) -> str:
    if not isinstance(word, bytes):
        raise TypeError(f"A word must be text (str or bytes). Received: {word!r}")
    return word.decode("utf-8", "replace")
