"""The export benchmark: peers agree with the Keras layer, verdicts on given values, a small run."""

import json
from contextlib import nullcontext
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("rich", reason="the benchmark prints tables: extra 'bench'")
pytest.importorskip("ai_edge_litert", reason="exports need it: extra 'export'")

from benchmarks import export, export_plan
from benchmarks.export_contestants import Workshop, _check_promise
from benchmarks.export_goals import GOALS, ExportResult
from benchmarks.export_plan import ONNX, OUR_EXPORT, STOCK, STOCK_EXPORT, TORCH
from benchmarks.export_report import markdown
from benchmarks.goals import verdicts
from benchmarks.results import Results
from keras_recurrent.export import Report, Tensor

SEQUENCE, STEP = (3, 4, 5), (1, 4, 5)
MODULES = {ONNX: "onnx", TORCH: "torch"}


def verdict(result, kind, text):
    (found,) = [
        v for v in verdicts(results_of(result), GOALS) if v.kind == kind and v.goal.text == text
    ]
    return found


def results_of(*results):
    return Results({"CPU": "a machine"}, {"rounds": "3"}, list(results))


def result(suite="sequence", kind="LSTM", **known):
    shape = SEQUENCE if suite == "sequence" else STEP
    return ExportResult(suite, kind, shape, **{"weight_bytes": 1000, **known})


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "new"
    arguments = "--kinds GRU --shapes 3,4,5 --rounds 3 --round-seconds 1e-4 --only loop fused"
    pytest.importorskip("onnx", reason="without this peer the comparison is incomplete")
    status = export.main([*arguments.split(), "--output", str(folder)])
    assert status == 0
    return folder


class TestContestants:
    @pytest.mark.parametrize("name", [ONNX, TORCH])
    @pytest.mark.parametrize("kind", export_plan.KINDS)
    @pytest.mark.parametrize("shape", [SEQUENCE, STEP])
    def test_peers_of_other_makers_compute_the_same_layer(self, name, kind, shape, tmp_path):
        pytest.importorskip(MODULES[name], reason="a peer: extra 'bench'")
        workshop = Workshop(kind, shape, tmp_path)
        entry = workshop.make(name)
        assert entry.outputs.shape == (1, shape[0], 5)
        np.testing.assert_allclose(entry.outputs, workshop.reference, atol=1e-6)
        entry.call()


class TestPromises:
    @pytest.mark.parametrize(
        ("suite", "asked", "stored", "states", "kept"),
        [
            ("sequence", "int8", "dynamic", (), False),
            ("sequence", "int8", "int8", (), True),
            ("sequence", None, None, (), True),
            ("step", None, None, (), False),
            ("step", "int16x8", "int8", (Tensor("state_lstm_h", (1, 5), "float32"),), True),
        ],
    )
    def test_a_file_of_another_kind_is_no_result(self, suite, asked, stored, states, kept):
        report = Report("x", "tflite", 1, {}, (), (), quantize=stored, states=states)
        with nullcontext() if kept else pytest.raises(ValueError, match="the file holds"):
            _check_promise(report, {"form": "step", "quantize": asked}, suite)


class TestRun:
    def test_times_sizes_and_reasons_are_written(self, written):
        assert sorted(path.name for path in written.iterdir()) == ["export.json", "export.md"]
        (stored,) = json.loads((written / "export.json").read_text())["results"]
        assert {STOCK, ONNX, "loop"} <= set(stored["seconds"])
        assert all(len(times) == 3 for times in stored["seconds"].values())
        assert max(stored["differences"][name] for name in (STOCK, ONNX, "loop")) < 1e-6
        assert stored["weight_bytes"] == 4 * (4 * 15 + 5 * 15 + 2 * 15)
        assert 0 < stored["making"]["loop"] < 100
        # No operation of TFLite is a whole GRU; torch is in the extra 'bench' alone.
        absent = set() if find_spec("torch") else {TORCH}
        assert set(stored["failed"]) == {STOCK_EXPORT, "fused"} | absent

    def test_report_has_goals_reasons_and_the_machine(self, written):
        text = (written / "export.md").read_text()
        assert "| GRU | loop ÷ stock Keras | 0.6 |" in text
        assert f"* {STOCK_EXPORT}: needs TensorFlow's own kernels (Flex)" in text
        assert "## GRU, 3 steps, 4 features, 5 units" in text
        assert "* onnxruntime: 1." in text


class TestGoals:
    def test_times_are_judged_by_the_ratio_of_each_round(self):
        measured = result(
            seconds={"loop": [1.0, 6.0, 1.4], STOCK: [2.0, 10.0, 4.0], ONNX: [1.0] * 3}
        )
        assert verdict(measured, "LSTM", "loop ÷ stock Keras").value == pytest.approx(0.5)
        assert verdict(measured, "LSTM", "loop ÷ stock Keras").status == "reached"
        assert verdict(measured, "LSTM", "loop ÷ onnxruntime").status == "not reached"
        assert verdict(measured, "GRU", "loop ÷ onnxruntime").status == "not measured"

    def test_sizes_and_seconds_of_making(self):
        measured = result(
            seconds={"fused": [1.0], "fused int8": [1.0]},
            bytes={"fused": 1040, "fused int8": 310},
            making={"fused": 16.0, "fused int8": 3.0},
        )
        assert verdict(measured, "LSTM", "fused: file ÷ weights").status == "reached"
        assert verdict(measured, "LSTM", "fused int8: file ÷ weights").value == pytest.approx(0.31)
        late = verdict(measured, "LSTM", "fused: conversion and verification")
        assert (late.value, late.status) == (16.0, "not reached")

    def test_a_refused_step_does_not_reach_its_goals(self):
        measured = result("step", seconds={STOCK: [1.0], ONNX: [1.0]}, failed={"step": "no"})
        for text in ("step ÷ stock Keras", "step: file ÷ weights"):
            assert verdict(measured, "LSTM", text).status == "not reached"

    def test_a_report_of_a_peer_without_a_file(self):
        seconds = {STOCK: [2e-3], TORCH: [1e-3]}
        text = markdown(
            results_of(result(seconds=seconds, differences=dict.fromkeys(seconds, 0.0)))
        )
        assert "| torch.nn | 1.000 | 1.000 - 1.000 | 0.50 |  |  |  |  | 0.0e+00 |" in text


class TestOptions:
    def test_quick_yields_to_what_is_given(self):
        options = export._options(["--quick", "--shapes", "2,3,4", "1,3,4"])
        assert options.shapes == [(2, 3, 4), (1, 3, 4)]
        assert options.rounds == export.QUICK["rounds"]
        assert not options.wanted("unroll")
        assert export._options([]).wanted("unroll")

    def test_only_leaves_the_peers(self):
        options = export._options(["--only", "step int8"])
        assert all(options.wanted(name) for name in (STOCK, TORCH, "step int8"))
        assert not any(options.wanted(name) for name in ("step", "loop", OUR_EXPORT))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--shapes", "1,2"], "three whole numbers T,D,U, got '1,2'"),
            (["--shapes", "1,2,0"], "got '1,2,0'"),
            (["--rounds", "0"], "--rounds must be at least 1"),
            (["--only", "lop"], "got ['lop']"),
        ],
    )
    def test_bad_values(self, arguments, message, capsys):
        with pytest.raises(SystemExit):
            export._options(arguments)
        assert message in capsys.readouterr().err
