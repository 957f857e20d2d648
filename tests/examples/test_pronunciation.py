"""Words and the ways to say them: the data, batches of pairs, what counts as wrong."""

import os
from collections import Counter

import keras
import numpy as np
import pytest

import keras_recurrent as kr
from examples import pronunciation
from examples.datasets import pronunciations
from examples.datasets.pronunciations import cmudict, load_pronunciations
from examples.datasets.pronunciations import pronunciations_dataset_builder as builder
from examples.datasets.splits import part_of
from examples.encoder_decoder import attention, decode_all
from examples.error_rates import edits, phoneme_error_rate, word_error_rate
from examples.padding import padded
from examples.pair_batches import PairBatches
from keras_recurrent.applications import Decoded

SOURCES = [[1] * n for n in (2, 9, 3, 4, 8, 2, 3)]
TARGETS = [[5 + n] * m for n, m in enumerate((3, 3, 3, 1, 9, 1, 2))]


@pytest.fixture(scope="module")
def dictionary():
    try:
        return cmudict.read_dictionary()
    except (ConnectionError, TimeoutError) as error:  # no network and an empty cache
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error).splitlines()[0])


class TestDictionary:
    def test_words_of_plain_letters(self, dictionary):
        assert len(dictionary) == 117_493
        assert max(map(len, dictionary)) == pronunciation.LONGEST_WORD
        assert dictionary["tomato"] == [
            ["T", "AH0", "M", "EY1", "T", "OW2"],
            ["T", "AH0", "M", "AA1", "T", "OW2"],
        ]
        assert {"aaron's", "a.m.", "able-bodied"}.isdisjoint(dictionary)

    def test_39_phonemes_without_stress(self, dictionary):
        ways = [way for listed in dictionary.values() for way in cmudict.without_stress(listed)]
        assert sorted({phoneme for way in ways for phoneme in way}) == pronunciation.PHONEMES
        assert len(ways) == 125_571
        assert max(map(len, ways)) < pronunciation.BOUNDS[-1]

    def test_ways_that_differ_in_stress_alone_are_one(self):
        ways = [["R", "IH1", "D"], ["R", "IH0", "D"], ["R", "EH1", "D"]]
        assert cmudict.without_stress(ways) == [("R", "IH", "D"), ("R", "EH", "D")]

    def test_shares_of_the_parts(self, dictionary):
        counts = Counter(map(part_of, dictionary))
        assert counts == {"train": 105_945, "validation": 5_796, "test": 5_752}

    def test_parts_hold_every_word_once(self, monkeypatch, tmp_path):
        words = {f"word{n}": [["W", "ER1", "D"], ["W", "ER0", "D"], ["W"]] for n in range(300)}
        monkeypatch.setattr(builder, "read_dictionary", lambda: words)
        data = load_pronunciations(data_dir=tmp_path)
        for name, part in data._asdict().items():
            assert part.words == [word for word in words if part_of(word) == name]
            assert part.ways == [[("W", "ER", "D"), ("W",)]] * len(part.words)
        assert sum(len(part.words) for part in data) == 300
        fewer = load_pronunciations(10, tmp_path).train.words
        assert fewer == data.train.words[: round(len(data.train.words) / 10)]


class TestPairBatches:
    def batches(self, batch=2, bounds=(4, 10), seed=0):
        return PairBatches(SOURCES, TARGETS, batch, bounds, seed)

    def test_every_pair_comes_with_what_it_reads(self):
        found = []
        for inputs, targets in map(self.batches().__getitem__, range(len(self.batches()))):
            assert inputs["source"].shape == inputs["previous"].shape == targets.shape
            assert targets.shape in [(2, 4), (2, 10)]
            for source, previous, wanted in zip(*inputs.values(), targets, strict=True):
                said = wanted[: np.argmax(wanted == 2)].tolist()
                assert previous[: len(said) + 2].tolist() == [1, *said, 0][: len(previous)]
                found.append((source[source > 0].tolist(), said))
        pairs = list(zip(SOURCES, TARGETS, strict=True))
        assert all(pair in found for pair in pairs)
        assert all(pair in pairs for pair in found)
        assert len(found) == 8  # three of up to ten steps, one of them twice, and two batches more

    @pytest.mark.parametrize("seed", range(5))
    def test_keras_is_shown_two_lengths_first(self, seed):
        batches = self.batches(batch=1, seed=seed)
        for _ in range(3):
            assert batches[0][1].shape != batches[1][1].shape
            batches.on_epoch_end()

    def test_another_order_in_every_epoch(self):
        batches = self.batches(batch=1)
        orders = []
        for _ in range(2):
            orders.append([batches[place][1].tolist() for place in range(len(batches))])
            batches.on_epoch_end()
        assert orders[0] != orders[1]
        assert sorted(orders[0]) == sorted(orders[1])

    def test_too_long(self):
        with pytest.raises(ValueError, match=r"bounds=\(4, 9\), a pair with 10 steps"):
            self.batches(bounds=(4, 9))

    def test_nothing(self):
        with pytest.raises(ValueError, match="Received: 0 and 0"):
            PairBatches([], [], 2, (4,), 0)


