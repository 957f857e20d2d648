"""Sentiment: soft labels, the metric, sentences of any length, and the baseline."""

import keras
import numpy as np
import pytest

from examples import sentiment
from examples.downstream.sentences import Words
from examples.downstream.sentiment import Sentiment, count_words
from examples.downstream.trials import Parts
from keras_recurrent import export


def test_soft_labels():
    found = sentiment.soft_labels(np.array([0.0, 4.0, -1.0]))
    np.testing.assert_allclose(found[:, 0], [0.5, 0.98201, 0.26894], atol=1e-5)


def test_the_metric_asks_for_the_side():
    targets = np.array([[0.6], [0.9], [0.2], [0.4]], np.float32)
    outputs = np.array([[0.9], [0.4], [0.1], [0.7]], np.float32)
    assert keras.ops.convert_to_numpy(sentiment.same_side(targets, outputs)).tolist() == [
        1,
        0,
        1,
        0,
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small vocabulary, a model with drawn weights and its file."""
    keras.utils.set_random_seed(0)
    words = Words([("a", "good", "bad", "film")] * 2, 100)
    model = sentiment.build(words.size)
    path = tmp_path_factory.mktemp("sentiment") / "made.tflite"
    export.to_tflite(model, path, batch_size=None, timesteps=None)
    return words, model, path


def test_sentences_of_any_length_and_unknown_words(made):
    words, model, path = made
    sentences = [("A", "good", "film"), (), ("zorblax",), ("quux",), ("bad", "film") * 60]
    found = sentiment.run_file(path, sentences, words)
    padded = words(sentences, 120)
    np.testing.assert_allclose(found, model.predict(padded, verbose=0)[:, 0], atol=1e-6)
    assert found[2] == found[3]  # unknown words are alike
    bias = model.get_layer("output").get_weights()[1]
    np.testing.assert_allclose(found[1], 1 / (1 + np.exp(-bias[0])), atol=1e-6)


def test_words_know_their_number(made):
    assert made[0].size == 2 + 4
    assert sentiment.ids_of((), made[0]).tolist() == [[0]]


def test_baseline_learns_from_more_where_it_may():
    texts = ["good film", "bad film", "lovely film", "awful film", "lovely", "awful"]
    ratings = np.array([1.0, -1.0, 2.0, -2.0, 1.0, -1.0])
    data = Sentiment(
        texts,
        [tuple(t.split()) for t in texts],
        ratings,
        Parts(*map(np.array, ([0, 1], [2, 3], [4, 5]))),
    )
    assert data.labels.tolist() == [1, 0, 1, 0, 1, 0]
    assert count_words(data, also=data.parts.validation).tolist() == [1, 0]
    assert len(set(count_words(data))) == 1  # it has seen neither word


def test_a_committee_gives_the_mean(made):
    words, member, _ = made
    other = keras.models.clone_model(member)
    x = words([("a", "good", "film"), ("bad",)], 3)
    both = sentiment.committee([member, other]).predict(x, verbose=0)
    alone = [model.predict(x, verbose=0) for model in (member, other)]
    assert np.abs(alone[0] - alone[1]).max() > 1e-5
    np.testing.assert_allclose(both, np.mean(alone, 0), atol=1e-6)
