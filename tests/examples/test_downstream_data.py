"""Film snippets and WordNet usages: what is read, and splits that keep training and test apart."""

import numpy as np
import pytest

from examples.datasets.english_text import sources
from examples.datasets.npm import read_npm_files
from examples.datasets.senses import Usage, load_senses, senses_dataset_builder
from examples.datasets.senses.usages import SUPERSENSES, possible_lemmas, read_usages
from examples.datasets.snippets import Snippets, load_snippets
from examples.downstream import sentiment, supersense, usages, word_sense

LINES = [
    '  1 This software and database is being provided to you; "the licence"',
    '00000101 38 v 02 run 0 go_fast 1 001 @ 00000202 v 0000 01 + 02 00 | move fast; "she runs home"; '
    '"they run and run"; "running, she fell"',
    '00000102 05 n 01 cat 0 000 | a small "domestic" animal; "Two cats slept on it',
    '00000103 00 a 01 big(p) 0 000 | large; "a bigger house than ours"',
    "00000104 05 n 01 dog 0 000 | an animal that barks",
]


def test_usages_of_lines():
    found = list(read_usages(LINES))
    assert [(u.tokens[u.target], u.lemma, u.sense, u.supersense) for u in found] == [
        ("runs", "run", "verb.00000101", "verb.motion"),
        ("running", "run", "verb.00000101", "verb.motion"),  # "run and run" is ambiguous
        ("cats", "cat", "noun.00000102", "noun.animal"),
        ("bigger", "big", "adj.00000103", "adj.all"),
    ]
    assert found[2].tokens == ("Two", "cats", "slept", "on", "it")


@pytest.mark.parametrize(
    ("form", "speech", "lemma"),
    [
        *[("planned", "verb", "plan"), ("making", "verb", "make"), ("studied", "verb", "study")],
        *[("lying", "verb", "lie"), ("boxes", "noun", "box"), ("women", "noun", "woman")],
        *[("happiest", "adj", "happy"), ("larger", "adj", "large"), ("fast", "adv", "fast")],
    ],
)
def test_lemmas(form, speech, lemma):
    assert lemma in possible_lemmas(form, speech)


def test_other_parts_of_speech_do_not_inflect():
    assert possible_lemmas("planned", "noun") == {"planned"}


def test_the_lexicographer_files_are_45():
    assert len(SUPERSENSES) == len(set(SUPERSENSES)) == 45
    assert SUPERSENSES[3] == "noun.Tops"
    assert SUPERSENSES[29] == "verb.body"


@pytest.fixture(scope="module")
def wordnet():
    """The beginnings of WordNet's files."""
    files = read_npm_files(senses_dataset_builder.WORDNET, "package/dict/data.*")
    return {name: b"\n".join(text.split(b"\n", 1500)[:1500]) for name, text in files.items()}


