"""`Stream`: one file that drives a step file, where there is neither TensorFlow nor this package."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
from conformance.streams import sequential, shaken, to_file
from keras import layers

import keras_recurrent as kr
from keras_recurrent.export import roll_out, runtimes, stream, streaming
from keras_recurrent.export.signature import signature_of
from keras_recurrent.export.stream import Stream


def frames(batch=1, steps=7, width=3):
    return np.random.default_rng(0).normal(size=(batch, steps, width)).astype("float32")


@pytest.fixture(scope="module")
def lstm(tmp_path_factory):
    model = sequential(kr.LSTM(4, return_sequences=True, name="lstm"))
    path = tmp_path_factory.mktemp("lstm") / "m.tflite"
    to_file(model, path)
    return model, path


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Ids in blocks of 2 for any number of rows, a constant, an output for frames and one at the end."""
    ids, who = keras.Input((None,), dtype="int32", name="ids"), keras.Input((2,), name="who")
    y = layers.Embedding(7, 4, mask_zero=True)(ids)
    y = layers.GRU(4, return_sequences=True, name="a")(y)
    z = layers.Dense(3)(layers.Concatenate()([layers.LSTM(4, name="b")(y), who]))
    model = shaken(keras.Model({"ids": ids, "who": who}, {"all": y, "last": z}))
    path = tmp_path_factory.mktemp("several") / "m.tflite"
    to_file(model, path, block=2, batch=None)
    return model, path


@pytest.mark.parametrize(
    ("make", "block"),
    [
        (lambda: [layers.LSTM(4)], 1),
        (lambda: [layers.Masking(), kr.RNN([kr.LSTMCell(3), kr.GRUCell(2)])], 2),
        (lambda: [kr.RNN(kr.Residual(kr.GRUCell(3)), return_sequences=True)], 1),
        (
            lambda: [
                layers.Conv1D(4, 3, padding="causal"),
                layers.MaxPooling1D(2),
                kr.LSTM(3, return_sequences=True, peephole=True, normalization="layer"),
                layers.GlobalAveragePooling1D(),
            ],
            4,
        ),
    ],
)
def test_step_files_give_the_numbers_of_keras(make, block, tmp_path, monkeypatch):
    monkeypatch.setattr(roll_out, "LONGEST", 12)
    model, path = sequential(*make()), tmp_path / "m.tflite"
    states = to_file(model, path, block)
    streamed = streaming.check_streamable(model, block)
    run = runtimes.open_runner(path, "Interpreter")
    largest, _, checked = roll_out.check_roll_out(
        model, streamed, signature_of(model), run, states, frames(2, 11), tolerance=2e-6
    )
    assert largest > 0
    assert any("of the data" in what for what in checked)


def test_one_step_needs_no_more_operations_than_its_formula(lstm):
    from keras_recurrent import export

    ops = export.inspect(lstm[1]).ops
    ops.pop("RESHAPE")
    assert ops == {
        "FULLY_CONNECTED": 2,
        "ADD": 2,
        "SPLIT": 1,
        "LOGISTIC": 3,
        "TANH": 2,
        "MUL": 3,
    }


def test_any_number_of_frames(lstm):
    model, path = lstm
    run, x = Stream(path), frames()
    assert (run.block, run.inputs, run.outputs) == (
        1,
        {"input": (1, 1, 3)},
        {"output_0": (1, 1, 4)},
    )
    parts = [run.push(x[:, a:b]) for a, b in ((0, 1), (1, 5), (5, 5), (5, 7))]
    assert [part.shape[1] for part in parts] == [1, 4, 0, 2]
    np.testing.assert_allclose(np.concatenate(parts, 1), model(x), atol=1e-6)


def test_reset_and_states(lstm):
    run, x = Stream(lstm[1]), frames()
    first = run.push(x[:, :3])
    kept = run.states
    np.testing.assert_array_equal(kept["state_lstm_h"], first[:, -1])
    rest = run.push(x[:, 3:])
    kept["state_lstm_c"] += 0  # a copy: it may be written to
    run.reset(kept)
    np.testing.assert_array_equal(run.push(x[:, 3:]), rest)
    run.reset()
    assert not any(value.any() for value in run.states.values())
    np.testing.assert_array_equal(run.push(x[:, :3]), first)
    run.reset({"state_lstm_h": kept["state_lstm_h"]})
    assert not run.states["state_lstm_c"].any()


def test_several_inputs_and_outputs(several):
    model, path = several
    run = Stream(path)
    assert (run.block, run.inputs) == (2, {"ids": (None, 2), "who": (None, 2)})
    ids = np.array([[1, 0, 3, 4, 5], [0, 2, 0, 0, 1], [5, 5, 0, 1, 2]])
    who = np.ones((3, 2))
    one = run.push({"ids": ids[:, :1], "who": who})
    assert (one["all"].shape, one["last"].shape) == ((3, 0, 4), (3, 0, 3))
    rest = run.push(ids[:, 1:])
    expected = model({"ids": ids[:, :4], "who": who})
    np.testing.assert_allclose(rest["all"], expected["all"], atol=1e-6)
    before = model({"ids": ids[:, :2], "who": who})["last"]
    np.testing.assert_allclose(rest["last"][:, 0], before, atol=1e-6)
    np.testing.assert_allclose(rest["last"][:, 1], expected["last"], atol=1e-6)
    last = run.push({"ids": ids[:, :1]}, who=2 * who)
    assert last["all"].shape == (3, 1 * 2, 4)
    with pytest.raises(ValueError, match=r"'ids' must have the shape \(3, any\).*\(2, 5\)"):
        run.push(ids[:2], who=who[:2])
    run.reset()
    assert run.push(ids[:2], who=who[:2])["all"].shape == (2, 4, 4)


