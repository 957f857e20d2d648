"""Published numbers: the oracle of these tests gives them, and so does `kr.elmo.BiLM`.

Batches were run in order with the LSTM states carried on from each to the next, so that a model that
is not `stateful` gives those of the first one only.
"""

import numpy as np
import pytest
import tensorflow as tf
from elmo.published import folder_files, wheel_files
from oracle import elmo as oracle

import keras_recurrent as kr

CLOSE = {"rtol": 1e-5, "atol": 2e-6}
IDS = tf.TensorSpec([None, None, 50], "int32")
BATCH = 10  # of the file with all layers


@pytest.fixture(scope="module")
def wheel():
    return wheel_files()


@pytest.fixture(scope="module")
def folder():
    return folder_files()


def by_oracle(files, batches, folder):
    """The layers of each batch."""
    arrays, options = files.datasets("lm_weights.hdf5"), files.json("options.json")
    states = None
    for sentences in batches:
        encoded = oracle.encode(arrays, options, oracle.batch_ids(sentences), states)
        states = encoded.states
        yield encoded.layers


def by_layer(files, batches, folder, stateful=True):
    bilm = kr.elmo.BiLM.from_checkpoint(*files.write_model(folder), stateful=stateful)
    graph = tf.function(lambda ids: tf.stack(bilm(ids).activations), input_signature=[IDS])
    for sentences in batches:
        yield graph(kr.elmo.batch_to_ids(sentences)).numpy()


READERS = pytest.mark.parametrize("reader", [by_oracle, by_layer])


def top_layers(files):
    """Batches of three sentences, and for each (1, n, 2P): batch i is sentence i of three lists."""
    lists = files.json("sentences.json")
    goldens = [files.datasets(f"lm_embeddings_{k}.hdf5") for k in range(len(lists))]
    batches = [[text.split() for text in texts] for texts in zip(*lists, strict=True)]
    expected = [
        [np.concatenate(golden[str(i)], -1)[None] for golden in goldens]
        for i in range(len(batches))
    ]
    assert (len(batches), len(lists)) == (10, 3)
    return batches, expected


def all_layers(files):
    """Batches of ten sentences, and for each sentence (L + 1, n, 2P)."""
    sentences = [line.split() for line in files.text("sentences.txt").splitlines()]
    golden = files.datasets("expected_embeddings.hdf5")
    assert len(sentences) == 30
    starts = range(0, len(sentences), BATCH)
    expected = [[golden[str(i)] for i in range(s, s + BATCH)] for s in starts]
    return [sentences[s : s + BATCH] for s in starts], expected


def check(layers, sentences, expected):
    """The last layers (L + 1, B, T, 2P) of a batch against its sentences' published (k, n, 2P)."""
    for row, (sentence, golden) in enumerate(zip(sentences, expected, strict=True)):
        got = layers[-len(golden) :, row, : len(sentence)]
        np.testing.assert_allclose(got, golden, **CLOSE)


@READERS
def test_top_layer_of_thirty_sentences_in_ten_batches(wheel, reader, tmp_path):
    batches, expected = top_layers(wheel)
    found = reader(wheel, batches, tmp_path)
    for layers, sentences, golden in zip(found, batches, expected, strict=True):
        check(layers, sentences, golden)


@READERS
def test_all_layers_of_thirty_sentences_in_three_batches(folder, reader, tmp_path):
    batches, expected = all_layers(folder)
    found = reader(folder, batches, tmp_path)
    for layers, sentences, golden in zip(found, batches, expected, strict=True):
        check(layers, sentences, golden)


@READERS
def test_words_without_context(wheel, reader, tmp_path):
    words = wheel.text("vocab_test.txt").splitlines()
    golden = wheel.datasets("elmo_token_embeddings.hdf5")["embedding"]
    assert golden.shape == (458, 16)
    (layers,) = reader(wheel, [[[word] for word in words]], tmp_path)
    np.testing.assert_allclose(layers[0, :, 0], np.tile(golden, 2), **CLOSE)


def test_without_carried_state_the_first_batch_alone(wheel, tmp_path):
    batches, expected = top_layers(wheel)
    first, second = by_layer(wheel, batches[:2], tmp_path, stateful=False)
    check(first, batches[0], expected[0])
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(second, batches[1], expected[1])


def test_all_layers_without_carried_state_the_first_batch_alone(folder, tmp_path):
    batches, expected = all_layers(folder)
    (layers,) = by_layer(folder, batches[:1], tmp_path, stateful=False)
    check(layers, batches[0], expected[0])
