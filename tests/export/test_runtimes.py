"""The runtimes behind one interface, and what becomes of a runtime that crashes or never ends."""

import os
import signal
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tflite_files import convert, fused_lstm

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export import flatbuffer, ops, runtimes, verification
from keras_recurrent.export.resolver import METHODS
from keras_recurrent.export.runtimes import micro as micro_runtime
from keras_recurrent.export.runtimes import open_runner
from keras_recurrent.export.signature import signature_of
from keras_recurrent.export.trace import trace

UNITS, STEPS, WIDTH = 3, 6, 4


def draw(shape=(1, STEPS, WIDTH)):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.fixture(scope="module")
def lstm():
    keras.utils.set_random_seed(0)
    x = keras.Input((STEPS, WIDTH), name="x")
    return keras.Model(x, {"y": kr.LSTM(UNITS, return_sequences=True)(x)})


@pytest.fixture(scope="module")
def gru():
    keras.utils.set_random_seed(0)
    x = keras.Input((STEPS, WIDTH), name="x")
    return keras.Model(x, {"y": kr.GRU(UNITS, return_sequences=True)(x)})


@pytest.fixture(scope="module")
def files(lstm, gru, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for form in ("loop", "unroll"):
        export.to_tflite(gru, folder / f"{form}.tflite", form=form, verify=False)
    export.to_tflite(gru, folder / "dynamic.tflite", batch_size=None, verify=False)
    convert(fused_lstm(lstm), (1, STEPS, WIDTH), folder / "fused.tflite")
    return folder


@pytest.mark.parametrize("runtime", ["Interpreter", "CompiledModel", "TFLM"])
def test_unrolled_file_runs_everywhere(runtime, gru, files, request):
    if runtime == "TFLM":
        request.getfixturevalue("micro")
    run = open_runner(files / "unroll.tflite", runtime)
    for x in (draw(), -draw()):
        np.testing.assert_allclose(run({"x": x})["y"], gru(x)["y"], atol=1e-6)
    assert 0 < run.milliseconds < 1000
    assert (run.name, run.threads) == (runtime, "1 thread")
    run.close()


@pytest.mark.parametrize("runtime", ["Interpreter", "TFLM"])
def test_reset_brings_back_the_first_call(runtime, lstm, files, request):
    if runtime == "TFLM":
        request.getfixturevalue("micro")
    run = open_runner(files / "fused.tflite", runtime)
    x = draw()
    first, second = run({"x": x})["y"], run({"x": x})["y"]
    np.testing.assert_allclose(first, lstm(x)["y"], atol=1e-6)
    assert np.abs(first - second).max() > 0.01  # it goes on where the first call ended
    run.reset()
    np.testing.assert_array_equal(run({"x": x})["y"], first)


@pytest.mark.parametrize("dtype", ["int64", "int16", "bool"])
@pytest.mark.parametrize("runtime", ["CompiledModel", "TFLM"])
def test_dtypes(runtime, dtype, tmp_path, request):
    if runtime == "TFLM":
        request.getfixturevalue("micro")
    path = convert(lambda x: tf.reverse(x, [1]), (1, 4), tmp_path / "m.tflite", dtype)
    x = np.array([[0, 1, 1, 3]]).astype(dtype)
    y = open_runner(path, runtime)({"x": x})["y"]
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, x[:, ::-1])


def test_tensors_go_by_name(tmp_path, micro):
    a, b = keras.Input((2,), name="zz"), keras.Input((2,), name="aa")
    model = keras.Model([a, b], {"sum": a + b, "difference": a - b})
    export.to_tflite(model, tmp_path / "m.tflite", verify=False)
    inputs = {"zz": np.float32([[3, 5]]), "aa": np.float32([[1, 2]])}
    for runtime in ("Interpreter", "CompiledModel", "TFLM"):
        outputs = open_runner(tmp_path / "m.tflite", runtime)(inputs)
        np.testing.assert_array_equal(outputs["sum"], [[4, 7]])
        np.testing.assert_array_equal(outputs["difference"], [[2, 3]])


def test_compiled_model_refuses_state(files):
    with pytest.raises(runtimes.Refused, match="Variable tensors not yet supported"):
        open_runner(files / "fused.tflite", "CompiledModel")


def test_smallest_arena(files, micro):
    """Neither less than its share of memory nor more than what is needed."""
    from tflite_micro import runtime

    path = files / "unroll.tflite"
    size = open_runner(path, "TFLM").arena_bytes()
    interpreter = runtime.Interpreter.from_file(str(path), arena_size=size)
    interpreter.set_input(draw(), 0)
    interpreter.invoke()
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_file(str(path), arena_size=size - 64)


