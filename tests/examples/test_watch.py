"""The watch example: what a window may be turned into, what is kept apart, what streams."""

import numpy as np
import pytest

from examples import watch
from examples.datasets.watch import Watch
from examples.exercises import by_subject, classifier, streaming
from examples.exercises.classifier import WINDOW, Recordings, Scale
from examples.exercises.random_windows import OTHER_ARM, RandomWindows, Variation, rotations
from examples.outcome import Outcome

AS_MEASURED = Variation()


def numbered(lengths=(200, 161, 307)):
    """A recording's samples hold its number and theirs, in all channels."""
    return [
        np.repeat(1000.0 * i + np.arange(length), 6).reshape(-1, 6)
        for i, length in enumerate(lengths)
    ]


def drawn(recordings, variation=AS_MEASURED, length=32, count=64):
    data = RandomWindows(recordings, [3, 1, 2], length, count, 2, variation, seed=0)
    assert len(data) == 2
    return data[0]


def test_windows_are_stretches_of_their_recordings():
    x, labels = drawn(numbered())
    assert x.shape == (64, 32, 6)
    assert x.dtype == np.float32
    assert np.all(np.diff(x[..., 0], axis=1) == 1)
    np.testing.assert_array_equal(labels, np.array([3, 1, 2])[(x[:, 0, 0] // 1000).astype(int)])
    assert np.all(x[:, -1, 0] % 1000 < np.array([200, 161, 307])[(x[:, 0, 0] // 1000).astype(int)])
    assert len(np.unique(x[:, 0, 0])) > 30  # they begin anywhere


def test_a_faster_wearer_moves_through_the_recording_faster_and_turns_faster():
    ramp = [np.repeat(np.arange(400.0), 6).reshape(-1, 6)] * 3
    x, _ = drawn(ramp, Variation(speed=0.3))
    steps = np.diff(x[..., 0], axis=1)
    np.testing.assert_allclose(steps, steps[:, :1].repeat(31, 1), atol=1e-3)
    assert steps.std() > 0.15
    np.testing.assert_allclose(x[..., 3:], x[..., :3] * steps[:, :1, None], rtol=1e-3, atol=1e-2)
    assert x[..., 0].max() <= 399


def test_a_tilt_turns_both_vectors_by_the_same_angle():
    rng = np.random.default_rng(0)
    angles = rng.normal(size=(5, 3))
    turn = rotations(angles)
    np.testing.assert_allclose(
        turn @ turn.swapaxes(1, 2), np.broadcast_to(np.eye(3), (5, 3, 3)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(turn), 1)
    np.testing.assert_allclose((turn @ angles[..., None])[..., 0], angles)  # the axis stays
    np.testing.assert_allclose(
        np.trace(turn, axis1=1, axis2=2), 1 + 2 * np.cos(np.linalg.norm(angles, axis=1))
    )
    np.testing.assert_allclose(rotations(np.zeros((1, 3)))[0], np.eye(3))
    same = [rng.normal(size=(200, 3)).repeat(2, 0).reshape(200, 6)[:, [0, 1, 2, 0, 1, 2]]] * 3
    x, _ = drawn(same, Variation(tilt=0.5))
    np.testing.assert_allclose(x[..., :3], x[..., 3:], atol=1e-6)
    assert np.abs(x).max() > 0


def test_the_other_arm():
    constant = [np.ones((200, 6))] * 3
    x, _ = drawn(constant, Variation(mirrored=0.5))
    mirrored = x[:, 0, 0] < 0
    assert 0.2 < mirrored.mean() < 0.8
    np.testing.assert_array_equal(x[mirrored], np.broadcast_to(OTHER_ARM, x[mirrored].shape))
    np.testing.assert_array_equal(x[~mirrored], np.ones_like(x[~mirrored]))


def test_a_recording_too_short_for_a_window():
    with pytest.raises(ValueError, match="161 samples, too few for windows of 161"):
        drawn(numbered(), length=161)


def test_a_scale_keeps_directions():
    rng = np.random.default_rng(0)
    series = rng.normal(1.0, [1, 2, 3, 40, 50, 60], size=(500, 6))
    scale = Scale.fit([series])
    (scaled,) = scale(Recordings([series], np.array([0]))).series
    np.testing.assert_allclose([np.mean(scaled[:, :3] ** 2), np.mean(scaled[:, 3:] ** 2)], 1)
    np.testing.assert_allclose(np.ptp(scaled / series, axis=0), 0, atol=1e-9)
    assert len(np.unique(scale.divisors)) == 2


@pytest.fixture
def recorded():
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(1000, 6)).astype(np.float32) for _ in range(6)]
    return Watch(series, np.array([0, 1, 2] * 2), np.array([1, 1, 1, 2, 2, 2]), list("abc"))


@pytest.mark.parametrize(("validate", "borders"), [(True, (0, 600, 750)), (False, (0, 750, 1000))])
def test_the_test_part_is_behind_all_that_is_trained_on(recorded, validate, borders):
    training, test = watch.parts(recorded, validate)
    begin, middle, end = borders
    scale = Scale.fit([series[begin:middle] for series in recorded.recordings])
    for whole, before, behind in zip(
        recorded.recordings, training.series, test.series, strict=True
    ):
        np.testing.assert_allclose(before, whole[begin:middle] / scale.divisors, rtol=1e-6)
        np.testing.assert_allclose(behind, whole[middle:end] / scale.divisors, rtol=1e-6)


class FirstExercise:
    """A model that always says the same."""

    def __init__(self, engine: str):
        assert engine in ("auto", "loop")

    def predict(self, x, **_):
        return np.tile([1.0, 0, 0], (len(x), 1))


def test_each_subject_is_left_out_of_the_training_that_it_tests(recorded, monkeypatch):
    seen = []
    monkeypatch.setattr(classifier, "build", FirstExercise)
    monkeypatch.setattr(
        classifier, "train", lambda model, training, *_, **__: seen.append(training)
    )
    found = by_subject.leave_out_each(recorded, seed=0)
    assert [len(training.series) for training in seen] == [3, 3]
    scale = Scale.fit(recorded.recordings[3:])  # of those trained on when subject 1 is left out
    np.testing.assert_allclose(seen[0].series[0], recorded.recordings[3] / scale.divisors)
    assert np.unique(found.subjects).tolist() == [1, 2]
    assert found.share_right() == pytest.approx(1 / 3)
    assert found.share_right({2}) == pytest.approx(1 / 3)


class Counting:
    """In place of `export.Stream`: names the exercise that is the number of the call, modulo 7."""

    def __init__(self, path):
        self.calls = None

    def reset(self):
        self.calls = 0

    def push(self, frames):
        blocks = self.calls + np.arange(frames.shape[1] // streaming.BLOCK)
        self.calls += len(blocks)
        return np.eye(7)[blocks % 7][None]


def test_a_stream_is_judged_once_it_has_heard_a_window(recorded, monkeypatch):
    monkeypatch.setattr(streaming.export, "Stream", Counting)
    series = [recorded.recordings[0][:WINDOW], recorded.recordings[1][: WINDOW + 8]]
    followed = streaming.follow("stream.tflite", Recordings(series, np.array([3, 4])))
    last = WINDOW // streaming.BLOCK - 1  # the call that completes the first window
    assert followed.predicted.tolist() == [n % 7 for n in (last, last, last + 1, last + 2)]
    assert followed.labels.tolist() == [3, 4, 4, 4]
    assert followed.share_right == 0.5


def test_a_missed_goal_is_said_and_what_must_hold_decides(capsys):
    def outcome(reached, goal=99.0):
        form = dict.fromkeys(("example", "kind", "data", "metric", "baseline", "command"), "")
        return Outcome(**form, reached=reached, goal=goal, seed=0, minutes=0.0)

    assert watch._verdict(outcome(98.0), 0.97, {"files": True}) == 0
    assert "MISSED   goal: 99 % right" in capsys.readouterr().out
    assert watch._verdict(outcome(96.9), 0.97, {"files": True}) == 2
    assert watch._verdict(outcome(99.5), 0.97, {"files": False}) == 2
    assert watch._verdict(outcome(10.0, goal=None), 0.97, {"files": True}) == 0