class TestErrorRates:
    @pytest.mark.parametrize(
        ("a", "b", "distance"),
        [
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("abc", "abc", 0),
            ("ab", "ba", 2),
        ],
    )
    def test_edits(self, a, b, distance):
        assert edits(a, b) == distance

    def test_any_listed_way_is_right(self):
        right = [[["T"], ["T", "UW"]], [["AA"]], [["R", "AA"]]]
        assert word_error_rate([("T", "UW"), ("AA",), ("R",)], right) == pytest.approx(1 / 3)
        # of 2 + 1 + 2 phonemes of the nearest ways one is missing
        assert phoneme_error_rate([("T", "UW"), ("AA",), ("R",)], right) == pytest.approx(1 / 5)

    def test_nothing_said(self):
        assert word_error_rate([()], [[["T"]]]) == 1
        assert phoneme_error_rate([()], [[["T", "UW"], ["T"]]]) == 1


class TestWords:
    def test_letters(self):
        assert pronunciation.letter_ids("Abz") == [1, 2, 26]

    @pytest.mark.parametrize("word", ["", "naïve", "o'clock", "two words", "4"])
    def test_what_cannot_be_said(self, word):
        with pytest.raises(ValueError, match=f"letters from a to z.*{word!r}"):
            pronunciation.letter_ids(word)

    def test_too_long(self):
        with pytest.raises(ValueError, match=r"28 letters.*with 29"):
            pronunciation.letter_ids("a" * 29)

    def test_refused_before_the_training(self, tmp_path):
        with pytest.raises(ValueError, match="o'clock"):
            pronunciation.main(["--say", "o'clock", "--out", str(tmp_path / "out")])
        assert not (tmp_path / "out").exists()

    def test_ids_of_phonemes(self):
        part = pronunciations.Part(["to"], [[("T", "UW"), ("T", "AH")]])
        batches = pronunciation.batches(part, batch=2, seed=0)
        _, targets = batches[0]
        said = {pronunciation.phonemes_of(row) for row in targets}
        assert said == {("T", "UW"), ("T", "AH")}


@pytest.fixture(scope="module")
def model():
    return kr.applications.sequence_to_sequence(8, source_vocabulary=6, units=4, embedding_dim=3)


class TestDecoding:
    def test_order_and_lengths(self):
        """A decoder that says the source backwards, best beam first."""
        seen = []

        def backwards(source):
            seen.append(source.shape)
            lengths = np.count_nonzero(source, 1)
            rows = [row[:n][::-1] for row, n in zip(source, lengths, strict=True)]
            ids = np.stack([padded(rows, source.shape[1]), np.full_like(source, 9)], axis=1)
            counts = np.stack([lengths, lengths], axis=1)
            return Decoded(ids, counts, np.zeros(counts.shape), np.ones(counts.shape, bool))

        sources = [[3, 4, 5], [6], [7, 8], [3, 4, 5, 6, 7]]
        assert decode_all(backwards, sources, at_once=2) == [s[::-1] for s in sources]
        assert seen == [(2, 2), (2, 5)]

    def test_as_each_alone(self, model):
        decoder = kr.applications.Decoder(model)

        def decode(source):
            return decoder.beam_search(source, max_steps=6, beams=3)

        sources = [[1, 2, 3], [4], [5, 1, 2, 3, 4]]
        together = decode_all(decode, sources)
        assert together == [decode_all(decode, [source])[0] for source in sources]

    def test_attention_adds_up_and_matters(self, model):
        weights = attention(model, [1, 2, 3, 4], [3, 4])
        assert weights.shape == (3, 4)
        np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
        encoder, decoder = kr.applications.parts_of(model)
        memory = encoder(padded([[1, 2, 3, 4]], 4))
        context = decoder.get_layer("with_context").input[1]
        inputs = {"previous": keras.ops.array([[1, 3, 4]]), **memory}
        (contexts,) = keras.Model(decoder.input, context)(inputs).numpy()
        np.testing.assert_allclose(weights @ memory["memory"][0], contexts, atol=1e-5)
