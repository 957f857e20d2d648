"""Turkish tagging: the treebank, the baseline, the parts of words, and padding that counts nothing."""

import keras
import numpy as np
import pytest

from examples import tagging
from examples.datasets.turkish_treebank import TAGS, Sentence, load_turkish_treebank
from examples.datasets.turkish_treebank import turkish_treebank_dataset_builder as builder
from examples.turkish_words import PLACES, form, lower, pieces_of
from examples.word_pieces import PieceIds, piece_vectors


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """The sentences of the beginnings of both files, by split."""
    whole = builder.read_package_file

    def beginning(package, path):
        return b"\n\n".join(whole(package, path).split(b"\n\n")[:20])

    folder = tmp_path_factory.mktemp("treebank")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "read_package_file", beginning)
        return {split: load_turkish_treebank(split, folder) for split in builder.PLACES}


class TestTreebank:
    def test_the_official_split(self):
        counts = {
            split: sum(len(builder.blocks(section, split)) for section in builder.SECTIONS)
            for split in builder.PLACES
        }
        assert counts == {"train": 3881, "validation": 485, "test": 485}
        of_web = [builder.blocks("web", split) for split in ("train", "validation", "test")]
        assert "kiloyla" in of_web[0][0]
        assert "Bu konuda sizlerle" in of_web[2][0]

    def test_a_known_sentence(self, read):
        assert {split: len(found) for split, found in read.items()} == {
            "train": 32,
            "validation": 4,
            "test": 4,
        }
        sentence = read["train"][1]
        assert sentence.tokens[:6] == ("Açık", "la", "nma", "yan", "soruların", "müfredata")
        assert sentence.glued[:6].tolist() == [0, 1, 1, 1, 0, 0]
        assert [TAGS[tag] for tag in sentence.tags[:6]] == [
            *("NOUN", "VERB", "VERB", "ADJ", "NOUN", "NOUN"),
        ]

    def test_the_tags_are_14(self):
        assert len(TAGS) == len(set(TAGS)) == 14


def sentence(tokens: str, *tags: int) -> Sentence:
    words = tuple(tokens.split())
    return Sentence(words, np.zeros(len(words), int), np.array(tags))


def test_most_frequent_tags():
    train = [sentence("a a a b c d", 1, 2, 2, 3, 0, 0)]
    found = tagging.most_frequent_tags(train, ["a", "b", "never"])
    assert found.tolist() == [2, 3, 0]  # b, c and d were seen once: 0 is their usual tag


def test_scores():
    known = np.array([True, True, True, False])
    found = tagging.scores(np.array([1, 1, 0, 2]), np.array([1, 1, 1, 2]), known)
    assert found == pytest.approx((0.75, 2 / 3, 1.0))


class TestPieces:
    def test_of_a_turkish_word(self):
        (first, second) = pieces_of(("İLGİ", "sizlik"), (0, 1))
        assert len(first) == len(second) == PLACES
        assert first[0] == "ilgi"
        assert first[1:6] == ("i>", "gi>", "lgi>", "ilgi>", "<ilgi>")
        assert first[6:10] == ("<i", "<il", "<ilg", "<ilgi")
        assert first[10:] == ("X", "01")
        assert second[6] == "+s"
        assert second[11] == "10"

    def test_letters(self):
        assert lower("IĞDIR 2024") == "ığdır 0000"
        assert [form(word) for word in ("Mart'ta", "TBMM", "3.", "...")] == ["Xx'x", "X", "0.", "."]

    def test_glued_needs_a_number_a_token(self):
        with pytest.raises(ValueError, match="2 tokens, 1"):
            pieces_of(("a", "b"), (0,))

    def test_ids(self):
        ids = PieceIds([[("a", "x"), ("a", "y")], [("b", "x")]], 2)
        assert ids.size == 5  # padding, two unknowns, a, x
        assert ids([("a", "x"), ("b", "x"), ("z", None)], 4).tolist() == [
            [2, 4],
            [1, 4],
            [1, 0],
            [0, 0],
        ]
        assert ids([]).tolist() == [[0, 0]]
        assert ids([("a", "x")] * 3, 2).shape == (2, 2)

    def test_vectors_are_sums_and_padding_is_zero(self):
        ids = PieceIds([[("a", "x"), ("a", "x")]], 2)
        words = piece_vectors(ids, 3, dropout=0.0)
        table = words.get_layer("pieces").get_weights()[0]
        found = words.predict(np.array([[[2, 4], [2, 0], [0, 0]]]), verbose=0)
        np.testing.assert_allclose(found[0], [table[2] + table[4], table[2], 0 * table[0]], 1e-6)


@pytest.fixture(scope="module")
def tagger():
    keras.utils.set_random_seed(0)
    ids = PieceIds([[("a",) * PLACES, ("b",) * PLACES] * 2], PLACES)
    model = tagging.build(ids)
    loss = tagging.kr.losses.SumOverTime("sparse_categorical_crossentropy")
    model.compile(loss=loss, weighted_metrics=["accuracy"])
    return ids, model


def test_padding_counts_nothing(tagger):
    ids, model = tagger
    x, tags = ids([("a",) * PLACES, ("b",) * PLACES])[None], np.array([[3, 5]])
    wide = np.pad(x, ((0, 0), (0, 3), (0, 0))), np.pad(tags, ((0, 0), (0, 3)))
    short, long = model.evaluate(x, tags, verbose=0), model.evaluate(*wide, verbose=0)
    np.testing.assert_allclose(long, short, 1e-5)
    assert (
        tagging.predict(model, [x[0]]).tolist()
        == model.predict(x, verbose=0)[0].argmax(-1).tolist()
    )


def test_batches_hold_every_sentence_once_an_epoch():
    lengths = [3, 16, 17, 40, 100, 5, 90] * 20
    x = [np.full((n, PLACES), i + 1, np.int32) for i, n in enumerate(lengths)]
    tags = [np.full(n, i + 1) for i, n in enumerate(lengths)]
    data = tagging.batches(x, tags, seed=1)
    orders = []
    for _ in range(2):
        found = list(data.as_numpy_iterator())
        assert len(found) == data.cardinality().numpy()
        assert {ids.shape[1] for ids, _ in found} == {16, 32, 96, 100}
        assert all(np.array_equal(ids[..., 0], of) for ids, of in found)
        orders.append([first for ids, _ in found for first in ids[:, 0, 0]])
        assert sorted(orders[-1]) == list(range(1, len(x) + 1))
    assert orders[0] != orders[1]
