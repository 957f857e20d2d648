"""Is a sentence of a film review rated positive or negative?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from examples.datasets.snippets import load_snippets

from . import models
from .sentences import Layers, Words, tokenize
from .trials import Examples, Parts, Schedule, Score, Trials

TEST, VALIDATION, SPLIT_SEED = 1605, 800, 5
WORDS = 8000
LENGTH = 48  # tokens; one sentence in a hundred is longer and loses its end
SCHEDULE = Schedule(epochs=8, patience=2, batch_size=64)


class Sentiment(NamedTuple):
    """Sentences rated other than 0, each once; label 1 is a positive rating."""

    texts: list[str]
    sentences: list[tuple[str, ...]]
    labels: np.ndarray
    parts: Parts


def load() -> Sentiment:
    """The data with its fixed, shuffled split."""
    snippets = load_snippets()
    rated = {t: r for t, r in zip(snippets.texts, snippets.ratings, strict=True) if r != 0}
    texts = list(rated)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(texts))
    return Sentiment(
        texts,
        [tokenize(text) for text in texts],
        (np.array(list(rated.values())) > 0).astype(np.int32),
        Parts(*np.split(order, [len(texts) - TEST - VALIDATION, len(texts) - TEST])),
    )


def score(data: Sentiment, layers: Layers | None, seeds: Sequence[int]) -> Score:
    """Test accuracy of the small model, with ELMo if there are layers."""
    words = Words((data.sentences[i] for i in data.parts.train), WORDS)
    ids = words(data.sentences, LENGTH)

    def inputs(chosen: np.ndarray) -> dict[str, np.ndarray]:
        elmo = {} if layers is None else {"layers": layers.rows(chosen, LENGTH)}
        return {"words": ids[chosen]} | elmo

    examples = Examples(inputs, data.labels)
    trial = Trials(lambda: models.of_sentence(WORDS, layers and layers.shape))
    return Score([trial(examples, data.parts, SCHEDULE, seed) for seed in seeds])


def word_counts(data: Sentiment) -> float:
    """Test accuracy of logistic regression on weighted counts of words and pairs of words."""
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=4)
    )
    texts = np.array(data.texts, dtype=object)
    model.fit(texts[data.parts.train], data.labels[data.parts.train])
    return float(model.score(texts[data.parts.test], data.labels[data.parts.test]))