@pytest.fixture(scope="module")
def read(wordnet, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(senses_dataset_builder, "read_npm_files", lambda package, pattern: wordnet)
        return load_senses(tmp_path_factory.mktemp("senses"))


class TestSenses:
    def test_known_usages(self, read):
        assert read[0].lemma == "object"
        assert read[0].supersense == "noun.Tops"
        assert " ".join(read[0].tokens) == "it was full of rackets , balls and other objects"
        assert read[0].tokens[read[0].target] == "objects"
        respiring = next(u for u in read if u.lemma == "respire")
        assert respiring.tokens == ("The", "patient", "is", "respiring")
        assert respiring.supersense == "verb.body"

    def test_the_target_is_a_form_of_the_lemma(self, read):
        assert len(read) > 500
        assert {u.sense.split(".")[0] for u in read} == {"noun", "verb", "adj", "adv"}
        for u in read:
            assert u.supersense.split(".")[0] == u.sense.split(".")[0]
            assert u.lemma in possible_lemmas(u.tokens[u.target].lower(), u.sense.split(".")[0])

    def test_no_usage_is_in_the_text_of_the_language_model(self, read, wordnet, monkeypatch):
        monkeypatch.setattr(sources, "read_npm_files", lambda package, pattern: wordnet)
        text = "\n".join(document.text for document in sources.glosses())
        assert "that which is perceived or known or inferred" in text
        assert "full of rackets" not in text
        assert '"' not in text.split("\n\n")[0]


def test_snippets(tmp_path):
    snippets = load_snippets(tmp_path)
    assert len(snippets.texts) == len(snippets.tokens) == 10_605
    assert [int(np.sum(np.sign(snippets.ratings) == sign)) for sign in (1, 0, -1)] == [
        5242,
        37,
        5326,
    ]
    assert snippets.texts[2] == "Effective but too tepid biopic"
    assert snippets.tokens[2] == ("Effective", "but", "too", "tepid", "biopic")
    assert snippets.ratings[2] == np.float32(-0.6)


def some_snippets():
    """Numbers as texts; the odd ones are good, every tenth is neutral, and 7 stands there twice."""
    numbers = [*range(200), 7]
    ratings = [0 if n % 10 == 0 else 1.5 if n % 2 else -1.5 for n in numbers]
    texts = [f"film {n}" for n in numbers]
    return Snippets(texts, [tuple(text.split()) for text in texts], np.array(ratings, np.float32))


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_split_of_sentiment(monkeypatch, share):
    monkeypatch.setattr(sentiment, "load_snippets", some_snippets)
    monkeypatch.setattr(sentiment, "TEST", 40)
    monkeypatch.setattr(sentiment, "VALIDATION", 20)
    data = sentiment.load(share)
    assert len(set(data.texts)) == len(data.texts) == round(180 * share)
    assert [len(part) for part in data.parts] == [round(n * share) for n in (120, 20, 40)]
    assert sorted(np.concatenate(data.parts)) == list(range(len(data.texts)))
    for text, tokens, label in zip(data.texts, data.sentences, data.labels, strict=True):
        assert tuple(text.split()) == tokens
        assert int(text.split()[1]) % 2 == label
    assert 0.2 < data.labels[data.parts.test].mean() < 0.8  # shuffled
    assert sentiment.load(share).texts == data.texts


def made_usages(words=60, seed=0):
    """Words with three synsets in two lexicographer files; sentences are shared between words."""
    draw = np.random.default_rng(seed)
    found = []
    for word in range(words):
        for synset, file in enumerate(["noun.act", "noun.food", "noun.food"]):
            for _ in range(draw.integers(1, 4)):
                tokens = ("word", f"s{draw.integers(150)}", f"w{word}")
                found.append(Usage(tokens, 2, f"w{word}", f"noun.{word}{synset}", file))
        found.append(Usage(("very", f"w{word}"), 1, f"w{word}", f"adj.{word}", "adj.all"))
    return found


class TestPairs:
    def test_are_balanced_for_every_word(self):
        pairs = word_sense.make_pairs(made_usages())
        assert len(pairs.same) > 60
        for lemma in set(pairs.lemmas):
            same = pairs.same[np.array(pairs.lemmas) == lemma]
            assert 2 * same.sum() == len(same) <= 2 * word_sense.PAIRS_A_WORD

    def test_labels(self):
        pairs = word_sense.make_pairs(made_usages())
        assert len({(a, b) for a, b in zip(pairs.first, pairs.second, strict=True)}) == len(
            pairs.same
        )
        for first, second, same in zip(pairs.first, pairs.second, pairs.same, strict=True):
            a, b = pairs.usages[first], pairs.usages[second]
            assert a.lemma == b.lemma
            assert a.tokens != b.tokens
            assert (a.sense == b.sense) == bool(same)
            assert (a.supersense == b.supersense) == bool(same)

    def test_parts_share_no_word_and_no_sentence(self):
        pairs = word_sense.make_pairs(made_usages())
        parts = word_sense.split(pairs, seed=3)
        lemmas = np.array(pairs.lemmas)
        words = [set(lemmas[part]) for part in parts]
        assert min(map(len, words)) > 0
        assert not words[0] & words[1]
        assert not words[2] & (words[0] | words[1])
        train, _, test = (
            {pairs.usages[side[i]].tokens for side in (pairs.first, pairs.second) for i in part}
            for part in parts
        )
        assert not train & test
        assert not np.array_equal(word_sense.split(pairs, seed=4).test, parts.test)


def test_split_of_supersenses():
    data = supersense.nouns_and_verbs(made_usages())
    assert data.names == ["noun.act", "noun.food"]
    assert [data.names[label] for label in data.labels] == [u.supersense for u in data.usages]
    train, validation, test = supersense.split(data, seed=2)
    assert not {data.usages[i].lemma for i in train} & {data.usages[i].lemma for i in test}
    held_out = {data.usages[i].tokens for i in (*validation, *test)}
    assert not held_out & {data.usages[i].tokens for i in train}
    assert len(test) == pytest.approx(supersense.SHARES[2] * len(data.usages), rel=0.25)


def test_split_of_words_is_complete_and_drawn():
    lemmas = [f"w{i % 50}" for i in range(400)]
    parts = usages.split_words(lemmas, (0.6, 0.4), seed=1)
    assert sorted(np.concatenate(parts)) == list(range(400))
    assert [len({lemmas[i] for i in part}) for part in parts] == [30, 20]
    assert not np.array_equal(parts[0], np.sort(parts[0]))
    (whole, nothing) = usages.split_words(lemmas, (1.0, 0.0), seed=1)
    assert len(whole) == 400
    assert len(nothing) == 0
