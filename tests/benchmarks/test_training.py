"""The training benchmark: what it writes, its verdicts on given times, drawing again."""

import json

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the benchmark draws a picture: extra 'bench'")
pytest.importorskip("rich", reason="the benchmark shows its progress: extra 'bench'")

import keras_recurrent as kr
from benchmarks import measure, plan, training
from benchmarks.goals import verdicts
from benchmarks.plan import SHAPES, SMALL
from benchmarks.report import markdown
from benchmarks.results import Result, Results

PNG = b"\x89PNG\r\n\x1a\n"


def results_of(*results):
    return Results({"CPU": "a machine"}, {"rounds": "3"}, list(results))


def verdict(results, kind, text):
    (found,) = [v for v in verdicts(results) if (v.kind, v.goal.text) == (kind, text)]
    return found


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "new"
    arguments = (
        "--kinds SimpleRNN --shapes 2,3,4,5 --rounds 1 --round-seconds 1e-4 --no-torch --output"
    )
    assert training.main([*arguments.split(), str(folder)]) == 0
    return folder


class TestRun:
    def test_what_was_measured_is_in_the_three_files(self, written):
        assert sorted(path.name for path in written.iterdir()) == [
            "training.json",
            "training.md",
            "training.png",
        ]
        assert (written / "training.png").read_bytes().startswith(PNG)
        results = Results.load(written / "training.json").results
        assert {result.suite: set(result.seconds) for result in results} == {
            "training": {"keras", "ours"},
            "predict": {"keras", "ours"},
            "bidirectional": {"one way", "both ways", "keras both ways"},
            "first-call": {"keras", "ours"},
        }
        times = [time for result in results for times in result.seconds.values() for time in times]
        assert len(times) == 9
        assert all(0 < time < 60 for time in times)
        first_call = results[-1]
        assert first_call.seconds["keras"][0] > 2 * results[0].seconds["keras"][0]

    def test_report_names_the_machine_the_run_and_the_goals(self, written):
        text = (written / "training.md").read_text()
        for part in (
            "* cores: ",
            "* tensorflow: 2.",
            "--kinds SimpleRNN",
            "* rounds: 1, ",
            "training.png",
        ):
            assert part in text
        (row,) = [line for line in text.splitlines() if "SimpleRNN | predict ÷ Keras's" in line]
        assert row.count("|") == 7
        assert "worst of 1 shape: (2, 3, 4, 5)" in row
        assert "## Failed" not in text

    def test_drawing_again_gives_the_same_report(self, written, tmp_path):
        arguments = ["--from", str(written / "training.json"), "--output", str(tmp_path)]
        assert training.main(arguments) == 0
        for name in ("training.md", "training.json"):
            assert (tmp_path / name).read_text() == (written / name).read_text()
        assert (tmp_path / "training.png").read_bytes().startswith(PNG)

    def test_a_contestant_that_fails_leaves_the_others(self):
        contestants = {
            "masked input": plan.Contestant("ours", "GRU", {"normalization": "layer"}, masked=True),
            "bad": plan.Contestant("ours", "GRU", {"dropout": 2.0}),
        }
        race = plan.Race("variants", "GRU", (2, 3, 4, 5), contestants)
        result = measure.run(race, measure.Settings(2, 1e-4, "auto"))
        assert len(result.seconds["masked input"]) == 2
        assert "dropout=2.0" in result.failed["bad"]
        assert "bad" not in result.seconds


class TestPlan:
    def test_every_option_alone_beside_the_plain_layer(self):
        (race,) = plan.races(["variants"], ["SimpleRNN", "LSTM"], [SMALL], torch=False)
        plain, *others, masked = race.contestants.values()
        assert plain == plan.Contestant("ours", "LSTM")
        assert masked == plan.Contestant("ours", "LSTM", masked=True)
        assert len(others) == 10
        usual = kr.LSTM(64).get_config()
        for contestant in others:
            config = kr.LSTM(64, **contestant.arguments).get_config()
            assert [n for n in usual if config[n] != usual[n] and n != "name"] == [
                *contestant.arguments
            ]

    def test_torch_is_a_peer_in_training_and_prediction(self):
        races = plan.races(plan.SUITES, ["GRU"], [SMALL], torch=True)
        assert [r.suite for r in races if "torch" in r.contestants] == ["training", "predict"]
        assert [next(iter(r.contestants)) for r in races] == [
            "keras",
            "keras",
            "plain",
            "one way",
            "keras",
        ]


