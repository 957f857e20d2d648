"""`to_tflite` from the table of forms to the report: each form, target and quantisation for real."""

import json

import keras
import numpy as np
import pytest

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export import forms, metadata

STEPS, WIDTH = 8, 4
ROWS = np.random.default_rng(0).normal(size=(24, STEPS, WIDTH)).astype("float32")


def model_of(*layers):
    keras.utils.set_random_seed(5)
    return keras.Sequential([keras.Input((STEPS, WIDTH), name="x"), *layers])


@pytest.fixture(scope="module")
def gru():
    return model_of(kr.GRU(6, return_sequences=True), kr.GRU(5), keras.layers.Dense(3))


def runtimes_of(report):
    return {r.runtime: r.largest_difference for r in report.runtimes if r.refused is None}


@pytest.mark.parametrize("target", forms.TARGETS)
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("quantize", forms.QUANTIZATIONS)
@pytest.mark.parametrize("form", ["auto", *forms.FORMS])
def test_every_combination_has_a_form_or_a_reason(target, streaming, quantize, form):
    reason = forms.refusal(target, streaming, quantize, form)
    if form != "auto":
        if reason is None:
            assert forms.asked_form(target, streaming, quantize, form).form == form
        else:
            with pytest.raises(ValueError, match=f"target='{target}', form='{form}'"):
                forms.asked_form(target, streaming, quantize, form)
            assert "se " in reason  # what to use instead
    elif target == "micro" and quantize in ("float16", "dynamic"):
        with pytest.raises(ValueError, match=r"TFLM.*'int8'"):
            forms.form_for(target, streaming, quantize)
    else:
        chosen = forms.form_for(target, streaming, quantize)
        assert (chosen.form == "step") == streaming
        assert forms.refusal(target, streaming, quantize, chosen.form) is None


