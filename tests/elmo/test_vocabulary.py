"""The vocabulary of a language model: from texts, from files, and what is none."""

import pytest

import keras_recurrent as kr

TEXT = "the cat sat\nthe dog sat on the mat\n\nzoë the <UNK> dog\n"
ORDER = ["<S>", "</S>", "<UNK>", "the", "dog", "sat", "cat", "mat", "on", "zoë"]


def _write(folder, text, name="text.txt"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_words_by_descending_frequency_then_by_code_points(tmp_path):
    vocabulary = kr.elmo.Vocabulary.from_text(_write(tmp_path, TEXT))
    assert list(vocabulary.words) == ORDER
    assert (vocabulary.begin, vocabulary.end, vocabulary.unknown) == (0, 1, 2)
    assert vocabulary.ids(["dog", "nowhere", "<S>"]) == [4, 2, 0]
    assert vocabulary.decode([4, 2]) == ["dog", "<UNK>"]
    assert "zoë" in vocabulary
    assert "nowhere" not in vocabulary


def test_words_may_come_as_bytes():
    vocabulary = kr.elmo.Vocabulary([*ORDER])
    assert vocabulary.ids(["zoë".encode(), "dog", b"\xff"]) == [9, 4, 2]
    with pytest.raises(TypeError, match=r"must be text \(str or bytes\). Received: 4"):
        vocabulary.ids(["dog", 4])


def test_several_files_least_counts_and_sizes(tmp_path):
    _write(tmp_path, TEXT, "a.txt")
    _write(tmp_path, "cat cat cat cat\r\ncat\r\n", "b.txt")
    of = kr.elmo.Vocabulary.from_text
    pattern = str(tmp_path / "*.txt")
    assert of(pattern).words[3:5] == ("cat", "the")
    assert of(pattern, min_count=2).words[3:] == ("cat", "the", "dog", "sat")
    assert of(pattern, max_size=5) == of([tmp_path / "b.txt", tmp_path / "a.txt"], max_size=5)
    assert len(of(pattern, max_size=5)) == 5


def test_files_hold_one_word_a_line(tmp_path):
    vocabulary = kr.elmo.Vocabulary.from_text(_write(tmp_path, TEXT))
    path = tmp_path / "vocab.txt"
    path.write_text("what was there")
    vocabulary.write(path)
    assert path.read_text(encoding="utf-8") == "\n".join(ORDER) + "\n"
    assert kr.elmo.Vocabulary.read(path) == vocabulary
    assert {p.name for p in tmp_path.iterdir()} == {"text.txt", "vocab.txt"}


def test_files_of_others(tmp_path):
    """Line ends of Windows, the marker of the One Billion Word Benchmark, another order.

    Spaces beyond ASCII are characters of words: whose numbers are those of the lines.
    """
    text = "\ufeff</S>\r\n<S>\r\n!!!MAXTERMID\r\nthe\r\n<UNK>\r\n\u00a0\r\n10\u00a0000\r\n"
    read = kr.elmo.Vocabulary.read(_write(tmp_path, text.encode()))
    assert read.words == ("</S>", "<S>", "the", "<UNK>", "\u00a0", "10\u00a0000")
    assert (read.begin, read.end, read.unknown) == (1, 0, 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the\ncat\n", "must hold <S>, </S>, <UNK>.*2 words without <S>, </S>, <UNK>"),
        ("<S>\n</S>\n", "without <UNK>"),
        ("", "0 words without"),
        ("<S>\n</S>\n<UNK>\na\nb\na\n", "stands there once. Received: 'a', 2 times"),
        ("<S>\n</S>\n<UNK>\n\nb\n", "none of them empty. Received: '', word 3"),
        ("<S>\n</S>\n<UNK>\nnew york\n", "Received: 'new york', word 3"),
        (b"<S>\n</S>\n<UNK>\ncaf\xe9\n", "in UTF-8, one word a line.*whose byte 19"),
    ],
)
def test_what_is_no_vocabulary(tmp_path, text, said):
    path = _write(tmp_path, text)
    with pytest.raises(ValueError, match=said) as error:
        kr.elmo.Vocabulary.read(path)
    assert "text.txt" in str(error.value)


def test_refuses(tmp_path):
    path = _write(tmp_path, TEXT)
    with pytest.raises(ValueError, match="none of them 9 times"):
        kr.elmo.Vocabulary.from_text(path, min_count=9)
    with pytest.raises(ValueError, match="`max_size` counts the 3 special words too"):
        kr.elmo.Vocabulary.from_text(path, max_size=3)
    with pytest.raises(ValueError, match="holds no words"):
        kr.elmo.Vocabulary.from_text(_write(tmp_path, "\n \n", "blank"))
    with pytest.raises(TypeError, match="list of words"):
        kr.elmo.Vocabulary("words")
    with pytest.raises(TypeError, match="strings without white space"):
        kr.elmo.Vocabulary(["<S>", "</S>", "<UNK>", b"bytes"])