class TestRounds:
    def test_ratio_is_that_of_each_round(self):
        times = {"keras": [1.0, 10.0, 2.0], "ours": [0.5, 6.0, 1.4]}
        result = Result("training", "GRU", SMALL, times)
        assert result.ratio("ours", "keras") == pytest.approx(0.6)
        assert result.difference("ours", "keras") == pytest.approx(-0.6)
        assert result.median("keras") == 2.0

    def test_unsteady_rounds_are_told(self):
        steady = Result("training", "GRU", SMALL, {"keras": [1.0, 1.1], "ours": [1.0, 1.2]})
        noisy = Result("predict", "LSTM", SMALL, {"torch": [1.0, 4.0, 2.0]})
        text = markdown(results_of(steady, noisy), "")
        assert "median 1.20, worst 4.00 (torch in predict, LSTM, 32, 50, 64, 64)" in text

    def test_turns_rotate(self, monkeypatch):
        turns = []

        class Runner:
            def __init__(self, contestant, shape, engine):
                self.name = contestant.library

            def train(self, steps):
                turns.append((self.name, steps))
                return 0.1

        monkeypatch.setattr(measure, "KerasRunner", Runner)
        names = {name: plan.Contestant(name, "GRU") for name in ("keras", "ours")}
        race = plan.Race("training", "GRU", SMALL, names)
        measure.run(race, measure.Settings(3, 0.5, "auto"))
        timed = [name for name, steps in turns if steps == 5][-6:]
        assert timed == ["keras", "ours", "ours", "keras", "keras", "ours"]


class TestGoals:
    def training(self, ratios, kind="LSTM", base="keras"):
        return [
            Result("training", kind, shape, {base: [2.0], "ours": [2.0 * ratio]})
            for shape, ratio in zip(SHAPES, ratios, strict=True)
        ]

    def test_mean_and_worst_of_keras(self):
        results = results_of(*self.training([0.3, 0.4, 0.9, 0.96]))
        mean = verdict(results, "LSTM", "training step ÷ Keras's, mean")
        assert mean.value == pytest.approx(np.prod([0.3, 0.4, 0.9, 0.96]) ** 0.25)
        assert (mean.status, mean.over) == ("reached", "4 shapes")
        worst = verdict(results, "LSTM", "training step ÷ Keras's")
        assert worst.value == pytest.approx(0.96)
        assert worst.status == "not reached"
        assert str(SHAPES[3]) in worst.over
        for kind, text in (("GRU", "training step ÷ Keras's"), ("LSTM", "peephole ÷ plain")):
            assert verdict(results, kind, text).status == "not measured"

    def test_torch_at_the_larger_shapes_only(self):
        results = results_of(*self.training([3.0, 1.0, 0.9, 0.8], base="torch"))
        found = verdict(results, "LSTM", "training step ÷ torch's, larger shapes")
        assert (found.value, found.status) == (1.0, "reached")
        assert "3 shapes" in found.over

    def test_options_directions_predict_and_first_call(self):
        results = results_of(
            Result(
                "variants", "LSTM", SMALL, {"plain": [1.0], "peephole": [1.3], "zoneout": [1.2]}
            ),
            Result("bidirectional", "GRU", SMALL, {"one way": [1.0], "both ways": [1.7]}),
            Result("predict", "GRU", SMALL, {"keras": [1.0], "ours": [0.7]}),
            Result("first-call", "GRU", SMALL, {"keras": [1.0], "ours": [4.5]}),
        )
        for kind, text, status in (
            ("LSTM", "peephole ÷ plain", "not reached"),
            ("LSTM", "zoneout ÷ plain", "reached"),
            ("GRU", "both directions ÷ one", "not reached"),
            ("GRU", "predict ÷ Keras's", "reached"),
            ("GRU", "first call − Keras's", "not reached"),
        ):
            assert verdict(results, kind, text).status == status, text
        assert verdict(results, "LSTM", "projection ÷ plain").status == "not measured"
        assert "| GRU | first call − Keras's | 3 s | 3.50 s | **not reached** |" in markdown(
            results, ""
        )

    def test_a_failure_is_not_reached(self):
        measured, *_ = self.training([0.5, 0.5, 0.5, 0.5])
        failed = Result("training", "LSTM", SHAPES[1], {"keras": [1.0]}, {"ours": "ValueError: no"})
        results = results_of(measured, failed)
        for text in ("training step ÷ Keras's, mean", "training step ÷ Keras's"):
            assert verdict(results, "LSTM", text).status == "not reached"
        text = markdown(results, "")
        assert "| failed | **not reached** |" in text
        assert "ours: ValueError: no" in text


class TestOptions:
    def test_quick_yields_to_what_is_given(self):
        options = training._options(["--quick", "--shapes", "1,2,3,4", "5,6,7,8"])
        assert options.shapes == [(1, 2, 3, 4), (5, 6, 7, 8)]
        assert options.rounds == training.QUICK["rounds"]
        assert training._options([]).shapes == SHAPES

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--shapes", "1,2,3"], "four whole numbers B,T,D,U, got '1,2,3'"),
            (["--shapes", "1,2,0,4"], "got '1,2,0,4'"),
            (["--rounds", "0"], "--rounds must be at least 1"),
        ],
    )
    def test_bad_values(self, arguments, message, capsys):
        with pytest.raises(SystemExit):
            training._options(arguments)
        assert message in capsys.readouterr().err

    def test_names_of_files(self):
        names = [
            training._stem(training._options(a)) for a in ([], ["--quick", "--engine", "loop"])
        ]
        assert names == ["training", "training-quick-loop"]

    def test_a_file_of_something_else(self, tmp_path):
        path = tmp_path / "other.json"
        path.write_text(json.dumps({"results": []}))
        with pytest.raises(ValueError, match=r"other\.json is no file of this benchmark"):
            Results.load(path)
