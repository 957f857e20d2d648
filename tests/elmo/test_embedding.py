"""`kr.elmo.embed` against the biLM called on all sentences at once, and its files."""

import gc
import json
import weakref

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr
from keras_recurrent.elmo import embedding
from keras_recurrent.elmo.reader import reader_of
from keras_recurrent.elmo.vocabulary import Vocabulary
from keras_recurrent.elmo.word_vectors import WordVectors

SENTENCES = [
    ["a", "naïve", "word"],
    [],
    ["x" * 60, "b", "!", "\x00", "🙂", "a"],
    ["</S>", "", b"\xff bytes"],
    ["y" * length for length in (0, 37, 43, 44, 45, 46, 47, 48, 49, 50, 51)],
    ["word"],
]
CLOSE = {"rtol": 0, "atol": 1e-6}


def small(**options):
    keras.utils.set_random_seed(3)
    given = {"filters": ((1, 3), (2, 4), (7, 6)), "character_dim": 3} | options
    bilm = kr.elmo.BiLM(6, 4, **given)
    bilm.build()
    for weight in bilm.weights:  # zeros of biases would hide what is left out
        weight.assign_add(keras.random.uniform(weight.shape, -0.5, 0.5, seed=len(weight.shape)))
    return bilm


@pytest.fixture(scope="module")
def bilm():
    return small()


def layers_of(bilm, sentences=SENTENCES):
    """For each sentence `(words, L + 1, width)`, from a call of the biLM."""
    found = tf.stack(bilm(kr.elmo.batch_to_ids(sentences)).activations, 2).numpy()
    return [rows[: len(words)] for rows, words in zip(found, sentences, strict=True)]


@pytest.fixture(scope="module")
def expected(bilm):
    return layers_of(bilm)


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, **CLOSE)


class TestValues:
    @pytest.mark.parametrize(
        ("output", "pick"),
        [
            ("all", lambda layers: layers),
            ("top", lambda layers: layers[:, 2]),
            ("average", lambda layers: layers.mean(1)),
            (0, lambda layers: layers[:, 0]),
            ((2, 0), lambda layers: layers[:, [2, 0]]),
        ],
    )
    def test_outputs_are_those_of_the_bilm(self, bilm, expected, output, pick):
        found = list(kr.elmo.embed(bilm, SENTENCES, batch_size=2, output=output))
        assert_same(found, [pick(layers) for layers in expected])
        assert all(array.dtype == "float32" for array in found)

    @pytest.mark.parametrize(("batch_size", "window"), [(1, 1), (2, 3), (4, 1), (16, 50)])
    def test_batches_and_windows_change_nothing(self, bilm, expected, batch_size, window):
        found = kr.elmo.embed(bilm, SENTENCES, batch_size=batch_size, window=window)
        assert_same(list(found), expected)

    def test_runs_repeat_exactly(self, bilm):
        first, second = (list(kr.elmo.embed(bilm, SENTENCES, batch_size=2)) for _ in range(2))
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_long_sentences_run_with_fewer_beside_them(self, bilm, expected, monkeypatch):
        monkeypatch.setattr(embedding, "_TOKENS", 16)
        assert_same(list(kr.elmo.embed(bilm, SENTENCES, batch_size=4)), expected)

    def test_exclusive_context(self, bilm):
        layer = kr.ELMo(bilm, "all", "exclusive")
        wanted = layer(kr.elmo.batch_to_ids(SENTENCES)).numpy()
        found = list(kr.elmo.embed(bilm, SENTENCES, batch_size=2, context="exclusive"))
        assert_same(found, [w[: len(s)] for w, s in zip(wanted, SENTENCES, strict=True)])

    def test_mean_is_over_the_words_of_the_sentence(self, bilm, expected):
        found = list(kr.elmo.embed(bilm, SENTENCES, batch_size=2, pooling="mean"))
        means = [layers.mean(0) if len(layers) else np.zeros((3, 8)) for layers in expected]
        assert_same(found, means)

    def test_half_precision_is_the_rounded_result(self, bilm, expected):
        found = list(kr.elmo.embed(bilm, SENTENCES, batch_size=2, dtype="float16"))
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == "float16"
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)

    def test_nothing_gives_nothing(self, bilm):
        assert list(kr.elmo.embed(bilm, [])) == []
        assert [a.shape for a in kr.elmo.embed(bilm, [[], []], batch_size=2)] == [(0, 3, 8)] * 2


