"""Windows of a text: how rows are packed, orders of epochs, and what is no text."""

import itertools
import tracemalloc

import numpy as np
import pytest

import keras_recurrent as kr
from keras_recurrent.elmo.text import LONGEST_LINE

ROWS, WINDOW = 2, 3
TEXT = "a b\nc d e f\n\ng\nh i j k l\nm n\n\no p q\n"


def _write(folder, text, name="text.txt"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def vocabulary(tmp_path):
    return kr.elmo.Vocabulary.from_text(_write(tmp_path, TEXT, "words.txt"))


@pytest.fixture
def corpus(tmp_path, vocabulary):
    return lambda text=TEXT, **options: kr.elmo.Corpus(
        _write(tmp_path, text), vocabulary, **options
    )


def _read(corpus, rows=ROWS, window=WINDOW, directions=("forward", "backward"), **options):
    return _words(corpus, _windows(corpus, rows, window, directions, **options))


def _windows(corpus, rows=ROWS, window=WINDOW, directions=("forward", "backward"), **options):
    return corpus.windows(
        rows, window, directions=directions, max_characters_per_token=None, **options
    )


def _words(corpus, data):
    """What a dataset holds, in words: inputs and targets `(batches, rows, window, directions)`."""
    words, targets, resets = [], [], []
    for x, y in data.as_numpy_iterator():
        np.testing.assert_array_equal(x["inputs"]["targets"], y)
        words.append(x["inputs"]["words"] - 1)
        targets.append(y)
        resets.append(x["reset"])
    names = np.array(corpus.vocabulary.words)
    return names[np.array(words)], names[np.array(targets)], np.array(resets)


def _lines(words):
    return [[" ".join(row) for row in batch] for batch in words]


def test_rows_are_packed_one_sentence_behind_the_other(corpus):
    words, targets, resets = _read(corpus(shuffle=None))
    assert _lines(words[..., 0]) == [
        ["<S> a b", "<S> c d"],
        ["<S> g <S>", "e f <S>"],  # each takes the next sentence when it has room
        ["h i j", "m n <S>"],
    ]
    assert _lines(targets[..., 0]) == [
        ["a b </S>", "c d e"],
        ["g </S> h", "f </S> m"],
        ["i j k", "n </S> o"],
    ]
    np.testing.assert_array_equal(resets, [[1, 1], [0, 0], [0, 0]])


def test_the_backward_direction_reads_sentences_from_their_ends(corpus):
    words, targets, _ = _read(corpus(shuffle=None))
    assert _lines(words[..., 1])[:2] == [["</S> b a", "</S> f e"], ["</S> g </S>", "d c </S>"]]
    assert _lines(targets[..., 1])[:2] == [["b a <S>", "f e d"], ["g <S> l", "c <S> n"]]
    one, _, _ = _read(corpus(shuffle=None), directions=("backward",))
    np.testing.assert_array_equal(one[..., 0], words[..., 1])


def test_shuffled_epochs_have_as_many_batches_as_all_words_fill(corpus):
    text = corpus(TEXT + "a b c d e f g h i j k l m n o p q\n")
    assert (text.words, text.sentences, text.documents) == (34, 7, 3)
    data = _windows(text)
    assert data.cardinality() == text.steps(ROWS, WINDOW) == (34 + 7) // 6
    for epoch in range(4):
        text.epoch = epoch
        assert len(_words(text, data)[0]) == 6
    in_order = _windows(text, in_order=True)
    assert (
        len(_words(text, in_order)[0]) == in_order.cardinality() == 4
    )  # the long line is cut short


def _sentences(words, targets):
    """The sentences that one row holds from its begin on."""
    pairs = zip(words.ravel(), targets.ravel(), strict=True)
    text = " ".join(f"| {t}" if w == "<S>" else t for w, t in pairs).replace(" </S>", "")
    return [part.strip() for part in text.split("|")[1:]]


def test_documents_change_places_as_wholes_and_anew_in_each_epoch(corpus):
    text = corpus(seed=3)
    data = _windows(text, rows=1, window=23, directions=("forward",))
    documents = [["a b", "c d e f"], ["g", "h i j k l", "m n"], ["o p q"]]
    orders = {}
    for epoch in range(12):
        text.epoch = epoch
        read = _sentences(*_words(text, data)[:2])
        order = [next(d for d in documents if s in d) for s in read]
        assert read == list(itertools.chain(*(d for d, _ in itertools.groupby(order))))
        orders[epoch] = tuple(read)
    assert len(set(orders.values())) >= 4
    again = corpus(seed=3)
    again.epoch = 5
    assert tuple(_sentences(*_read(again, 1, 23, ("forward",))[:2])) == orders[5]


def test_a_document_that_ends_within_a_line_of_bytes_is_read(corpus):
    text = corpus("d a\ne b\r \r\ng c\n\nh a\n")
    words, targets, _ = _read(text, rows=1, window=12, directions=("forward",))
    assert sorted(_sentences(words, targets)) == ["d a", "e b", "g c", "h a"]


def test_directions_and_seeds_have_orders_of_their_own(corpus):
    lines = "".join(f"{a} {a}\n\n" for a in "abcdefghijklmnopq")
    words, _, _ = _read(corpus(lines), rows=1, window=51)
    assert list(words[..., 0].ravel()) != list(words[..., 1].ravel())
    other, _, _ = _read(corpus(lines, seed=1), rows=1, window=51)
    assert not np.array_equal(words, other)


@pytest.mark.parametrize("shuffle", ["files", "sentences"])
def test_files_and_sentences_change_places(tmp_path, vocabulary, shuffle):
    files = [_write(tmp_path, f"{a} b\n{a} c\n", f"{a}.txt") for a in "dghi"]
    text = kr.elmo.Corpus(files, vocabulary, shuffle=shuffle)
    words, targets, _ = _read(text, rows=1, window=24, directions=("forward",))
    read = _sentences(words, targets)
    assert sorted(read) == sorted(f"{a} {b}" for a in "dghi" for b in "bc")
    together = all(read[i][0] == read[i + 1][0] for i in range(0, 8, 2))
    assert together == (shuffle == "files")
    assert read != sorted(read)


def test_characters_are_those_of_batch_to_ids(corpus, vocabulary):
    long, emoji = "x" * 60, "🙂\x01"
    text = corpus(f"zoë {long} {emoji} a\n" * 3, shuffle=None)
    (x, y), *_ = text.windows(2, 5, max_characters_per_token=12).as_numpy_iterator()
    assert x["inputs"]["words"].shape == (2, 5, 2, 12)
    sentence = ["<S>", "zoë", long, emoji, "a"]
    expected = kr.elmo.batch_to_ids([sentence], 12)[0]
    np.testing.assert_array_equal(x["inputs"]["words"][0, :, 0], expected)
    backward = kr.elmo.batch_to_ids([["</S>", *sentence[:0:-1]]], 12)[0]
    np.testing.assert_array_equal(x["inputs"]["words"][1, :, 1], backward)
    unknown = vocabulary.unknown
    assert y[0, :, 0].tolist() == [unknown] * 3 + [*vocabulary.ids("a"), vocabulary.end]


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\r"),
        "\ufeff" + TEXT,
        TEXT + "\n\n\n",
        TEXT[:-1],
    ],
)
def test_ends_of_lines_and_marks_of_utf8(corpus, text):
    wanted, _, _ = _read(corpus(shuffle=None))
    got, _, _ = _read(corpus(text, shuffle=None))
    np.testing.assert_array_equal(got, wanted)
    assert corpus(text).documents == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no sentence"),
        ("\n \n\t\n", "holds no sentence"),
        (b"a b\ncaf\xe9 c\n", "UTF-8.*line 2, byte 4 of the line being 0xe9"),
        (b"a\0b\n", "zero bytes.*line 1"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "UTF-8.*line 1, byte 1 of the line being 0x89"),
        ("a\nb <S> c\n", "<S> and </S> are the boundaries.*line 2: 'b <S> c'"),
        ("a </S>\n", "leave them out of the text"),
        (b"a" * (LONGEST_LINE + 1), "at most 16 MB.*line 1, which is longer"),
    ],
)
def test_what_is_no_text(corpus, text, said):
    with pytest.raises(ValueError, match=said):
        corpus(text)


