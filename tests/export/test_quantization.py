"""Integers: what calibrates them, what is refused, and whether the files agree with their models."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export import converter, flatbuffer, integer_file, quantization
from keras_recurrent.export.plan import FROM_THE_MODEL
from keras_recurrent.export.quantization import representative_samples
from keras_recurrent.export.runtimes.litert import InterpreterRunner
from keras_recurrent.export.signature import signature_of
from keras_recurrent.export.trace import trace

T, D = 4, 3


def model_of(*layers, shape=(T, D), dtype="float32"):
    x = y = keras.Input(shape, name="x", dtype=dtype)
    for layer in layers:
        y = layer(y)
    return keras.Model(x, y)


def signature(batch=1, timesteps=FROM_THE_MODEL, shape=(T, D), dtype="float32"):
    return signature_of(model_of(shape=shape, dtype=dtype)).pinned(batch, timesteps)


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def two_inputs():
    a, ids = keras.Input((T, D), name="a"), keras.Input((T,), dtype="int32", name="ids")
    return signature_of(keras.Model([a, ids], [a, ids])).pinned(1, FROM_THE_MODEL)


ROWS = normal(5, T, D)


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        [ROWS],
        {"x": ROWS},
        ROWS.astype("float64"),
        tf.constant(ROWS),
        tf.data.Dataset.from_tensor_slices(ROWS),
        tf.data.Dataset.from_tensor_slices(ROWS).batch(2),
        tf.data.Dataset.from_tensor_slices((ROWS, np.zeros(5))).batch(2),
        iter(ROWS),
        (row for row in ROWS[:, np.newaxis]),
        lambda: ({"x": row} for row in ROWS),
        lambda: ((row, 0) for row in ROWS),
        [{"x": row} for row in ROWS[:, np.newaxis]],
    ],
)
def test_kinds_of_data(data):
    samples = representative_samples(data, signature())
    assert [sample["x"].dtype for sample in samples] == ["float32"] * 5
    np.testing.assert_array_equal([sample["x"] for sample in samples], ROWS[:, np.newaxis])


def test_limit_is_spread_over_arrays_and_takes_the_first_of_iterables():
    rows = np.arange(100.0)[:, None, None] * np.ones((1, T, D))
    spread = representative_samples(rows, signature(), limit=3)
    assert [s["x"][0, 0, 0] for s in spread] == [0, 49, 99]
    drawn = []

    def endless():
        while True:
            drawn.append(len(drawn))
            yield rows[drawn[-1]]

    first = representative_samples(endless, signature(), limit=3)
    assert [s["x"][0, 0, 0] for s in first] == [0, 1, 2]
    assert len(drawn) == 3


def test_batch_and_length_of_the_file():
    samples = representative_samples(normal(3, T + 2, D), signature(2, T, shape=(None, D)))
    assert [s["x"].shape for s in samples] == [(2, T, D)] * 2
    np.testing.assert_array_equal(samples[1]["x"][1], samples[0]["x"][0])  # filled up
    free = representative_samples((normal(t, D) for t in (2, 5)), signature(None, shape=(None, D)))
    assert [s["x"].shape for s in free] == [(1, 2, D), (1, 5, D)]
    with pytest.raises(ValueError, match="several lengths"):
        representative_samples((normal(t, D) for t in (2, 5)), signature(2, None, shape=(None, D)))


def test_several_inputs():
    ids = np.ones((5, T), "int64")
    for data in ([ROWS, ids], {"a": ROWS, "ids": ids.astype("float64")}):
        (first, *_) = representative_samples(data, two_inputs())
        assert first["a"].shape == (1, T, D)
        assert first["ids"].dtype == "int32"


NOTHING = "at least one"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "give some"),
        (ROWS[:0], NOTHING),
        ([], "does not fit"),
        (iter([]), NOTHING),
        (tf.data.Dataset.from_tensor_slices(ROWS[:0]), NOTHING),
        (ROWS[0], r"must have 3 axes, the batch first. Received: shape \(4, 3\)"),
        (ROWS[:, :2], r"Sample 0 .*x float32 \(1, 4, 3\).*Received: shape \(2, 3\)"),
        (ROWS[..., :2], r"Received: shape \(4, 2\)"),
        ((row for row in [ROWS[0], ROWS[0, :, 0]]), r"Sample 1 .* shape \(4,\)"),
        (np.where(np.arange(5)[:, None, None] == 3, np.nan, ROWS), "Sample 3 for 'x' .*NaN"),
        (
            [ROWS, ROWS],
            "^`representative_data` does not fit, which is inputs without labels.*1 inputs",
        ),
        (ROWS.astype("float64") * 1e300, "as float32, of .*infinity"),
        (ROWS.astype(str), "must hold float32 values"),
        (np.zeros_like(ROWS), "is 0 throughout"),
        (lambda: 3, "a function that gives 3"),
        (3, "Received: 3"),
    ],
)
def test_bad_data(data, message):
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        representative_samples(data, signature())


def test_bad_whole_numbers():
    ids = signature(shape=(T,), dtype="int32")
    with pytest.raises(ValueError, match="must hold int32"):
        representative_samples(np.full((2, T), 0.5), ids)
    with pytest.raises(ValueError, match="must hold int32"):
        representative_samples(np.full((2, T), 2**40), ids)
    with pytest.raises(ValueError, match="same number of rows"):
        representative_samples([ROWS, np.ones((4, T), int)], two_inputs())


def test_layer_normalisation_is_refused():
    model = model_of(kr.Bidirectional(kr.GRU(3, normalization="layer")))
    with pytest.raises(ValueError, match=r"variances.*'dynamic'.*quantize='int8'.*gru"):
        quantization.check_cells("int8", model)
    quantization.check_cells("dynamic", model)
    quantization.check_cells("int8", model_of(kr.GRU(3)))


def converted(model, quantize, samples, folder: Path) -> Path:
    path = folder / "model.tflite"
    pinned = signature_of(model).pinned(1, FROM_THE_MODEL)
    trace(model, pinned, "unroll", folder / "saved")
    converter.convert(folder / "saved", path, quantize, representative_samples(samples, pinned))
    return path


def difference(model, path: Path, rows) -> float:
    run, reference = InterpreterRunner(path), model.predict(rows, verbose=0)
    outputs = np.concatenate([run({"x": row[np.newaxis]})["output_0"] for row in rows])
    return float(np.abs(outputs - reference).max()) / max(1.0, np.abs(reference).max())


def test_16_bits_of_layers_that_share_a_bias_and_start_at_zero(tmp_path):
    """Both kill or spoil a file as the converter writes it: 0.07 for the LSTMs, an abort for the GRU."""
    layers = [cell(8, return_sequences=True) for cell in (kr.LSTM, kr.LSTM, kr.GRU)]
    model, rows = model_of(*layers), normal(40, T, D)
    path = converted(model, "int16x8", rows, tmp_path)
    assert difference(model, path, rows[:10]) < 5e-3  # measured 1.9e-3
    assert quantization.check_integers(path, "micro") == ()


def test_8_bits_without_floats(tmp_path):
    model, rows = model_of(kr.GRU(8, return_sequences=True)), normal(40, T, D)
    path = converted(model, "int8", rows, tmp_path)
    assert difference(model, path, rows[:10]) < 3e-2
    assert integer_file.float_operations(path) == {}
    names = [tensor.name for tensor in flatbuffer.parse(path).subgraphs[0].tensors]
    assert max(map(len, names)) < 60
    report = flatbuffer.describe(path)
    assert {tensor.dtype for tensor in (*report.inputs, *report.outputs)} == {"float32"}


def test_floats_are_named(tmp_path):
    model = model_of(keras.layers.Masking(), kr.SimpleRNN(4))
    path = converted(model, "int8", normal(20, T, D), tmp_path)
    assert quantization.check_integers(path, "mobile")[0].endswith("NOT_EQUAL (1).")
    with pytest.raises(ValueError, match="in floats: NOT_EQUAL"):
        quantization.check_integers(path, "micro")
    with pytest.raises(RuntimeError, match=r"no 16-bit integer form of NOT_EQUAL.*masks need"):
        converted(model, "int16x8", normal(3, T, D), tmp_path)


def test_step_states_need_a_roll_out(tmp_path):
    """With states of zeros the ranges of the recurrent products are wrong."""
    x, h = keras.Input((1, D), name="x"), keras.Input((8,), name="state_h")
    layer = kr.GRU(8, return_state=True)
    step = keras.Model(
        {"x": x, "state_h": h}, dict(zip("yh", layer(x, initial_state=h), strict=True))
    )
    sequences = normal(20, T, D)
    rolled, state = [], np.zeros((20, 8), "float32")
    for t in range(T):
        inputs = {"x": sequences[:, t : t + 1], "state_h": state}
        rolled += [{name: value[n : n + 1] for name, value in inputs.items()} for n in range(20)]
        state = np.asarray(step(inputs)["h"])
    errors = {}
    for kind, samples in {
        "rolled": rolled,
        "zeros": [{**s, "state_h": 0 * s["state_h"]} for s in rolled],
    }.items():
        path = converted(step, "int8", samples, tmp_path / kind)
        run = InterpreterRunner(path)
        last, zeros = 0, np.zeros((1, 8), "float32")
        for n in range(3):
            state = true = zeros
            for t in range(T):
                frame = sequences[n : n + 1, t : t + 1]
                state = run({"x": frame, "state_h": state})["h"]
                true = np.asarray(step({"x": frame, "state_h": true})["h"])
                last = max(last, np.abs(state - true).max())
        errors[kind] = last
    assert errors["rolled"] < 0.03
    assert errors["zeros"] > 5 * errors["rolled"]


def test_both_directions_of_fused_layers_are_right(tmp_path, micro):
    """8 bits are off by some hundredths at most; with the converter's own scales by a tenth."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(20, 8, 4)).astype("float32")
    model = model_of(kr.Bidirectional(kr.LSTM(6)), shape=(8, 4))
    report = export.to_tflite(
        model, tmp_path / "m.tflite", target="micro", quantize="int8", representative_data=x
    )
    assert report.ops["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 2
    assert report.largest_difference < 0.02


def test_notes():
    assert "cut off" in quantization.notes("step", "int8", 100)[0]
    assert any("2.5 KB" in note for note in quantization.notes("unroll", "int16x8", 100))
    assert any("from 1 sample of" in note for note in quantization.notes("step", "int8", 1))
    assert quantization.notes("loop", "dynamic", 0) == ()


def test_samples_to_verify():
    samples = [{"x": np.array(n)} for n in range(100)]
    assert [int(s["x"]) for s in quantization.samples_to_verify(samples, 3)] == [0, 49, 99]
    assert quantization.samples_to_verify(samples[:2]) == samples[:2]