class TestModels:
    def test_one_direction_one_layer_no_projection_no_highway(self):
        keras.utils.set_random_seed(1)
        options = {"filters": ((2, 5),), "highways": 0, "directions": ("backward",)}
        bilm = kr.elmo.BiLM(5, None, 1, max_characters_per_token=9, **options)  # not built
        found = list(kr.elmo.embed(bilm, SENTENCES[:4], batch_size=2))
        ids = kr.elmo.batch_to_ids(SENTENCES[:4], 9)
        wanted = tf.stack(bilm(ids).activations, 2).numpy()
        assert_same(found, [w[: len(s)] for w, s in zip(wanted, SENTENCES[:4], strict=True)])

    def test_a_warm_start(self):
        bilm = small(initial_state="warm")
        cold = list(kr.elmo.embed(bilm, SENTENCES[:3], batch_size=2))
        bilm.warm_up(kr.elmo.batch_to_ids([["some", "text"]]))
        found = list(kr.elmo.embed(bilm, SENTENCES[:3], batch_size=2))
        assert_same(found, layers_of(bilm, SENTENCES[:3]))
        assert np.abs(found[0][0, 1:] - cold[0][0, 1:]).max() > 1e-3

    def test_a_model_of_whole_words(self):
        vocabulary = Vocabulary(["<S>", "</S>", "<UNK>", "the", "cat"])
        bilm = small(vocabulary_size=5)
        sentences = [["the", "cat", "sat"], ["cat"]]
        found = list(kr.elmo.embed(bilm, sentences, batch_size=2, vocabulary=vocabulary))
        outputs = bilm(np.array([[4, 5, 3], [5, 0, 0]]))
        wanted = tf.stack(outputs.activations, 2).numpy()
        assert_same(found, [wanted[0], wanted[1, :1]])
        with pytest.raises(ValueError, match="has 5 words, <S> and </S> first"):
            kr.elmo.embed(
                bilm, sentences, vocabulary=Vocabulary(["</S>", "<S>", "<UNK>", "a", "b"])
            )
        with pytest.raises(ValueError, match="needs its `vocabulary`"):
            kr.elmo.embed(bilm, sentences)


class TestStreams:
    def test_no_further_is_read_than_the_window(self, bilm):
        read = []

        def stream():
            for number in range(100):
                read.append(number)
                yield iter(["word", str(number)])

        vectors = kr.elmo.embed(bilm, stream(), batch_size=2, window=3)
        assert read == []
        next(vectors)
        assert len(read) == 3
        for _ in range(3):
            next(vectors)
        assert len(read) == 6

    def test_a_word_is_computed_once_while_it_is_kept(self, bilm):
        words = WordVectors(bilm, capacity=3)
        rows, first = words.table(["a", "b", "a", "c"])
        assert list(rows) == ["a", "b", "c"]
        assert words.computed == 3
        words.table(["a"])
        assert words.computed == 3
        words.table(["d"])  # b was not met for longest
        rows, again = words.table(["a", "c", "d"])
        assert words.computed == 4
        np.testing.assert_array_equal(again[[rows["a"], rows["c"]]], first[[0, 2]])
        words.table(["b"])
        assert words.computed == 5

    def test_more_words_than_are_kept(self, bilm, expected):
        for cache in (0, 2):
            found = kr.elmo.embed(bilm, SENTENCES, batch_size=2, window=2, cache=cache)
            assert_same(list(found), expected)

    def test_lengths_share_programs(self):
        bilm = small()
        sentences = [["w"] * length for length in (1, 2, 11, 30, 31, 70)]
        assert_same(list(kr.elmo.embed(bilm, sentences, batch_size=1)), layers_of(bilm, sentences))
        steps = reader_of(bilm)._program._steps
        assert steps.experimental_get_tracing_count() == 1
        list(kr.elmo.embed(bilm, sentences, batch_size=1))
        assert steps.experimental_get_tracing_count() == 1

    def test_a_bilm_is_not_kept(self):
        bilm = small()
        list(kr.elmo.embed(bilm, [["a"]]))
        kept = weakref.ref(bilm)
        del bilm
        gc.collect()
        assert kept() is None


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"sentences": "a text"}, TypeError, "Received: the text 'a text'"),
            ({"sentences": None}, TypeError, "Give lists of words. Received: None"),
            ({"batch_size": 0}, ValueError, "`batch_size` must be a positive whole number"),
            ({"window": 0}, ValueError, "`window` must be a positive whole number"),
            ({"output": "mix"}, ValueError, "`output` must be one of"),
            ({"output": 3}, ValueError, "layers from 0 to 2. Received: output=3"),
            ({"output": (0, True)}, ValueError, r"Received: output=\(0, True\)"),
            ({"output": ()}, ValueError, "layers from 0 to 2"),
            ({"output": 1.0}, ValueError, "layers from 0 to 2. Received: output=1.0"),
            ({"context": "none"}, ValueError, "`context` must be one of"),
            ({"pooling": "max"}, ValueError, "`pooling` must be one of"),
            ({"dtype": "int32"}, ValueError, "`dtype` must be a kind of real numbers"),
            ({"cache": -1}, ValueError, "0 for none. Received: cache=-1"),
            ({"vocabulary": Vocabulary(["<S>", "</S>", "<UNK>"])}, ValueError, "takes none"),
        ],
    )
    def test_arguments_at_once(self, bilm, arguments, error, message):
        with pytest.raises(error, match=message):
            kr.elmo.embed(bilm, **{"sentences": SENTENCES, **arguments})

    def test_other_models(self, bilm):
        with pytest.raises(TypeError, match=r"must be a kr.elmo.BiLM. Received: <ELMo"):
            kr.elmo.embed(kr.ELMo(bilm), SENTENCES)
        with pytest.raises(ValueError, match="stateful=False"):
            kr.elmo.embed(small(stateful=True), SENTENCES)

    @pytest.mark.parametrize("sentence", ["some text", b"text", [1, 2], [["a"]], [None], None])
    def test_sentences_when_they_are_read(self, bilm, sentence):
        vectors = kr.elmo.embed(bilm, [["fine"], sentence], batch_size=1, window=1)
        assert next(vectors).shape == (1, 3, 8)
        with pytest.raises(TypeError, match="must be a list of words"):
            next(vectors)


