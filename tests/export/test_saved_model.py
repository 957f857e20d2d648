"""`to_saved_model`: served by TensorFlow alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_recurrent as kr
from keras_recurrent import export


@pytest.fixture(scope="module")
def model():
    ids = keras.Input((None,), dtype="int32", name="ids")
    y = layers.Embedding(7, 4, mask_zero=True)(ids)
    y = layers.Dropout(0.5)(kr.Bidirectional(kr.LSTM(3, return_sequences=True, dropout=0.3))(y))
    return keras.Model(ids, layers.GRU(2)(y))


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "m"
    return folder, export.to_saved_model(model, folder)


def test_report(exported):
    _, report = exported
    assert (report.kind, report.form) == ("saved_model", "loop")
    assert report.largest_difference < 1e-5
    assert str(report.inputs[0]) == "ids int32 (?, ?)"
    forbidden = ("Random", "Xla", "Cudnn", "Stateless")
    found = [op for op in report.ops if any(name in op for name in forbidden)]
    assert found in ([], ["StatelessWhile"])


def test_serves_without_keras(model, exported):
    loaded = tf.saved_model.load(str(exported[0]))
    ids = np.array([[1, 2, 0, 4], [0, 0, 0, 0], [3, 0, 0, 0]], "int32")
    output = loaded.signatures["serving_default"](ids=ids)["output_0"]
    np.testing.assert_allclose(output, model(ids), atol=1e-6)


def test_no_seed_variables(exported):
    names = [
        name for name, _ in tf.train.list_variables(str(exported[0] / "variables" / "variables"))
    ]
    loaded = tf.saved_model.load(str(exported[0]))
    assert not [v.name for v in loaded._all_variables if "seed" in v.name], names


def test_verify_and_inspect(model, exported):
    folder, report = exported
    ids = np.random.default_rng(0).integers(0, 7, (4, 6))
    assert export.verify(model, folder, ids).largest_difference < 1e-5
    seen = export.inspect(folder)
    assert (seen.bytes, seen.ops) == (report.bytes, report.ops)


@pytest.mark.parametrize("recurrent", [kr.GRU(2), layers.GRU(2)])
def test_lookup_tables_go_along(recurrent, tmp_path):
    words = keras.Input((None,), dtype="string", name="words")
    lookup = layers.StringLookup()
    lookup.adapt([["a", "b", "a"]])
    model = keras.Model(words, recurrent(layers.Embedding(3, 2)(lookup(words))))
    report = export.to_saved_model(model, tmp_path / "m")
    assert report.largest_difference < 1e-5
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    output = loaded.signatures["serving_default"](words=tf.constant([["a", "c"]]))["output_0"]
    np.testing.assert_allclose(output, model(tf.constant([["a", "c"]])), atol=1e-6)


def test_half_precision_is_kept(tmp_path):
    model = keras.Sequential([keras.Input((4, 3)), kr.LSTM(2, dtype="mixed_float16")], name="half")
    report = export.to_saved_model(model, tmp_path / "m")
    assert report.outputs[0].dtype == "float16"


def write_module(folder, *names):
    """A SavedModel as others make it, with these entry points."""

    def serve(x):
        return {"y": 2 * x}

    module = tf.Module()
    module.serve = tf.function(serve, [tf.TensorSpec((None, 3), name="x")])
    signatures = dict.fromkeys(names, module.serve)
    tf.saved_model.save(module, str(folder), signatures=signatures)


def test_only_signature_by_another_name(tmp_path):
    write_module(tmp_path / "m", "predict")
    report = export.inspect(tmp_path / "m")
    assert report.signatures == ("predict",)
    assert list(map(str, report.inputs)) == ["x float32 (?, 3)"]
    assert list(map(str, report.outputs)) == ["y float32 (?, 3)"]


@pytest.mark.parametrize("names", [(), ("embed", "predict")])
def test_no_signature_that_could_be_meant(names, tmp_path):
    write_module(tmp_path / "m", *names)
    with pytest.raises(ValueError, match=rf"'serving_default'.*signatures \[{str(names)[1:-1]}\]"):
        export.inspect(tmp_path / "m")


def test_streaming_in_plain_tensorflow(tmp_path):
    """Three signatures, driven as TensorFlow Serving's clients do, without this package's help."""
    x = keras.Input((None, 3), name="x")
    model = keras.Model(x, keras.layers.Dense(2)(kr.LSTM(4, return_sequences=True)(x)))
    report = export.to_saved_model(model, tmp_path / "m", streaming=True, block=2)
    assert report.signatures == ("initial_state", "serve", "serving_default", "step")
    assert (report.block, len(report.states)) == (2, 2)
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    frames = np.random.default_rng(0).normal(size=(3, 6, 3)).astype("float32")
    whole = loaded.signatures["serve"](x=tf.constant(frames))["output_0"]
    states = loaded.signatures["initial_state"](batch_size=tf.constant(3))
    parts = []
    for start in range(0, 6, 2):
        out = loaded.signatures["step"](x=tf.constant(frames[:, start : start + 2]), **states)
        states = {name: out[name] for name in states}
        parts.append(out["output_0"])
    np.testing.assert_allclose(tf.concat(parts, 1), whole, atol=1e-6)
    np.testing.assert_allclose(whole, model(frames), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"streaming": "yes"}, "streaming='yes'"), ({"block": 2}, "streaming=True.*block=2")],
)
def test_bad_arguments(model, arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export.to_saved_model(model, tmp_path / "m", **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [5, None])
def test_kerass_own_export_is_right(length, tmp_path):
    """A user's `model.export`: whatever engine it holds, the numbers are the model's."""
    x = keras.Input((length, 3))
    model = keras.Model(x, kr.LSTM(4, return_sequences=True)(x))
    model.export(tmp_path / "m", verbose=False)
    rows = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    loaded = tf.saved_model.load(str(tmp_path / "m"))  # the function alone holds no variables
    served = loaded.serve(rows)
    np.testing.assert_allclose(served, model(rows), atol=1e-6)
