"""Is a sentence of a film review rated positive or negative?"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from examples.datasets.snippets import load_snippets

from . import models
from .sentences import Layers, Tokens, Words
from .trials import Examples, Parts, Schedule, Score, Trials

TEST, VALIDATION, SPLIT_SEED = 1605, 800, 5
WORDS = 8000  # ids of words
LENGTH = 32  # tokens; one sentence in seven is longer and loses its end
SCHEDULE = Schedule(epochs=6, patience=1, batch_size=128)


class Sentiment(NamedTuple):
    """Sentences rated other than 0, each once, with their mean ratings from -4 to 4."""

    texts: list[str]
    sentences: list[Tokens]
    ratings: np.ndarray
    parts: Parts

    @property
    def labels(self) -> np.ndarray:
        """1 for a positive rating, else 0."""
        return (self.ratings > 0).astype(np.int32)


def load(share: float = 1.0) -> Sentiment:
    """The data, or a share of it, with a fixed, shuffled split."""
    snippets = load_snippets()
    first = {text: i for i, text in reversed(list(enumerate(snippets.texts)))}  # of the same text
    rated = [i for i in sorted(first.values()) if snippets.ratings[i] != 0]
    order = np.random.default_rng(SPLIT_SEED).permutation(rated)[: round(share * len(rated))]
    borders = len(order) - round(share * (TEST + VALIDATION)), len(order) - round(share * TEST)
    return Sentiment(
        [snippets.texts[i] for i in order],
        [snippets.tokens[i] for i in order],
        snippets.ratings[order],
        Parts(*np.split(np.arange(len(order)), borders)),
    )


def score(
    data: Sentiment, layers: Layers | None, seeds: Sequence[int], schedule: Schedule = SCHEDULE
) -> Score:
    """Test accuracy of the small model, with ELMo if there are layers."""
    words = Words((data.sentences[i] for i in data.parts.train), WORDS)
    ids = words(data.sentences, LENGTH)

    def inputs(chosen: np.ndarray) -> dict[str, np.ndarray]:
        longest = min(LENGTH, max(len(data.sentences[i]) for i in chosen))
        elmo = {} if layers is None else {"layers": layers.rows(chosen, longest)}
        return {"words": ids[chosen, :longest]} | elmo

    examples = Examples(inputs, data.labels)
    trial = Trials(partial(models.of_sentence, WORDS, layers and layers.shape))
    return Score([trial(examples, data.parts, schedule, seed) for seed in seeds])


def word_counts(data: Sentiment) -> float:
    """Test accuracy of `count_words`."""
    return float(np.mean(count_words(data) == data.labels[data.parts.test]))


def count_words(data: Sentiment, also: Sequence[int] = ()) -> np.ndarray:
    """Test labels by logistic regression on weighted counts of words and pairs of words.

    It learns from the training part, and from the sentences `also`.
    """
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=4)
    )
    texts = np.array(data.texts, dtype=object)
    known = np.concatenate([data.parts.train, np.asarray(also, data.parts.train.dtype)])
    model.fit(texts[known], data.labels[known])
    return model.predict(texts[data.parts.test])