class TestFile:
    def test_layout(self, bilm, expected, tmp_path):
        path = tmp_path / "vectors.hdf5"
        read = (words for words in [*SENTENCES, ["word"]])
        assert kr.elmo.write_embeddings(bilm, read, path, batch_size=2) == 7
        with h5py.File(path) as file:
            names = json.loads(file["sentence_to_index"][0])
            arrays = [file[str(place)][:] for place in range(7)]
            assert len(file) == 8
        assert_same(arrays[:6], [layers.swapaxes(0, 1) for layers in expected])
        assert names["a naïve word"] == "0"
        assert names["word"] == "6"
        assert names["</S>  \ufffd bytes"] == "3"
        assert [entry.name for entry in tmp_path.iterdir()] == ["vectors.hdf5"]

    def test_top_layer_in_half_precision_without_names(self, bilm, expected, tmp_path):
        arguments = {"output": "top", "dtype": "float16", "index": False, "batch_size": 2}
        kr.elmo.write_embeddings(bilm, SENTENCES, tmp_path / "v.hdf5", **arguments)
        with h5py.File(tmp_path / "v.hdf5") as file:
            assert sorted(file) == list("012345")
            assert file["1"].shape == (0, 8)
            assert file["0"].dtype == "float16"
            np.testing.assert_allclose(file["0"][:], expected[0][:, 2], rtol=1e-3, atol=1e-6)

    def test_what_was_there_stays_until_all_is_written(self, bilm, tmp_path):
        path = tmp_path / "v.hdf5"
        path.write_bytes(b"before")
        bad = iter([["fine"], "text"])
        with pytest.raises(TypeError, match="must be a list of words"):
            kr.elmo.write_embeddings(bilm, bad, path, batch_size=1, window=1)
        assert path.read_bytes() == b"before"
        assert [entry.name for entry in tmp_path.iterdir()] == ["v.hdf5"]

    def test_bad_places(self, bilm, tmp_path):
        with pytest.raises(FileNotFoundError, match="There is no folder"):
            kr.elmo.write_embeddings(bilm, SENTENCES, tmp_path / "no" / "v.hdf5")
        with pytest.raises(IsADirectoryError, match="this is a folder"):
            kr.elmo.write_embeddings(bilm, SENTENCES, tmp_path)
        with pytest.raises(TypeError, match="Received: the text"):
            kr.elmo.write_embeddings(bilm, "a text", tmp_path / "v.hdf5")
        assert list(tmp_path.iterdir()) == []
