"""A table of a vocabulary's words in place of the character encoder."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr

WORDS = ["a", "na\u00efve", "overlong", "a", "</S>"]
SENTENCES = [["a", "overlong", "na\u00efve", "<S>"], ["a"]]


@pytest.fixture(scope="module")
def bilm():
    keras.utils.set_random_seed(0)
    options = {"filters": ((1, 3), (3, 4)), "max_characters_per_token": 8}
    bilm = kr.elmo.BiLM(6, 3, 2, character_dim=3, initial_state="warm", **options)
    bilm.warm_up(kr.elmo.batch_to_ids(SENTENCES, 8))
    return bilm


@pytest.mark.parametrize("at_once", [2, 512])
def test_the_same_for_its_words(bilm, at_once, monkeypatch):
    monkeypatch.setattr("keras_recurrent.elmo.word_table._AT_ONCE", at_once)
    table = kr.elmo.with_vocabulary(bilm, WORDS)
    assert table.vocabulary_size == 6
    expected = bilm(kr.elmo.batch_to_ids(SENTENCES, 8))
    ids = kr.elmo.words_to_ids(SENTENCES, kr.elmo.fixed_vocabulary(WORDS))
    found = table(ids)
    np.testing.assert_array_equal(found.mask, expected.mask)
    for ours, theirs in zip(found.activations, expected.activations, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_other_words(bilm):
    vocabulary = kr.elmo.fixed_vocabulary(WORDS)
    unknown = kr.elmo.words_to_ids([["unheard", "a"]], vocabulary)
    for settings, word in ({}, "<UNK>"), ({"unknown": "Xu"}, "Xu"):
        table = kr.elmo.with_vocabulary(bilm, WORDS, **settings)
        expected = bilm(kr.elmo.batch_to_ids([[word, "a"]], 8))
        np.testing.assert_allclose(
            table(unknown).activations[2], expected.activations[2], atol=1e-6
        )


def test_the_order_of_words():
    vocabulary = kr.elmo.fixed_vocabulary(WORDS)
    assert vocabulary.words == ("<S>", "</S>", "<UNK>", "a", "na\u00efve", "overlong")
    published = kr.elmo.fixed_vocabulary(["</S>", "<S>", "<UNK>", "the"])
    assert published.words == ("<S>", "</S>", "<UNK>", "the")
    assert kr.elmo.fixed_vocabulary(published) == published


def test_ids_in_a_graph():
    vocabulary = kr.elmo.fixed_vocabulary(WORDS)
    look_up = keras.layers.StringLookup(
        vocabulary=vocabulary.words, mask_token="", num_oov_indices=0
    )
    ids = kr.elmo.words_to_ids(SENTENCES, vocabulary)
    rows = tf.constant([row + [""] * (4 - len(row)) for row in SENTENCES])
    np.testing.assert_array_equal(look_up(rows), ids)
    assert kr.elmo.words_to_ids([], vocabulary).shape == (0, 0)
    assert kr.elmo.words_to_ids([[]], vocabulary).shape == (1, 0)


def test_what_is_no_vocabulary(bilm):
    with pytest.raises(ValueError, match="vocabulary_size=6"):
        kr.elmo.with_vocabulary(kr.elmo.with_vocabulary(bilm, WORDS), WORDS)
    with pytest.raises(TypeError, match=r"list of words.*'word'"):
        kr.elmo.with_vocabulary(bilm, "word")
    with pytest.raises(ValueError, match="white space"):
        kr.elmo.with_vocabulary(bilm, ["two words"])
    with pytest.raises(TypeError, match=r"sentence\.split"):
        kr.elmo.words_to_ids(["a sentence"], kr.elmo.fixed_vocabulary(WORDS))
