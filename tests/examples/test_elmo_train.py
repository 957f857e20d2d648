"""What the example that trains an ELMo reports; `make elmo ARGS=--quick` runs it as a whole."""

import math

import numpy as np
import pytest

import keras_recurrent as kr
from examples import elmo_report, elmo_train

GOALS = {side: {"validation": 90.0, "test": 100.0} for side in elmo_train.SIDES}


@pytest.mark.parametrize(
    ("forward", "goals", "difference", "judged", "missed"),
    [
        (99.0, GOALS, 1e-6, True, 0),
        (101.0, GOALS, 1e-6, True, 1),
        (101.0, GOALS, 1e-6, False, 0),
        (101.0, None, 1e-6, True, 0),
        (99.0, GOALS, 1e-3, False, 1),
        (math.nan, GOALS, 1e-6, True, 1),
    ],
)
def test_verdict(forward, goals, difference, judged, missed, capsys):
    measured = {"forward": forward, "backward": 98.0}
    assert elmo_report.verdict(measured, goals, difference, judged) == missed
    assert ("MISSED" in capsys.readouterr().out) == bool(missed)


def test_the_curve_is_that_of_single_stretches():
    """Keras logs means since the begin of the epoch."""
    costs = np.repeat([6.0, 5.0, 3.0], elmo_report.EACH)
    curve = elmo_report.Curve()
    curve.set_params({"steps": len(costs)})
    curve.on_train_begin()
    for epoch in range(2):
        curve.on_epoch_begin(epoch)
        for batch in range(len(costs)):
            mean = costs[: batch + 1].mean()
            curve.on_train_batch_end(batch, {"sampled_perplexity": np.exp(mean)})
        curve.on_epoch_end(epoch, {f"val_{side}_perplexity": 7.0 for side in elmo_train.SIDES})
    places, values = zip(*curve.training, strict=True)
    np.testing.assert_allclose(places, np.arange(1, 7) / 3)
    np.testing.assert_allclose(values, np.exp([6, 5, 3, 6, 5, 3]))
    assert curve.validation == [{"forward": 7.0, "backward": 7.0}] * 2


def test_the_picture_needs_no_5_gram_model(tmp_path):
    curve = elmo_report.Curve()
    curve.training, curve.validation = [(0.5, 300.0)], [{"forward": 200.0, "backward": 190.0}]
    for goals in (None, GOALS):
        elmo_report.draw(curve, goals, tmp_path / "training.png")
        assert (tmp_path / "training.png").read_bytes().startswith(b"\x89PNG")


def test_both_models_predict_the_same_words(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("the state of it\nof the\n")
    (tmp_path / "b.txt").write_text("a state\n")
    text = elmo_train.Texts([tmp_path / "a.txt"], [tmp_path / "a.txt"], [tmp_path / "b.txt"])
    vocabulary = kr.elmo.Vocabulary(["<S>", "</S>", "<UNK>", "the", "of", "state"])
    seen = []

    def record(training, held_out):
        seen.append([path.read_text() for path in (training, *held_out)])
        return [len(seen), 10.0 * len(seen)]

    monkeypatch.setattr(elmo_train.kneser_ney, "perplexities", record)
    found = elmo_train.of_n_grams(text, vocabulary, tmp_path)
    assert found == {
        "forward": {"validation": 1, "test": 10.0},
        "backward": {"validation": 2, "test": 20.0},
    }
    forward, backward = seen
    assert forward[0] == "the state of <UNK>\nof the\n"
    assert forward[2] == "<UNK> state\n"
    assert backward[0] == "<UNK> of state the\nthe of\n"


def test_without_the_program_the_example_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(elmo_train.kneser_ney.platform, "machine", lambda: "riscv64")
    vocabulary = kr.elmo.Vocabulary(["<S>", "</S>", "<UNK>"])
    assert elmo_train.of_n_grams(elmo_train.Texts([], [], []), vocabulary, tmp_path) is None
    assert "riscv64" in capsys.readouterr().out


def test_a_text_that_is_not_to_be_had_is_left_out(tmp_path, monkeypatch, capsys):
    def write(name, part, folder):
        if name == "bible":
            raise FileNotFoundError("apt-get is not there")
        return [folder / "000.txt"]

    monkeypatch.setattr(elmo_train, "write_text", write)
    text = elmo_train.texts(elmo_train.FULL, tmp_path)
    assert len(text.train) == 4
    assert "bible is left out. apt-get" in capsys.readouterr().out
