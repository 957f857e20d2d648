"""`inspect` and `Report`."""

import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr
from keras_recurrent import export


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("inspected") / "m.tflite"
    x = keras.Input((None, 3), name="x")
    model = keras.Model(x, {"y": kr.LSTM(2, return_sequences=True)(x)})
    return path, export.to_tflite(model, path, batch_size=None)


def test_what_the_file_holds(exported):
    path, report = exported
    seen = export.inspect(path)
    assert seen.bytes == path.stat().st_size
    assert seen.ops == report.ops
    assert seen.ops["LOGISTIC"] == 3  # inside the loop's body, a subgraph of its own
    assert (str(seen.inputs[0]), seen.inputs[0].stored_shape) == ("x float32 (?, ?, 3)", (1, 1, 3))
    assert str(seen.outputs[0]).startswith("y float32")
    assert seen.signatures == ("serving_default",)
    for name in (
        "largest_difference",
        "tolerance",
        "runtimes",
        "target",
        "form",
        "reason",
        "layers",
    ):
        assert getattr(seen, name) == getattr(report, name)


def with_flex(function, shape):
    """A file as others make it, with TensorFlow's own operations."""
    concrete = tf.function(function, [tf.TensorSpec(shape)]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    return converter.convert()


def test_flex_operations_are_found(tmp_path):
    path = tmp_path / "flex.tflite"
    path.write_bytes(with_flex(lambda x: tf.linalg.inv(x) + 1.0, (2, 2)))
    report = export.inspect(path)
    assert report.custom_ops == ("FlexMatrixInverse",)
    assert report.ops == {"FlexMatrixInverse": 1, "ADD": 1}


def test_not_a_tflite_file(tmp_path, exported):
    whole = exported[0].read_bytes()
    path = tmp_path / "bad.tflite"
    for content, message in [
        (b"", "is empty"),
        (b"PK\x03\x04 a zip file, by the look of it", "TFL3"),
        (whole[:20], "damaged or cut short"),
        (whole[: len(whole) // 2], "damaged or cut short"),
        (whole[:-4], "damaged or cut short"),
        (np.random.default_rng(0).bytes(4) + b"TFL3" + bytes(100), "damaged or cut short"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            export.inspect(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        export.inspect(tmp_path / "nowhere.tflite")
    with pytest.raises(ValueError, match="not a SavedModel"):
        export.inspect(tmp_path)


def test_any_damage_is_a_value_error(tmp_path, exported):
    """Whatever was cut off or changed: a report, or an error that says so."""
    whole, path = exported[0].read_bytes(), tmp_path / "bad.tflite"
    random = np.random.default_rng(0)
    cut = [whole[:size] for size in random.integers(8, len(whole) - 16, 60)]
    flipped = []
    for place in [*range(64), *random.integers(64, len(whole), 200)]:
        data = bytearray(whole)
        data[place] ^= int(random.choice([1, 128, 255]))
        flipped.append(bytes(data))
    errors = []
    for data in cut + flipped:
        path.write_bytes(data)
        try:
            str(export.inspect(path))
        except ValueError as error:
            errors.append(str(error))
        else:
            assert data not in cut
    assert len(errors) > len(cut) + 30
    assert all("damaged or cut short" in error or "TFL3" in error for error in errors)


def test_variables_and_entry_points(tmp_path):
    """Of a file with resource variables and several signatures, as others make it."""
    module = tf.Module()
    module.total = tf.Variable(tf.zeros([2, 3]), name="total")

    @tf.function(input_signature=[tf.TensorSpec([2, 3], name="x")])
    def step(x):
        return {"y": module.total.assign_add(x) * 2.0}

    @tf.function(input_signature=[])
    def reset():
        return {"zero": module.total.assign(tf.zeros([2, 3]))}

    tf.saved_model.save(module, tmp_path / "m", signatures={"step": step, "reset": reset})
    path = tmp_path / "m.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "m")).convert())
    report = export.inspect(path)
    assert [(v.shape, v.dtype) for v in report.variables] == [((2, 3), "float32")]
    assert report.variables[0].name.endswith("total")
    assert {str(point) for point in report.entry_points} == {
        "reset: nothing -> zero float32 (2, 3)",
        "step: x float32 (2, 3) -> y float32 (2, 3)",
    }
    assert "step: x float32" in str(report)


def test_states_and_integers(tmp_path):
    """Inputs that take what an output of the same name gave; integers that stand for numbers."""

    def step(x, state_h):
        return {"y": tf.tanh(x), "state_h": tf.tanh(x + state_h)}

    def samples():
        for _ in range(4):
            yield [tf.random.normal([1, 4]), tf.random.normal([1, 4])]

    specs = [tf.TensorSpec([1, 4], name=name) for name in ("x", "state_h")]
    module = tf.Module()
    module.step = tf.function(step, input_signature=specs)
    tf.saved_model.save(module, tmp_path / "m", signatures={"serving_default": module.step})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "m"))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ({"x": x, "state_h": h} for x, h in samples())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    path = tmp_path / "m.tflite"
    path.write_bytes(converter.convert())
    report = export.inspect(path)
    assert [state.name for state in report.states] == ["state_h"]
    by_name = {tensor.name: tensor for tensor in report.outputs}
    assert (by_name["y"].dtype, by_name["y"].zero_point) == ("int8", 0)
    assert by_name["y"].scale == 1 / 128  # of tanh, by TFLite's specification
    assert "scale 0.0078125, zero point 0" in str(report)


def test_without_litert(exported, monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.startswith("ai_edge_litert")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    message = r"pip install 'keras-recurrent\[export\]'"
    with pytest.raises(ImportError, match=message):
        export.inspect(exported[0])
    model = keras.Sequential([keras.Input((3, 2)), kr.GRU(2)])
    with pytest.raises(ImportError, match=message):
        export.to_tflite(model, tmp_path / "m.tflite")


def test_report_as_text_and_json(exported):
    path, report = exported
    text = str(report)
    assert "\x1b[" not in text  # no colours outside a terminal
    for part in ("loop: one loop", "x float32 (?, ?, 3)", "LOGISTIC 3", "1 thread", "bytes"):
        assert part in text
    figures = json.loads(report.to_json())
    assert figures["path"] == str(path)
    assert figures["inputs"][0]["shape"] == [None, None, 3]
    assert figures["largest_difference"] == report.largest_difference
    with pytest.raises(AttributeError):
        report.bytes = 3
    assert "\x1b[" not in str(export.inspect(path))


def test_report_without_rich(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert "x float32 (?, ?, 3)" in str(exported[1])
