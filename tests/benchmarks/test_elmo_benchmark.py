"""The ELMo benchmark: its text, the protocol of its processes, verdicts, and a run with stand-ins."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

pytest.importorskip("rich", reason="the benchmark prints tables: extra 'bench'")

from benchmarks import elmo, elmo_measure, elmo_weights
from benchmarks.elmo_child import ROOT, Child
from benchmarks.elmo_goals import GOALS, GROWTH, MEMORY, OURS, SIMPLE, ElmoResult
from benchmarks.elmo_report import goal_rows, markdown
from benchmarks.elmo_text import Text, unique_share
from benchmarks.results import Results
from keras_recurrent.elmo.checkpoints import read_settings


def verdict_of(result, text, kind):
    results = Results({"CPU": "a machine"}, {"rounds": "3"}, [result])
    (row,) = [row for row in goal_rows(results) if row[0] == text and row[1] == kind]
    return row[3:]


class TestText:
    def test_words_repeat_as_the_documentation_says(self):
        text = Text()
        batches = [unique_share(text.sentences(32)) for _ in range(20)]
        assert np.mean(batches) == pytest.approx(0.61, abs=0.02)
        many = text.sentences(5263)
        assert unique_share(many) == pytest.approx(0.14, abs=0.01)
        letters = [len(word) for sentence in many for word in sentence]
        assert np.mean(letters) == pytest.approx(4.4, abs=0.1)

    def test_a_seed_says_it_all(self):
        assert Text(1).sentences(3) == Text(1).sentences(3)
        assert Text(1).sentences(3) != Text(2).sentences(3)


class TestWeights:
    def test_layout_is_the_published_one(self, tmp_path):
        elmo_weights.write(tmp_path, ["a", "b"], [["a", "b"], ["b"]])
        settings = read_settings(tmp_path / "options.json")
        assert (settings["units"], settings["projection_units"]) == (1024, 128)
        with h5py.File(tmp_path / "model.hdf5") as file:
            assert file["CNN/W_cnn_6"].shape == (1, 7, 16, 1024)
            cell = file["RNN_1/RNN/MultiRNNCell/Cell1/LSTMCell"]
            assert {name: cell[name].shape for name in cell} == {
                "B": (4096,),
                "W_0": (256, 4096),
                "W_P_0": (1024, 128),
            }
        assert (tmp_path / "vocab.txt").read_text() == "<S>\n</S>\n<UNK>\na\nb\n"
        assert (tmp_path / "text.txt").read_text() == "a b\nb\n"


class TestProcesses:
    def test_answers_are_apart_from_what_libraries_print(self):
        program = (
            "from benchmarks.elmo_child import Channel\n"
            "channel = Channel()\n"
            "print('noise')\n"
            "channel.serve({'half': lambda of: of / 2}, {'version': '1'})\n"
        )
        asked = '["half", {"of": 3}]\n["half", {"of": "x"}]\n'
        done = subprocess.run(
            [sys.executable, "-c", program], input=asked, capture_output=True, text=True, cwd=ROOT
        )
        facts, half, error = map(json.loads, done.stdout.splitlines())
        assert facts == {"result": {"version": "1"}}
        assert half == {"result": 1.5}
        assert error["error"].startswith("TypeError: unsupported operand")
        assert done.stderr == "noise\n"

    def test_a_process_that_ends_is_an_error_with_its_last_words(self):
        with pytest.raises(RuntimeError, match=r"no_such ended with code 1.*No module named"):
            Child(sys.executable, "no_such")


class TestGoals:
    def test_speed_is_judged_by_the_ratio_of_each_round(self):
        seconds = {OURS: [1.0, 9.0, 1.2], SIMPLE: [2.5, 30.0, 4.0]}
        result = ElmoResult("embedding", "batch 32", (32, 19), seconds)
        text = "embedding: ours ÷ simple-elmo"
        assert verdict_of(result, text, "batch 32") == ["0.300", "reached"]
        assert verdict_of(result, text, "batch 1") == ["", "not measured"]
        slower = ElmoResult("embedding", "batch 1", (1, 19), seconds)
        slower.seconds[OURS][1:] = [12.0, 1.4]
        assert verdict_of(slower, text, "batch 1") == ["0.400", "not reached"]

    def test_memory_and_growth(self):
        memory = ElmoResult(MEMORY, "1,000 tokens", (32, 19), megabytes={OURS: 800, SIMPLE: 1000})
        memory.seconds = {OURS: [1.0], SIMPLE: [1.0]}
        text = "peak memory: ours ÷ simple-elmo"
        assert verdict_of(memory, text, "1,000 tokens") == ["0.800", "not reached"]
        times = {"1,000 tokens": [2.0], "10,000 tokens": [2.1], "100,000 tokens": [2.4]}
        grown = ElmoResult(GROWTH, OURS, (32, 19), times)
        assert verdict_of(grown, GOALS[-2].text, OURS) == ["1.050", "reached"]
        assert verdict_of(grown, GOALS[-1].text, OURS) == ["1.143", "not reached"]


class StandIn:
    """A process that takes no time: ours a millisecond a token, others three; bilm does not start."""

    def __init__(self, python, program, *arguments):
        self.ours = program == "elmo_ours"
        if "bilm" in arguments:
            raise RuntimeError("bilm ended with code 1")
        self.facts = {"version": "1.2"}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def ask(self, method, sentences=(), path=None, **arguments):
        if method == "vectors":
            return np.save(path, np.zeros((19, 4), "float32"))
        tokens = 2560 if method == "train" else sum(map(len, sentences))
        return (1e-3 if self.ours else 3e-3) * tokens

    def peak_megabytes(self):
        return 500.0 if self.ours else 1000.0


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elmo_measure, "Child", StandIn)
        patch.setattr(elmo_weights, "write", lambda *arguments: None)
        patch.setitem(elmo.QUICK, "bilm_embeds", True)
        arguments = ["--quick", "--peers", sys.executable, "--output", str(folder)]
        assert elmo.main(arguments) == 1  # bilm
    return folder


class TestRun:
    def test_report(self, written):
        text = (written / "elmo-quick.md").read_text()
        assert "| embedding: ours ÷ simple-elmo | batch 1 | 0.333 | 0.333 | reached |" in text
        assert (
            "| training step: ours ÷ bilm | batch 128, 20 words | 0.5 | 0.333 | reached |" in text
        )
        assert "| ours | 1,000 | 1,000 - 1,000 | 1.00 |  |" in text
        assert "| simple-elmo | 333 | 333 - 333 | 0.33 | 0.0e+00 |" in text
        assert "| embedding 10,000 tokens | 500 | 1,000 |  |" in text
        assert "| peak memory: ours ÷ simple-elmo | 1,000 tokens | 0.7 | 0.500 | reached |" in text
        assert "| a token's time ÷ that of 1,000 tokens | ours | 1.1 | 1.000 | reached |" in text
        assert "embedding, batch 32, 32, 19, bilm: RuntimeError: bilm ended with code 1" in text
        assert "* simple-elmo: 1.2" in text

    def test_times_are_kept(self, written):
        stored = json.loads((written / "elmo-quick.json").read_text())["results"]
        first = stored[0]
        assert len(first["seconds"]["ours, nothing kept"]) == elmo.QUICK["rounds"]
        assert first["failed"] == {"bilm": "RuntimeError: bilm ended with code 1"}
        assert 0.5 < first["unique"] < 0.7

    def test_other_vectors_are_no_result(self, monkeypatch, tmp_path):
        class Wrong(StandIn):
            def ask(self, method, path=None, **arguments):
                if method == "vectors" and not self.ours:
                    return np.save(path, np.ones((19, 4), "float32"))
                return super().ask(method, path=path, **arguments)

        monkeypatch.setattr(elmo_measure, "Child", Wrong)
        monkeypatch.setattr(elmo_weights, "write", lambda *arguments: None)
        with pytest.raises(ValueError, match="simple-elmo gives other vectors than ours"):
            elmo.main(["--quick", "--peers", sys.executable, "--output", str(tmp_path)])
        assert list(tmp_path.iterdir()) == []

    def test_a_report_of_ours_alone(self):
        result = ElmoResult("embedding", "batch 32", (32, 19), {OURS: [1e-3, 2e-3, 3e-3]})
        text = markdown(Results({"CPU": "a machine"}, {"rounds": "3"}, [result]))
        assert "| embedding: ours ÷ simple-elmo | batch 32 | 0.4 |  | not measured |" in text
        assert "| ours | 500 | 400 - 667 | 1.00 |  |" in text


class TestOptions:
    def test_peers_are_asked_for(self, capsys):
        with pytest.raises(SystemExit):
            elmo._options(["--peers", str(Path("no", "python"))])
        assert "`make bench-elmo` sets up the peers' environment" in capsys.readouterr().err
        assert elmo._options(["--no-peers"]).peers is None

    def test_rounds(self, capsys):
        with pytest.raises(SystemExit):
            elmo._options(["--no-peers", "--rounds", "0"])
        assert "--rounds must be at least 1, got 0" in capsys.readouterr().err