def test_fused_with_clips_of_their_own(tmp_path):
    """The converter writes 10 for all; cells that grow beyond it show."""
    model = model_of(
        kr.LSTM(5, return_sequences=True, cell_clip=0.3, name="small"),
        kr.LSTM(5, name="free", activation="tanh", bias_initializer="ones"),
    )
    report = export.to_tflite(model, tmp_path / "m.tflite", form="fused", timesteps=STEPS)
    assert report.ops["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 2
    assert report.largest_difference < 1e-6
    assert [line.split(":")[0] for line in report.layers] == ["small", "free"]
    assert any("reset" in note for note in report.notes)
    assert len(report.variables) == 4
    again = export.verify(model, tmp_path / "m.tflite", ROWS)
    assert again.largest_difference < 1e-6


def test_long_fused_without_clip(tmp_path):
    """|c| grows to 60: a bound of 10 would show."""
    model = model_of()
    x = keras.Input((60, 1), name="x")
    layer = kr.LSTM(2, return_sequences=True, kernel_initializer="ones")
    model = keras.Model(x, layer(x))
    layer.cell.bias.assign([9.0] * 2 + [9.0] * 2 + [0.0] * 4)
    path = tmp_path / "m.tflite"
    export.to_tflite(model, path, form="fused")
    report = export.verify(model, path, np.full((1, 60, 1), 9.0, "float32"))
    assert report.largest_difference < 1e-6


def test_micro_takes_fused_and_loop(micro, tmp_path):
    model = model_of(kr.LSTM(4, return_sequences=True), kr.Bidirectional(kr.GRU(3)))
    report = export.to_tflite(model, tmp_path / "m.tflite", target="micro")
    kinds = [line.split(": ")[1].split(",")[0] for line in report.layers]
    assert kinds == ["fused", "portable", "portable"]
    assert runtimes_of(report)["TFLM"] < 1e-6
    assert 1_000 < report.arena_bytes < 60_000


@pytest.mark.parametrize("quantize", ["int8", "int16x8"])
def test_integers_in_an_unrolled_file(gru, quantize, tmp_path, micro):
    labels = np.arange(len(ROWS)) % 3
    report = export.to_tflite(
        gru,
        tmp_path / "m.tflite",
        "micro",
        quantize=quantize,
        representative_data=ROWS,
        test_data=(ROWS, labels),
    )
    assert report.quantize == quantize
    assert 1e-6 < runtimes_of(report)["TFLM"] < report.tolerance
    assert report.accuracy.samples == len(ROWS)
    assert report.accuracy.metric == "sparse_categorical_accuracy"
    assert abs(report.accuracy.keras - report.accuracy.exported) < 0.15
    assert any("cut off" in note for note in report.notes)


def test_integers_in_a_step(gru, tmp_path):
    path = tmp_path / "m.tflite"
    report = export.to_tflite(
        gru,
        path,
        streaming=True,
        quantize="int8",
        representative_data=ROWS,
        test_data=(ROWS, gru.predict(ROWS, verbose=0)),
    )
    assert set(runtimes_of(report)) == {"Interpreter", "CompiledModel"}
    assert 1e-6 < report.largest_difference < report.tolerance
    assert report.accuracy.metric == "mean_absolute_error"
    assert report.accuracy.keras < 1e-6 < report.accuracy.exported < 0.1
    stream = export.Stream(path)
    outputs = stream.push(ROWS[:1])
    assert outputs.shape == (1, STEPS, 3)
    np.testing.assert_allclose(outputs[:, -1], gru(ROWS[:1]), atol=0.1)


def test_streaming_equals_the_whole(gru, tmp_path):
    path = tmp_path / "m.tflite"
    report = export.to_tflite(gru, path, streaming=True, block=2)
    assert report.largest_difference < 1e-6
    assert [s.shape for s in report.states] == [(1, 6), (1, 5)]
    outputs = export.Stream(path).push(ROWS[:1])
    assert outputs.shape == (1, STEPS // 2, 3)
    np.testing.assert_allclose(outputs[:, -1], gru(ROWS[:1]), atol=1e-6)
    assert export.verify(gru, path, ROWS).largest_difference < 1e-6


def test_an_output_that_is_the_state(tmp_path):
    """One tensor under two names: each runtime gives both."""
    model = model_of(kr.GRU(3))
    report = export.to_tflite(model, tmp_path / "m.tflite", streaming=True)
    assert set(runtimes_of(report)) == {"Interpreter", "CompiledModel"}
    assert {t.name.split("_")[0] for t in report.outputs} == {"output", "state"}


def test_the_file_carries_its_report(gru, tmp_path):
    path = tmp_path / "m.tflite"
    report = export.to_tflite(gru, path)
    assert report.bytes == path.stat().st_size
    kept = json.loads(metadata.embedded(path))
    assert "path" not in kept
    assert kept["form"] == "loop"
    seen = export.inspect(path)
    for name in ("target", "form", "reason", "layers", "runtimes", "largest_difference", "checked"):
        assert getattr(seen, name) == getattr(report, name)


def test_loops_write_in_place(tmp_path):
    """The converter's flag for it is not public: this tells when it stops working."""
    model = model_of(kr.LSTM(3, return_sequences=True))
    report = export.to_tflite(model, tmp_path / "m.tflite", verify=False)
    assert report.ops["DYNAMIC_UPDATE_SLICE"] >= 1


def test_a_fused_lstm_shares_no_state_with_a_loop_of_the_same_width(tmp_path, micro):
    model = model_of(keras.layers.LSTM(3, return_sequences=True), keras.layers.GRU(3))
    report = export.to_tflite(model, tmp_path / "m.tflite", target="micro")
    assert {"UNIDIRECTIONAL_SEQUENCE_LSTM", "WHILE"} <= set(report.ops)
    assert report.largest_difference < 1e-6


@pytest.mark.parametrize("form", ["auto", "unroll"])
def test_masks_of_both_kinds_on_microcontrollers(form, tmp_path, micro):
    """TFLM has no REDUCE_ANY, no SELECT of whole numbers, and neither gathers nor unpacks booleans."""
    x, ids = keras.Input((STEPS, WIDTH), name="x"), keras.Input((STEPS,), dtype="int32", name="ids")
    masked = keras.layers.GRU(3)(keras.layers.Masking()(x))
    embedded = keras.layers.LSTM(2, return_sequences=True)(
        keras.layers.Embedding(9, 3, mask_zero=True)(ids)
    )
    model = keras.Model([x, ids], [masked, embedded])
    report = export.to_tflite(model, tmp_path / "m.tflite", target="micro", form=form)
    assert report.largest_difference < 1e-6
    data = ROWS[:3].copy()
    data[0, ::2], data[1] = 0, 0
    words = np.array([[0, 1, 2, 0, 0, 3, 0, 0], [0] * 8, [5] * 8], "int32")
    assert export.verify(model, tmp_path / "m.tflite", [data, words]).largest_difference < 1e-6


def test_an_input_as_an_output(tmp_path):
    x = keras.Input((STEPS, WIDTH), name="x")
    model = keras.Model(x, [kr.GRU(3)(x), x])
    report = export.to_tflite(model, tmp_path / "m.tflite")
    assert set(runtimes_of(report)) == {"Interpreter", "CompiledModel"}


def test_types_that_a_browser_does_not_know(tmp_path):
    ids = keras.Input((4,), dtype="int64", name="ids")
    model = keras.Model(ids, kr.GRU(2)(keras.layers.Embedding(5, 3)(ids)))
    with pytest.raises(ValueError, match=r"LiteRT\.js.*dtype='int32'.*ids int64 \(1, 4\)"):
        export.to_tflite(model, tmp_path / "m.tflite", target="web")
    assert not list(tmp_path.iterdir())
