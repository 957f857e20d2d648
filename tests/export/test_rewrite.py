"""Files written anew: the same numbers, aligned weights, and only what was asked for changed."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export import metadata, rewrite, schema
from keras_recurrent.export.adopt import adopt
from keras_recurrent.export.signature import signature_of
from keras_recurrent.export.trace import trace

X = np.full((1, 30, 3), 3, "float32")
CLIPS = {"first": 0.5, "second": None, "third": 1.5}


@pytest.fixture(scope="module")
def model():
    """Three layers of the same shape, whose cell states grow from step to step."""
    keras.utils.set_random_seed(1)
    x = keras.Input((30, 3), name="x")
    outputs = {
        name: kr.LSTM(3, cell_clip=clip, name=name, bias_initializer="ones")(x)
        for name, clip in CLIPS.items()
    }
    model = keras.Model(x, outputs)
    for layer in model.layers[1:]:
        layer.set_weights([3 * abs(w) + 1 for w in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def converted(model, tmp_path_factory):
    """The file, and the same with its buffers behind the flatbuffer, as in files of 2 GB."""
    folder = tmp_path_factory.mktemp("fused")
    trace(adopt(model), signature_of(model).pinned(1, 30), "fused", folder / "saved")
    contents = []
    for behind in (False, True):
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
        converter._experimental_use_buffer_offset = behind
        contents.append(converter.convert())
    return contents


@pytest.fixture(params=[False, True], ids=["inside", "behind"])
def path(request, converted, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(converted[request.param])
    return path


def run(path) -> dict[str, np.ndarray]:
    return dict(Interpreter(str(path)).get_signature_runner()(x=X))


def layers(model) -> list[tuple]:
    return [(model.get_layer(name).get_weights()[1], clip) for name, clip in CLIPS.items()]


def buffers(path) -> list[tuple[int, int]]:
    """Place and size of the bytes of every buffer that has some."""
    data = path.read_bytes()
    start = np.frombuffer(data, np.uint8).ctypes.data
    root = schema.litert("schema_py_generated").Model.GetRootAs(data, 0)
    found = []
    for buffer in map(root.Buffers, range(root.BuffersLength())):
        if buffer.Offset() > 1:
            found.append((buffer.Offset(), buffer.Size()))
        elif buffer.DataLength():
            found.append((buffer.DataAsNumpy().ctypes.data - start, buffer.DataLength()))
    return found


def test_nothing_changed(path):
    before, size = run(path), path.stat().st_size
    alignments = {place % 16 for place, _ in buffers(path)}
    contents = sorted(path.read_bytes()[place : place + count] for place, count in buffers(path))
    rewrite.rewrite(path, lambda model: None)
    found = buffers(path)
    assert len(found) > 10
    assert sorted(path.read_bytes()[place : place + count] for place, count in found) == contents
    assert {place % 16 for place, _ in found} <= alignments | {0}
    assert path.read_bytes()[4:8] == b"TFL3"
    assert path.stat().st_size < size + 2000
    for name, values in run(path).items():
        np.testing.assert_array_equal(values, before[name])


def test_buffers_are_aligned(converted, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(converted[0])
    generated = schema.litert("schema_py_generated")
    odd = [np.full(size, 100 + size, np.uint8) for size in range(1, 40)]
    rewrite.rewrite(path, lambda model: model.buffers.extend(map(generated.BufferT, odd)))
    found = buffers(path)
    assert {size for _, size in found} > set(range(1, 40))
    assert {place % 16 for place, _ in found} == {0}


def test_each_layer_has_its_own_cell_clip(model, converted, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(converted[0])
    expected = model(X)
    wrong = run(path)
    assert all(np.abs(wrong[name] - expected[name]).max() > 0.05 for name in ("first", "third"))
    assert rewrite.set_cell_clip(path, layers(model)[::-1]) == 3
    for name, values in run(path).items():
        np.testing.assert_allclose(values, expected[name], atol=1e-6)
    with pytest.raises(ValueError, match="those of no layer"):
        rewrite.set_cell_clip(path, [(np.ones((3, 12)), 1.0), (np.ones((3, 8)), 2.0)])
    same = layers(model)[0][0]
    with pytest.raises(
        ValueError, match=r"the same weights must have the same cell clip.*1\.0, 2\.0"
    ):
        rewrite.set_cell_clip(path, [(same, 1.0), (same, 2.0)])
    for name, values in run(path).items():
        np.testing.assert_allclose(values, expected[name], atol=1e-6)


def test_one_clip_for_all(path):
    for clip, stored in ((None, 0.0), (2, 2.0), ([(np.ones((9, 9)), 0.25)], 0.25)):
        assert rewrite.set_cell_clip(path, clip) == 3
        fused = rewrite._fused(schema.parse(path))
        assert [operator.builtinOptions.cellClip for _, operator in fused] == [stored] * 3


def test_clips_are_found_by_rounded_weights(model, converted, tmp_path):
    """Weights in 16 bits behind DEQUANTIZE, weights in 8 bits."""
    generated = schema.litert("schema_py_generated")
    for kind in ("half", "byte"):
        path = tmp_path / f"{kind}.tflite"
        path.write_bytes(converted[0])

        def round_weights(read, kind=kind):
            types = generated.TensorType
            for graph, operator in rewrite._fused(read):
                for place in operator.inputs[5:9]:
                    tensor = graph.tensors[place]
                    data = read.buffers[tensor.buffer].data
                    values = np.frombuffer(bytes(data), np.float32)
                    if kind == "half":
                        tensor.type, values = types.FLOAT16, values.astype(np.float16)
                    else:
                        scale = np.abs(values).max() / 127
                        tensor.type, values = types.INT8, np.round(values / scale).astype(np.int8)
                        tensor.quantization = generated.QuantizationParametersT(
                            scale=[scale], zeroPoint=[0]
                        )
                    buffer = generated.BufferT(values.view(np.uint8))
                    tensor.buffer = len(read.buffers)
                    read.buffers.append(buffer)

        rewrite.rewrite(path, round_weights)
        rewrite.set_cell_clip(path, layers(model))
        fused = rewrite._fused(schema.parse(path))
        found = sorted(operator.builtinOptions.cellClip for _, operator in fused)
        assert found == sorted(clip or 0.0 for clip in CLIPS.values())


def test_embedded_text(path):
    assert metadata.embedded(path) is None
    before, names = run(path), export.inspect(path).metadata
    metadata.embed(path, "first")
    metadata.embed(path, '{"µ": "longer than the first"}')
    assert metadata.embedded(path) == '{"µ": "longer than the first"}'
    assert export.inspect(path).metadata == tuple(sorted([*names, "keras_recurrent"]))
    assert len(names) >= 2
    for name, values in run(path).items():
        np.testing.assert_array_equal(values, before[name])


def test_the_report_comes_back(path):
    figures = {
        "form": "fused",
        "reason": "because",
        "target": "micro",
        "block": 4,
        "states": [{"name": "state_h", "shape": [1, 3], "dtype": "float32", "stored_shape": None}],
        "runtimes": [
            {
                "runtime": "TFLM",
                "largest_difference": 1e-7,
                "milliseconds": 2.5,
                "threads": "1 thread",
            }
        ],
        "largest_difference": 1e-7,
        "mean_difference": 1e-8,
        "tolerance": 1e-5,
        "accuracy": {"metric": "accuracy", "keras": 0.5, "exported": 0.25, "samples": 8},
        "arena_bytes": 12345,
        "bytes": 1,
        "of a later version": 3,
    }
    metadata.embed(path, json.dumps(figures))
    report = export.inspect(path)
    assert (report.form, report.block, report.arena_bytes) == ("fused", 4, 12345)
    assert report.states[0] == export.Tensor("state_h", (1, 3), "float32")
    assert report.bytes == path.stat().st_size  # the file knows better
    text = str(report)
    for part in ("TFLM: largest 1e-07, 2.5 ms on 1 thread", "accuracy 0.25", "12,345", "state_h"):
        assert part in text
    assert json.loads(report.to_json())["runtimes"][0]["runtime"] == "TFLM"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        '{"form": 3}',
        '{"states": [{"name": "h"}]}',
        '{"largest_difference": 1.0}',
        "{",
        '{"runtimes": [{"runtime": "TFLM"}]}',
    ],
)
def test_metadata_of_another_kind(path, text):
    metadata.embed(path, text)
    report = export.inspect(path)
    assert "not those of a report" in report.notes[0]
    assert report.form is None
    str(report)


def test_what_the_schema_does_not_know_is_not_dropped(path):
    before = path.read_bytes()

    def of_the_future(model):
        model.subgraphs[0].operators[0].builtinOptions2Type = 100
        return model

    rewrite.rewrite(path, of_the_future)
    with pytest.raises(ValueError, match="newer format"):
        metadata.embed(path, "x")
    assert path.read_bytes() != before


def test_damaged_file_stays_as_it_is(tmp_path, converted):
    path = tmp_path / "m.tflite"
    half = converted[0][: len(converted[0]) // 2]
    path.write_bytes(half)
    for write in (lambda: metadata.embed(path, "x"), lambda: rewrite.set_cell_clip(path, None)):
        with pytest.raises(ValueError, match="damaged or cut short"):
            write()
    assert path.read_bytes() == half
