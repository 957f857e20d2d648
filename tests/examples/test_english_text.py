"""English texts for language models, and what a trained one is compared and shown with."""

import os
import platform
import sys

import numpy as np
import pytest
from oracle.kneser_ney import KneserNey

import keras_recurrent as kr
from examples import neighbours
from examples.datasets import debian, english, english_text, sword
from examples.datasets.english_text import english_text_dataset_builder, sources
from examples.datasets.english_text.sources import Document
from examples.neighbours import Occurrence
from examples.references import kneser_ney


class TestEnglish:
    def test_sentences_and_words(self):
        text = "Mr. Smith's plan isn't cheap: it costs $5,000.\nHe said “no”. Was it well-known?"
        assert english.tokenized_sentences(text) == [
            "Mr. Smith 's plan isn 't cheap : it costs $ 5,000 .",
            'He said " no . "',  # the American way, whatever was written
            "Was it well-known ?",
        ]

    def test_a_blank_line_ends_a_sentence_and_a_line_break_does_not(self):
        assert english.tokenized_sentences("A title\n\n \nThe first\nline") == [
            "A title",
            "The first line",
        ]

    @pytest.mark.parametrize("text", ["", " \n\n\t"])
    def test_no_text(self, text):
        assert english.tokenized_sentences(text) == []


class TestTexts:
    @pytest.fixture
    def small(self, monkeypatch):
        def some():
            yield Document("1790_without_words", 1790, "\n\n")
            yield Document("1995_first", 1995, "One two. Three.")
            yield Document("1996_second", 1996, "Four.")
            yield Document("2005/third", 2005, "Five.")
            yield Document("2006_fourth", 2006, "Six.\n\nSeven.")

        for name in ("speeches", "glosses"):
            monkeypatch.setitem(english_text_dataset_builder.SOURCES, name, some)

    def test_speeches_are_split_by_their_year(self, small, tmp_path):
        written = {
            part: english_text.write_text("speeches", part, tmp_path / part, data_dir=tmp_path)
            for part in ("train", "validation", "test")
        }
        assert {part: [file.name for file in files] for part, files in written.items()} == {
            "train": ["000-1995_first.txt"],
            "validation": ["000-1996_second.txt", "001-2005_third.txt"],
            "test": ["000-2006_fourth.txt"],
        }
        assert written["train"][0].read_text() == "One two .\nThree .\n"
        assert written["test"][0].read_text() == "Six .\nSeven .\n"

    def test_other_texts_are_one_part(self, small, tmp_path):
        files = english_text.write_text("glosses", "train", tmp_path / "text", data_dir=tmp_path)
        assert [kr.elmo.Corpus(files, VOCABULARY).documents, len(files)] == [4, 4]

    def test_chapters_of_moby_dick(self, monkeypatch):
        book = "CHAPTER 1. Loomings.\n\nCall me\nIshmael.\n\n\nCHAPTER 2. The Bag.\n\nI stuffed.\n"
        monkeypatch.setattr(sources, "read_npm_file", lambda *_: book.encode())
        first, second = sources.moby_dick()
        assert (first.title, first.text.strip()) == ("CHAPTER 1. Loomings.", "Call me\nIshmael.")
        assert (second.title, second.text.strip()) == ("CHAPTER 2. The Bag.", "I stuffed.")

    def test_definitions_of_wordnet_without_its_examples(self, monkeypatch):
        stored = (
            b"  1 This is the licence | of it\n"
            b'00039311 04 n 01 blind_alley 0 000 | a bad course; hopeless; "a road; or \'two\'"; "b"  \n'
            b"00039601 05 n 01 cat 0 000 | a pet  \n"
            b"00039602 04 n 01 play 0 000 | fun  \n"
        )
        monkeypatch.setattr(sources, "read_npm_files", lambda *_: {"data.noun": stored})
        acts, animals = sources.glosses()
        assert acts.text.split("\n\n") == ["a bad course; hopeless", "fun"]
        assert animals == ("field 05", 0, "a pet")

    def test_text_of_a_debian_package_elsewhere(self, monkeypatch, tmp_path):
        monkeypatch.setenv("KERAS_RECURRENT_DATA", str(tmp_path))
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(FileNotFoundError, match=r"apt-get is not on the PATH.*Debian"):
            debian.unpack_debian_package(sword.WORLD_ENGLISH, tmp_path)


VOCABULARY = kr.elmo.Vocabulary(["<S>", "</S>", "<UNK>", "One", "."])


def made_up(sentences, seed):
    """A language with 40 words of very different frequency, each of which prefers some next ones."""
    rng = np.random.default_rng(seed)
    likely = np.random.default_rng(0).dirichlet(1 / np.arange(1, 41), size=40)
    for _ in range(sentences):
        word, words = 0, []
        for _ in range(rng.integers(1, 15)):
            word = rng.choice(40, p=likely[word])
            words.append(f"w{word}")
        yield words


class TestKneserNey:
    @pytest.mark.skipif(
        (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="Linux on x86-64 only"
    )
    def test_the_program_equals_the_equations(self, tmp_path):
        texts = [list(made_up(500, 1)), list(made_up(60, 2)), list(made_up(60, 3))]
        files = [tmp_path / f"{number}.txt" for number in range(3)]
        for file, text in zip(files, texts, strict=True):
            file.write_text("".join(" ".join(words) + "\n" for words in text))
        known = {word for words in texts[0] for word in words}
        assert all(known.issuperset(words) for text in texts[1:] for words in text)
        oracle = KneserNey(texts[0], 4)
        try:
            found = kneser_ney.perplexities(files[0], files[1:], order=4)
        except (ConnectionError, TimeoutError) as error:  # no network and an empty cache
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(error).splitlines()[0])
        expected = [round(oracle.perplexity(text), 3) for text in texts[1:]]
        np.testing.assert_allclose(found, expected, atol=1e-6)  # as many digits as it prints

    def test_other_machines(self, monkeypatch, tmp_path):
        monkeypatch.setattr(kneser_ney.platform, "machine", lambda: "riscv64")
        with pytest.raises(OSError, match=r"Linux on x86-64.*riscv64"):
            kneser_ney.perplexities(tmp_path, [])


class TestNeighbours:
    def test_occurrences_are_spread_over_the_files(self, tmp_path, monkeypatch):
        monkeypatch.setattr(neighbours, "MOST", 3)
        files = [tmp_path / f"{number}.txt" for number in range(5)]
        for file in files:
            file.write_text("the state of it\n" + "long " * 60 + "state\n" + "no such word\n")
        found = neighbours.occurrences(files, ["state", "address"])
        assert [place.source for place in found["state"]] == ["0", "2", "4"]
        assert {place.place for place in found["state"]} == {1}
        assert "address" not in found

    def test_a_snippet_marks_the_word(self):
        words = [*"abcdefgh", "state", *"ijklmnopq"]
        assert str(Occurrence(words, 8)) == "c d e f g h *state* i j k l m n"

    def test_the_same_sentence_is_nearest(self):
        bilm = kr.elmo.BiLM(8, 4, filters=((1, 4), (2, 4)), max_characters_per_token=10)
        bilm.build()
        sentences = ["the state is", "we state that it is so", "a state", "in this state of mind"]
        places = [Occurrence(s.split(), s.split().index("state")) for s in sentences]
        found = neighbours.nearest(bilm, places[1], places, count=2)
        assert found[0][1] is places[1]
        assert found[0][0] == pytest.approx(1, abs=1e-5)
        assert found[1][0] < 0.999
