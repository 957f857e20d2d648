"""ELMo as SavedModel and TFLite: built-in operations, the numbers of Keras, words from text."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr
from examples.tflite_files import open_tflite
from keras_recurrent import export

EXACT = 1e-5
LENGTH = 8  # of a word's ids
SENTENCES = [["a", "na\u00efve", "</S>"], ["overlong"], []]


def tiny(**settings):
    """Weights large enough that states reach their clips."""
    options = {"units": 6, "projection_units": 3, "num_layers": 1, "filters": ((1, 3), (3, 4))}
    options |= {"character_dim": 3, "max_characters_per_token": LENGTH, "cell_clip": 0.6}
    bilm = kr.elmo.BiLM(**options | settings)
    bilm.build()
    rng = np.random.default_rng(0)
    for variable in bilm.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / variable.shape[0] ** 0.5)
    return bilm


def model_of(bilm, timesteps, *layers, **settings):
    shape = (timesteps,) if bilm.vocabulary_size else (timesteps, bilm.characters)
    ids = keras.Input(shape, dtype="int32", name="ids")
    y = kr.ELMo(bilm, **settings)(ids)
    for layer in layers:
        y = layer(y)
    return keras.Model(ids, y)


def ids_with_holes(length=LENGTH):
    """Sentences of words at the right, the left, with holes, and none."""
    ids = kr.elmo.batch_to_ids([["a", "bb", "ccc", "dddd", "a"]] * 4, length)
    ids[0, 3:], ids[1, :2], ids[2, [1, 2, 4]], ids[3] = 0, 0, 0, 0
    return ids


def test_any_sizes_without_the_word_itself(tmp_path):
    """The neighbours of `exclusive`, found by operations of TFLite, beside plain calls of the model."""
    # Two mixes are the same at first: one tensor under two names.
    model = model_of(tiny(), None, mixes=2, context="exclusive")
    path = tmp_path / "m.tflite"
    report = export.to_tflite(model, path, batch_size=None, verify=False)
    assert not report.custom_ops
    assert [str(t) for t in report.inputs] == [f"ids int32 (?, ?, {LENGTH})"]
    run = open_tflite(path)
    for ids in (ids_with_holes(), ids_with_holes()[:1, :1]):
        outputs = run(ids=ids)
        for place, expected in enumerate(model(ids)):
            assert np.abs(expected).max() > 0.01
            np.testing.assert_allclose(outputs[f"output_{place}"], expected, atol=1e-6)


def test_fixed_sizes_in_both_runtimes(tmp_path):
    bilm = tiny(num_layers=2)
    model = model_of(bilm, 3, output="all", fine_tune=True)
    report = export.to_tflite(model, tmp_path / "m.tflite")
    assert report.form == "loop"
    assert [r.runtime for r in report.runtimes] == ["Interpreter", "CompiledModel"]
    assert all(r.largest_difference < 1e-6 for r in report.runtimes)
    names = [line.split(":")[0] for line in report.layers]
    assert names == [f"{s}_layer_{i}" for s in ("forward", "backward") for i in range(2)]


def test_microcontroller(tmp_path, micro):
    """TFLM has few operations on whole numbers."""
    bilm = tiny(directions=("backward",))
    model = model_of(bilm, 2, keras.layers.Dense(2), context="exclusive")
    report = export.to_tflite(model, tmp_path / "m.tflite", target="micro")
    assert report.largest_difference < 1e-6


def test_integers_are_unrolled(tmp_path):
    """The words' own vectors are larger than the states, which are joined with them."""
    bilm = tiny(directions=("backward",))
    bilm.token_encoder.projection_kernel.assign(3 * bilm.token_encoder.projection_kernel)
    model, path = model_of(bilm, 2, output="all"), tmp_path / "m.tflite"
    data = kr.elmo.batch_to_ids([[a + b, b] for a in "abcdefgh" for b in "xyz"], LENGTH)
    report = export.to_tflite(model, path, quantize="int8", representative_data=data, verify=False)
    assert report.form == "unroll"
    run = open_tflite(path)
    found = np.concatenate([run(ids=row[np.newaxis])["output_0"] for row in data])
    expected = model(data)
    assert np.abs(found - expected)[:, :, 1].mean() < 0.1 * np.std(expected[:, :, 1])


