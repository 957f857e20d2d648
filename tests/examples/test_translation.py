"""Verses in two languages: the data, pieces of words, scores."""

import os

import pytest
from sentencepiece import SentencePieceProcessor

from examples import translation
from examples.datasets import sword
from examples.datasets.bible_verses import Verses, load_bible_verses
from examples.datasets.bible_verses import bible_verses_dataset_builder as builder
from examples.datasets.splits import part_of
from examples.datasets.sword import Place
from examples.pieces import UNKNOWN, Pieces


@pytest.fixture(scope="module")
def bibles():
    try:
        return [sword.read_bible(p) for p in (sword.WORLD_ENGLISH, sword.REINA_VALERA)]
    except (ConnectionError, TimeoutError, FileNotFoundError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error).splitlines()[0])  # no network and an empty cache, or no Debian


@pytest.fixture(scope="module")
def pairs(bibles):
    english, spanish = bibles
    with pytest.MonkeyPatch.context() as patch:
        found = {sword.WORLD_ENGLISH: english, sword.REINA_VALERA: spanish}
        patch.setattr(builder, "read_bible", found.get)
        return list(builder.read_pairs())


class TestBibles:
    def test_verses_as_pysword_reads_them(self, bibles, tmp_path):
        from pysword.modules import SwordModules

        for package, verses in zip((sword.WORLD_ENGLISH, sword.REINA_VALERA), bibles, strict=True):
            sword.unpack_debian_package(package, tmp_path / package.name)
            modules = SwordModules(f"{tmp_path}/{package.name}/usr/share/sword")
            (name,) = modules.parse_modules()
            text = modules.get_bible_from_module(name)
            for book, chapter, verse in (("Genesis", 50, 26), ("Jude", 1, 1), ("Psalms", 23, 4)):
                expected = text.get(books=[book], chapters=[chapter], verses=[verse], clean=False)
                assert verses[Place(book, chapter, verse)] == expected
                assert len(expected) > 100

    def test_pairs(self, pairs):
        assert len(pairs) == 31_074
        assert pairs[2] == (
            Place("Genesis", 1, 3),
            "God said, “Let there be light,” and there was light.",
            "Y dijo Dios: Sea la luz: y fué la luz.",
        )
        assert not [text for pair in pairs for text in pair[1:] if "<" in text or "  " in text]

    def test_no_verse_of_the_test_stands_in_train(self, pairs):
        parts = builder.split(pairs)
        assert {name: len(part) for name, part in parts.items()} == COUNTS
        for side in (1, 2):
            train = {builder.words(pair[side]) for pair in parts["train"]}
            for name in ("validation", "test"):
                assert train.isdisjoint(builder.words(pair[side]) for pair in parts[name])

    def test_what_is_said_again_is_left_out(self):
        trained = next(n for n in range(1, 99) if part_of(f"Ruth 1 {n}") == "train")
        tested = [n for n in range(1, 999) if part_of(f"Ruth 1 {n}") == "test"][:3]
        pairs = [
            (Place("Ruth", 1, trained), "He said it.", "Lo dijo."),
            (Place("Ruth", 1, tested[0]), "“He said, it!”", "Dijo eso."),
            (Place("Ruth", 1, tested[1]), "She said it.", "lo dijo"),
            (Place("Ruth", 1, tested[2]), "She said it.", "Ella lo dijo."),
        ]
        assert builder.split(pairs) == {
            "train": pairs[:1],
            "validation": [],
            "test": pairs[3:],
        }

    def test_short_verses(self, monkeypatch, tmp_path):
        def text(n):
            return f"{'word ' * (n % 30)}{n}."

        texts = {Place("Ruth", 1, n): text(n).replace("word", "<w>word</w>") for n in range(200)}
        monkeypatch.setattr(builder, "read_bible", lambda package: texts)
        read = load_bible_verses(20, tmp_path)
        for name, verses in read._asdict().items():
            expected = [n for n in range(200) if part_of(f"Ruth 1 {n}") == name and n % 30 < 20]
            assert verses.places == [f"Ruth 1:{n}" for n in expected]
            assert verses.english == verses.spanish == [text(n) for n in expected]
        assert sum(len(part.places) for part in load_bible_verses(None, tmp_path)) == 200

    def test_markup(self):
        marked = '<w lemma="G1">God</w><note placement="foot">See <i>1:2</i>.</note>said<q/>.'
        assert sword.plain(marked) == "God said."


COUNTS = {"train": 27_894, "validation": 1_586, "test": 1_535}
TEXTS = ["the light was good", "and there was light", "the light and the dark", "a good day"] * 3


@pytest.fixture(scope="module")
def pieces():
    return Pieces(TEXTS, 36)


class TestPieces:
    def test_there_and_back(self, pieces):
        assert len(pieces) == 36
        for text in [*TEXTS, "a dark god"]:
            ids = pieces.ids(text)
            assert min(ids) > UNKNOWN
            assert pieces.text(ids) == text

    def test_a_character_that_was_not_learnt(self, pieces):
        ids = pieces.ids("the Ω")
        assert ids[-1] == UNKNOWN
        assert pieces.text(ids[:-1]).strip() == "the"

    def test_the_file_is_sentencepieces_own(self, pieces, tmp_path):
        pieces.write(tmp_path / "pieces.model")
        read = SentencePieceProcessor(model_file=str(tmp_path / "pieces.model"))
        assert read.encode("the light") == pieces.ids("the light")
        assert [read.pad_id(), read.bos_id(), read.eos_id()] == [0, 1, 2]

    def test_text_to_translate(self, pieces):
        languages = translation.Languages(pieces, pieces)
        assert languages.read("The LIGHT") == pieces.ids("the light")
        for text in ("", "  ", "light " * 200):
            with pytest.raises(ValueError, match=r"from 1 to 99 pieces.*Received"):
                languages.read(text)

    def test_long_verses_are_not_trained_on(self, pieces):
        verses = Verses(["1", "2"], ["a good day", "a good day"], ["light", "light " * 200])
        batches = translation.batches(verses, translation.Languages(pieces, pieces), 1, 0)
        assert len(batches) == 1


class TestScores:
    def test_bleu_and_chrf(self):
        right = ["In the beginning God created the heavens and the earth.", "There was light."]
        assert translation.score(right, right) == pytest.approx((100, 100, 2))
        worse = translation.score(["In the beginning God made the heavens.", "No."], right)
        assert 0 < worse.bleu < worse.chrf < 100

    def test_signatures_say_how(self):
        assert "BLEU nrefs:1|case:mixed" in translation.signatures()
        assert "CHRF nrefs:1" in translation.signatures()

    def test_the_verse_most_alike(self):
        train = Verses(["1", "2"], ["one", "two"], ["la luz es buena", "el dia primero"])
        found = translation.most_alike(train, ["el dia segundo", "y la luz"])
        assert found == ["two", "one"]
