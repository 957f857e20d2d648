"""Words to character ids: in NumPy, and inside the graph."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from elmo import kit
from oracle import elmo as oracle

import keras_recurrent as kr

WORDS = {
    "plain": "word",
    "accent": "naïve",
    "emoji": "🙂👩‍👩‍👧",
    "control characters": "\x00\x01\n\t\r\x7f",
    "right to left": "שלום",
    "boundary": "<S>",
    "other boundary": "</S>",
    "nearly a boundary": "<s>",
    "with a boundary inside": "a<S>",
    "space": " ",
    "as long as can be": "a" * 48,
    "one too long": "a" * 49,
    "very long": "ab" * 300,
    "cut inside a character": "a" * 47 + "é",
    "not normalised": "e\u0301",
    "capitals": "WORD",
}
EACH = pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)


class TestBatchToIds:
    def test_the_published_example(self):
        first = [259, 111, 98, 196, 176, 119, 102, 260, 261, 261]
        (row,) = kr.elmo.batch_to_ids([["naïve"]])
        np.testing.assert_array_equal(row[0, :10], first)
        assert row.dtype == np.int32

    @EACH
    @pytest.mark.parametrize("length", [50, 10])
    def test_against_the_oracle(self, word, length):
        got = kr.elmo.batch_to_ids([[word]], max_characters_per_token=length)
        np.testing.assert_array_equal(got, oracle.batch_ids([[word]], length))

    def test_padding_and_an_empty_word(self):
        sentences = [["a", "", "b"], [], ["c"]]
        got = kr.elmo.batch_to_ids(sentences)
        np.testing.assert_array_equal(got, oracle.batch_ids(sentences))
        assert got[0, 1, 0] != 0  # an empty word is a word
        assert not got[1].any()

    def test_no_sentences_and_no_words(self):
        assert kr.elmo.batch_to_ids([]).shape == (0, 0, 50)
        assert kr.elmo.batch_to_ids([[], []]).shape == (2, 0, 50)

    @pytest.mark.parametrize("sentences", ["a sentence", ["a sentence", "another"]])
    def test_text_that_is_not_split_into_words(self, sentences):
        with pytest.raises((TypeError, ValueError), match="sentence"):
            kr.elmo.batch_to_ids(sentences)

    @pytest.mark.parametrize("word", [3, None, 1.5, ["b"], tf.constant("b")], ids=repr)
    def test_no_text(self, word):
        with pytest.raises(TypeError, match="must be text .* Received: " + re.escape(repr(word))):
            kr.elmo.batch_to_ids([["a", word]])

    def test_bytes_that_are_no_utf8(self):
        ids = kr.elmo.batch_to_ids([[b"\xff\xfe"]])
        np.testing.assert_array_equal(ids[0, 0, :5], [259, 256, 255, 260, 261])

    def test_half_a_surrogate_pair_is_left_out(self):
        got = kr.elmo.batch_to_ids([["a\udcffb"]])
        np.testing.assert_array_equal(got, oracle.batch_ids([["ab"]]))

    @pytest.mark.parametrize("length", [0, 2, -1, 5.5])
    def test_a_bad_length(self, length):
        with pytest.raises((TypeError, ValueError), match=str(length)):
            kr.elmo.batch_to_ids([["a"]], max_characters_per_token=length)


class TestCharacterIds:
    @EACH
    @pytest.mark.parametrize("length", [50, 10])
    def test_against_the_oracle(self, word, length):
        layer = kr.elmo.CharacterIds(max_characters_per_token=length)
        got = layer(tf.constant([["a", word], [word, "b"]]))
        np.testing.assert_array_equal(got, oracle.batch_ids([["a", word], [word, "b"]], length))

    def test_an_empty_string_is_padding(self):
        sentences = [["a", "bc"], ["d"], []]
        got = kr.elmo.CharacterIds()(tf.constant([["a", "bc"], ["d", ""], ["", ""]]))
        np.testing.assert_array_equal(got, oracle.batch_ids(sentences))

    def test_ragged(self):
        sentences = [["a", "bc", "naïve"], [], ["d"]]
        got = kr.elmo.CharacterIds()(tf.ragged.constant(sentences))
        np.testing.assert_array_equal(got, oracle.batch_ids(sentences))

    def test_bytes_that_are_no_utf8(self):
        got = kr.elmo.CharacterIds()(tf.constant([[b"\xff\xfe"]]))
        np.testing.assert_array_equal(got[0, 0, :5], [259, 256, 255, 260, 261])

    @pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)])
    def test_nothing(self, shape):
        assert kr.elmo.CharacterIds()(tf.zeros(shape, tf.string)).shape == (*shape, 50)

    def test_lists_of_several_lengths(self):
        with pytest.raises(ValueError, match=r"tf\.ragged\.constant"):
            kr.elmo.CharacterIds()([["a", "b"], ["c"]])

    def test_numbers(self):
        with pytest.raises((TypeError, ValueError), match="string"):
            kr.elmo.CharacterIds()(tf.ones((2, 3)))

    def test_rank(self):
        with pytest.raises(ValueError, match="batch"):
            kr.elmo.CharacterIds()(tf.constant(["a", "b"]))

    def test_in_a_model_that_is_saved(self, tmp_path):
        words = keras.Input((None,), dtype="string")
        ids = kr.elmo.CharacterIds(max_characters_per_token=kit.LENGTH)(words)
        keras.Model(words, ids).save(tmp_path / "ids.keras")
        model = keras.models.load_model(tmp_path / "ids.keras")
        sentences = [["naïve", "<S>"], ["b" * 30, "🙂"]]
        np.testing.assert_array_equal(
            model(tf.constant(sentences)), oracle.batch_ids(sentences, kit.LENGTH)
        )

    def test_in_tf_data(self):
        sentences = [["naïve", "</S>"], ["c", "d"]]
        data = tf.data.Dataset.from_tensor_slices(sentences).batch(2).map(kr.elmo.CharacterIds())
        np.testing.assert_array_equal(next(iter(data)), oracle.batch_ids(sentences))