def test_buffers_that_the_caller_uses_again(lstm, several):
    """Microphones and sensors fill one buffer over and over."""
    run, ids, who = Stream(several[1]), np.array([[1, 2]], "int32"), np.ones((1, 2), "float32")
    expected = run.push(ids, who=who)["last"]
    run.reset()
    for place in range(2):
        buffer = ids[:, place : place + 1].copy()
        received = run.push(buffer, **({} if place else {"who": who}))["last"]
        buffer[:] = who[:] = 6
    np.testing.assert_array_equal(received, expected)
    run, states = Stream(lstm[1]), {"state_lstm_h": np.ones((1, 4), "float32")}
    run.reset(states)
    states["state_lstm_h"][:] = 2
    assert run.states["state_lstm_h"].max() == 1


def test_nan_is_passed_on(lstm):
    run, x = Stream(lstm[1]), frames(steps=2)
    x[0, 1, 0] = np.nan
    assert np.isnan(run.push(x)[0]).any(1).tolist() == [False, True]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda run: run.push(frames(width=4)), r"'input' must have the shape \(1, any, 3\)"),
        (lambda run: run.push(frames(batch=2)), r"\(1, any, 3\). Received: shape \(2, 7, 3\)"),
        (lambda run: run.push(frames()[0]), r"Received: shape \(7, 3\)"),
        (lambda run: run.push(frames() * 1j), "'input' must be float32. Received: complex"),
        (lambda run: run.push({"x": frames()}), r"reads \['input'\]. Received: \['x'\]"),
        (lambda run: run.push(frames(), who=1), r"Received: \['input', 'who'\]"),
        (
            lambda run: run.reset({"state_h": np.zeros((1, 4))}),
            "no such state. Received: 'state_h'",
        ),
        (lambda run: run.reset([np.zeros((1, 4))]), "a dictionary by name.*Received: list"),
        (
            lambda run: run.reset({"state_lstm_h": np.zeros((1, 5))}),
            r"\(1, 4\). Received: .*\(1, 5\)",
        ),
    ],
)
def test_refused_calls_leave_the_stream_as_it_was(lstm, call, message):
    run, x = Stream(lstm[1]), frames()
    run.push(x[:, :3])
    before = run.states
    with pytest.raises(ValueError, match=message):
        call(run)
    for name, value in run.states.items():
        np.testing.assert_array_equal(value, before[name])


def test_sequences_are_asked_for_by_name(several):
    with pytest.raises(ValueError, match=r"reads \['ids', 'who'\]. Received: \['ids'\]"):
        Stream(several[1]).push(np.zeros((1, 2), int))
    with pytest.raises(ValueError, match=r"'ids' must be int32. Received: float64"):
        Stream(several[1]).push(np.zeros((1, 2)), who=np.zeros((1, 2)))
    with pytest.raises(ValueError, match="`constants` names"):
        Stream(several[1], constants="whom")


def test_constants_that_look_like_sequences_are_named(tmp_path):
    x, who = keras.Input((None, 3), name="x"), keras.Input((1, 2), name="who")
    y = layers.GRU(2, return_sequences=True, name="a")(x) + layers.Dense(2)(who)
    model, path = shaken(keras.Model([x, who], y)), tmp_path / "m.tflite"
    to_file(model, path)
    constant = np.ones((1, 1, 2), "float32")
    run = Stream(path, constants="who")
    np.testing.assert_allclose(
        run.push(frames(), who=constant), model([frames(), constant]), atol=1e-6
    )


def test_files_that_do_not_stream(lstm, tmp_path):
    from keras_recurrent import export

    export.to_tflite(lstm[0], tmp_path / "whole.tflite", timesteps=5, verify=False)
    with pytest.raises(ValueError, match=r"not a streaming export: .*streaming=True"):
        Stream(tmp_path / "whole.tflite")
    (tmp_path / "text.tflite").write_text("no model at all")
    with pytest.raises(ValueError, match="is not a TFLite file"):
        Stream(tmp_path / "text.tflite")
    (tmp_path / "cut.tflite").write_bytes(lstm[1].read_bytes()[:500])
    with pytest.raises(ValueError, match="cannot load"):
        Stream(tmp_path / "cut.tflite")
    with pytest.raises(FileNotFoundError):
        Stream(tmp_path / "none.tflite")


def test_copy(tmp_path):
    path = Stream.copy_to(tmp_path)
    assert path.read_text() == Path(stream.__file__).read_text()
    assert Stream.copy_to(tmp_path) == path
    path.write_text("of someone else")
    with pytest.raises(FileExistsError, match="another file"):
        Stream.copy_to(tmp_path)
    assert path.read_text() == "of someone else"


def test_without_tensorflow_or_this_package(lstm, tmp_path):
    model, path = lstm
    shutil.copy(path, tmp_path / "m.tflite")
    Stream.copy_to(tmp_path)
    np.save(tmp_path / "x.npy", frames())
    code = """
        import sys

        class Refuse:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in ("tensorflow", "keras", "keras_recurrent", "jax", "torch"):
                    raise ModuleNotFoundError(name)

        sys.meta_path.insert(0, Refuse())
        import numpy as np
        from stream import Stream

        x = np.load("x.npy")
        run = Stream("m.tflite")
        np.save("y.npy", np.concatenate([run.push(x[:, :4]), run.push(x[:, 4:])], 1))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    subprocess.run(command, cwd=tmp_path, check=True, env={"PATH": ""}, timeout=60)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model(frames()), atol=1e-6)