def test_wrong_shape_is_refused(files, micro):
    for runtime in ("CompiledModel", "TFLM"):
        run = open_runner(files / "unroll.tflite", runtime)
        with pytest.raises((ValueError, RuntimeError), match=r"x .*float32 .*1, 6, 4"):
            run({"x": draw((1, STEPS + 1, WIDTH))})
        np.testing.assert_array_equal(run({"x": draw()})["y"].shape, (1, STEPS, UNITS))


def test_open_sizes(gru, tmp_path, micro):
    x = keras.Input((None, WIDTH), name="x")
    model = keras.Model(x, kr.GRU(UNITS)(x))
    export.to_tflite(model, tmp_path / "m.tflite", verify=False)
    for runtime in ("CompiledModel", "TFLM"):
        with pytest.raises(runtimes.Refused, match=r"x float32 \(1, \?, 4\).*timesteps"):
            open_runner(tmp_path / "m.tflite", runtime)


def check(model, path, **options):
    report = flatbuffer.describe(path)
    signature = signature_of(model).pinned(1, "from the model")
    return verification.check_on_samples(model, signature, path, report, None, **options)


def test_call_without_end(gru, files, micro, monkeypatch):
    run = open_runner(files / "unroll.tflite", "TFLM")
    pid = run.service.child.pid
    monkeypatch.setattr(run, "time_limit", 0.2)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(RuntimeError, match=r"TFLM's process was stopped after 0\.2 seconds"):
        run({"x": draw()})
    with pytest.raises(RuntimeError, match="SIGKILL"):  # the file is gone with the process
        run({"x": draw()})
    run = open_runner(files / "unroll.tflite", "TFLM")
    assert run.service.child.pid != pid
    np.testing.assert_allclose(run({"x": draw()})["y"], gru(draw())["y"], atol=1e-6)


def test_crash_fails_the_verification(gru, files, micro, monkeypatch):
    plain = micro_runtime.MicroRunner.__call__

    def crashing(run, inputs):
        os.kill(run.service.child.pid, signal.SIGSEGV)
        return plain(run, inputs)

    monkeypatch.setattr(micro_runtime.MicroRunner, "__call__", crashing)
    message = r"target='micro'.*TFLM's process crashed with SIGSEGV"
    with pytest.raises(export.VerificationError, match=message):
        check(gru, files / "unroll.tflite", target="micro")


@pytest.mark.parametrize("layer", [keras.layers.GRU, keras.layers.LSTM])
def test_stock_loop_on_tflm(layer, tmp_path, micro, monkeypatch):
    """As others convert it: TFLM knows every operation, and gives other numbers or never ends."""
    keras.utils.set_random_seed(0)
    monkeypatch.setattr(micro_runtime.MicroRunner, "time_limit", 1.0)
    x = keras.Input((12, WIDTH), batch_size=1, name="x")
    model = keras.Model(x, {"y": layer(UNITS, return_sequences=True)(x)})
    path = tmp_path / "m.tflite"
    # Not adopted, so Keras's own loop.
    trace(model, signature_of(model), "loop", tmp_path / "stock")
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "stock")).convert())
    assert flatbuffer.describe(path).ops["WHILE"] == 1
    check(model, path, target="mobile")
    with pytest.raises(export.VerificationError, match=r"numbers of the Keras|stopped after|NaN"):
        check(model, path, target="micro")


def test_without_tflite_micro(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    message = r"pip install 'keras-recurrent\[micro\]'"
    with pytest.raises(ImportError, match=message):
        open_runner(files / "unroll.tflite", "TFLM")
    with pytest.raises(ImportError, match=message):
        runtimes.check_installed("micro")
    runtimes.check_installed("mobile")


def test_operations_without_kernels(gru, files, tmp_path):
    path = files / "dynamic.tflite"
    report = flatbuffer.describe(path)
    name = gru.layers[1].name
    with pytest.raises(ValueError, match=rf"no kernels for .*SCATTER_ND \(in '{name}'\).*unroll"):
        ops.check(path, report, "micro", gru)
    ops.check(path, report, "mobile", gru)
    drawn = convert(lambda x: x + tf.random.normal(x.shape), (1, 2), tmp_path / "m.tflite")
    with pytest.raises(ValueError, match=r"draws random numbers.*RANDOM_STANDARD_NORMAL"):
        ops.check(drawn, flatbuffer.describe(drawn), "web")


def test_listed_operations_are_registered(micro, files):
    """Every operation of our files that is listed for TFLM loads there, so do the fused ones."""
    for name in ("unroll", "fused", "loop"):
        assert set(flatbuffer.describe(files / f"{name}.tflite").ops) <= set(METHODS)
        open_runner(files / f"{name}.tflite", "TFLM")
    with pytest.raises(runtimes.Refused, match="open sizes"):
        open_runner(files / "dynamic.tflite", "TFLM")
    other = convert(tf.linalg.diag, (1, 2), files / "other.tflite")
    with pytest.raises(runtimes.Refused, match="Didn't find op for builtin opcode 'MATRIX_DIAG'"):
        open_runner(other, "TFLM")
