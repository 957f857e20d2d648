"""English text as sentences of words, as language models read it.

`sentencex` finds the ends of sentences and `sacremoses` splits words in the way of the Moses tools,
in which the text of the published ELMo was prepared. Both keep their rules in the package: nothing
is downloaded when they run.
"""

import re
from functools import cache

from sacremoses import MosesPunctNormalizer, MosesTokenizer
from sentencex import segment


def split_sentences(text: str) -> list[str]:
    """The sentences of a text; a blank line ends one too, other line breaks do not."""
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return [
        sentence.strip()
        for paragraph in paragraphs
        if paragraph
        for sentence in segment("en", _normalizer().normalize(paragraph))
        if sentence.strip()
    ]


def split_words(sentence: str) -> list[str]:
    """Words and punctuation marks: `"It's late."` becomes `["It", "'s", "late", "."]`."""
    return _tokenizer().tokenize(sentence, escape=False)


def tokenized_sentences(text: str) -> list[str]:
    """The sentences of a text, each as its words with single spaces between them."""
    sentences = (" ".join(split_words(sentence)) for sentence in split_sentences(text))
    return [sentence for sentence in sentences if sentence]


@cache
def _normalizer() -> MosesPunctNormalizer:
    """Makes one of the many quotation marks and dashes."""
    return MosesPunctNormalizer("en")


@cache
def _tokenizer() -> MosesTokenizer:
    return MosesTokenizer("en")