def test_long_lines_are_long_sentences(corpus):
    text = corpus("a " * 5000 + "\n" + "b " * 5000, shuffle=None)
    words, _, resets = _read(text, rows=2, window=100)
    assert len(words) == 50
    assert words[0, 0, 0, 0] == "<S>"
    assert set(words[1:, 0].ravel()) == {"a"}
    assert resets.sum() == 2


def test_the_text_is_not_held_in_memory(tmp_path, vocabulary):
    path = _write(tmp_path, ("a b c d e f\n" * 20 + "\n") * 2500)
    tracemalloc.start()
    text = kr.elmo.Corpus(path, vocabulary)
    batches = text._packed("forward", 32, 20, in_order=False)
    assert sum(1 for _ in itertools.islice(batches, 50)) == 50
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert text.documents == 2500
    assert peak < path.stat().st_size / 2  # as words it would be ten times the file


def test_refuses(corpus, tmp_path, vocabulary):
    with pytest.raises(ValueError, match="does not fill one batch of 64 rows of 20 words"):
        corpus().windows(64, 20)
    with pytest.raises(ValueError, match="does not fill one batch"):
        corpus("a\nb b b b b b b b b b b\n", shuffle=None).windows(2, 5)
    with pytest.raises(ValueError, match="`directions` must be some of"):
        _windows(corpus(), directions=("forward", "forwards"))
    assert _windows(corpus(), directions="forward").element_spec[1].shape[2] == 1
    with pytest.raises(FileNotFoundError, match="no file"):
        kr.elmo.Corpus(tmp_path / "nothing", vocabulary)
    with pytest.raises(IsADirectoryError, match="by its files"):
        kr.elmo.Corpus(tmp_path, vocabulary)
    with pytest.raises(ValueError, match="Name each file of a text once"):
        kr.elmo.Corpus([tmp_path / "words.txt"] * 2, vocabulary)
    with pytest.raises(ValueError, match="at least one file"):
        kr.elmo.Corpus([], vocabulary)
    with pytest.raises(TypeError, match=r"kr\.elmo\.Vocabulary"):
        kr.elmo.Corpus(tmp_path / "words.txt", ["a"])
    with pytest.raises(ValueError, match="`shuffle` must be one of"):
        corpus(shuffle="rows")