def test_text_is_refused(tmp_path):
    words = keras.Input((4,), dtype="string", name="words")
    model = keras.Model(words, kr.ELMo(tiny())(words))
    with pytest.raises(ValueError, match=r"batch_to_ids; or use to_saved_model.*words string"):
        export.to_tflite(model, tmp_path / "m.tflite")
    assert not list(tmp_path.iterdir())


_ALONE = """
import sys
import numpy as np
import tensorflow as tf

folder, result = sys.argv[1:]
serve = tf.saved_model.load(folder).signatures["serving_default"]
words = [["a", "na\\u00efve", "</S>"], ["overlong", "", ""], ["", "", ""]]
np.save(result, serve(words=tf.constant(words))["output_0"])
assert not [name for name in sys.modules if name.split(".")[0] == "keras_recurrent"]
"""


def test_saved_model_reads_text_alone(tmp_path):
    """In a process that does not know this package."""
    bilm = tiny()
    words = keras.Input((None,), dtype="string", name="words")
    report = export.to_saved_model(keras.Model(words, kr.ELMo(bilm)(words)), tmp_path / "m")
    assert report.largest_difference < EXACT
    arguments = [_ALONE, tmp_path / "m", tmp_path / "y.npy"]
    subprocess.run([sys.executable, "-c", *map(str, arguments)], check=True, cwd=tmp_path)
    expected = kr.ELMo(bilm)(kr.elmo.batch_to_ids(SENTENCES, LENGTH))
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, atol=1e-6)


class TestShortWords:
    @pytest.mark.parametrize("given", [3, 6])
    def test_nothing_changes_for_words_that_fit(self, given):
        whole, short = tiny(), tiny(given_characters=given)
        words = ["x" * count for count in range(given - 1)] + ["<S>"]
        expected = whole(kr.elmo.batch_to_ids([words], LENGTH))
        found = short(kr.elmo.batch_to_ids([words], given))
        for ours, theirs in zip(found.activations, expected.activations, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)

    def test_longer_words_are_cut(self):
        whole, short = tiny(), tiny(given_characters=5)
        found, cut = (kr.elmo.batch_to_ids([[w]], n) for w, n in (("abcdef", 5), ("abc", LENGTH)))
        np.testing.assert_allclose(
            short(found).activations[1], whole(cut).activations[1], atol=1e-6
        )

    def test_places_without_words_stay_without(self):
        ids = ids_with_holes(5)
        found = tiny(given_characters=5)(ids)
        np.testing.assert_array_equal(found.mask, ids.any(-1))
        expected = tiny()(np.pad(ids, [(0, 0), (0, 0), (0, 3)], constant_values=0))
        for ours, theirs in zip(found.activations, expected.activations, strict=True):
            assert ours.shape == theirs.shape
            assert not np.asarray(ours)[~ids.any(-1)].any()

    def test_text(self):
        elmo = kr.ELMo(tiny(given_characters=6))
        words = tf.constant([["a", "bcde"], ["abcd", ""]])
        expected = kr.ELMo(tiny())(kr.elmo.batch_to_ids([["a", "bcde"], ["abcd"]], LENGTH))
        np.testing.assert_allclose(elmo(words), expected, atol=1e-6)

    def test_not_more_than_the_model_reads(self):
        with pytest.raises(ValueError, match="given_characters=9, max_characters_per_token=8"):
            tiny(given_characters=9)
        with pytest.raises(ValueError, match=r"\(None, None, 5\).*\(1, 1, 8\)"):
            tiny(given_characters=5)(kr.elmo.batch_to_ids([["a"]], LENGTH))
