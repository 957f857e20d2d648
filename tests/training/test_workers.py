"""Two workers against one process on the joint batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from training import scenarios
from training.cluster import run_workers
from training.once import made_once

import keras_recurrent as kr

pytestmark = pytest.mark.children

SAME = 1e-6

TOGETHER = """
result = {
    "two_outputs": scenarios.two_outputs(strategy),
    "weighted": scenarios.weighted(strategy),
    "empty_parts": scenarios.empty_parts(strategy),
    "moving_means": scenarios.moving_means(strategy),
    "uneven_shards": scenarios.uneven_shards(strategy, index),
    "shuffled_arrays": scenarios.shuffled_arrays(strategy),
    "masked_rows": scenarios.masked_rows(strategy),
    "truncated": scenarios.truncated(strategy),
    "language_model": scenarios.language_model(strategy),
    "by_hand": scenarios.by_hand(strategy, index),
    "refused": scenarios.refused(strategy),
    "saving": scenarios.saving(strategy, folder),
    "whole": scenarios.interrupted(strategy, None),
}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return made_once(tmp_path_factory, "workers", lambda f: run_workers(f, TOGETHER, 400))


@pytest.fixture(scope="module")
def workers(trained):
    _, outcomes = trained
    for code, _, output in outcomes:
        assert code == 0, output
    return [result for _, result, _ in outcomes]


def same(found, wanted, tolerance):
    assert tf.nest.map_structure(lambda _: 0, found) == tf.nest.map_structure(lambda _: 0, wanted)
    for a, b in zip(tf.nest.flatten(found), tf.nest.flatten(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


ALIKE = [
    "two_outputs",
    "weighted",
    "empty_parts",
    "moving_means",
    "uneven_shards",
    "shuffled_arrays",
    "truncated",
    "language_model",
    "whole",
]


@pytest.mark.parametrize("name", ALIKE)
def test_the_workers_end_alike(workers, name):
    same(workers[0][name], workers[1][name], 0)


@pytest.mark.parametrize(
    "name",
    [
        "two_outputs",
        "uneven_shards",
        "shuffled_arrays",
        "by_hand",
        "masked_rows",
        "truncated",
        "language_model",
    ],
)
def test_two_workers_are_one_process_on_the_joint_batch(workers, name):
    alone = getattr(scenarios, name)(tf.distribute.get_strategy())
    same(workers[0][name], alone, SAME)


@pytest.mark.parametrize("engine", ["loop", "compiled"])
def test_the_compiled_engine_on_two_workers(workers, engine):
    same(workers[0]["weighted"], scenarios.weighted(tf.distribute.get_strategy(), engine), SAME)


def test_workers_without_an_example(workers):
    found = workers[0]["empty_parts"]
    alone = scenarios.empty_parts(tf.distribute.get_strategy())
    same(found, alone, SAME)
    assert np.isfinite(workers[0]["moving_means"]["mean"]).all()
    assert np.abs(workers[0]["moving_means"]["mean"]).max() > 0.01


def test_arrays_are_shuffled_alike_and_each_example_seen_once(workers):
    rows = np.arange(scenarios.ROWS - 1)
    seen = workers[0]["shuffled_arrays"]["history"]
    assert seen["total"] == [float(np.sum(2.0 ** rows[:16]))] * 2
    assert seen["val_total"] == [float(np.sum(2.0 ** rows[16:]))] * 2


def test_what_several_replicas_cannot_do_is_refused(workers):
    xla, crossentropy, backup = workers[0]["refused"]
    assert "jit_compile=True" in xla
    assert 'engine="compiled"' in xla
    assert "'crossentropy'" in crossentropy
    assert "sparse_categorical_crossentropy" in crossentropy
    assert "kr.training.ChiefOnly(kr.training.BackupAndRestore(folder))" in backup


def test_the_chief_alone_writes(workers, trained):
    folder, _ = trained
    chief, other = ({p.name for p in (folder / f"worker{i}").iterdir()} for i in (0, 1))
    always = {"output.txt", "result.pickle"}
    assert other == always
    written = {"checkpoint.keras", "model.keras", "model.weights.h5", "log.csv"}
    assert chief == always | written
    assert [w["saving"]["chief"] for w in workers] == [True, False]
    for name in ("model.keras", "checkpoint.keras"):
        loaded = keras.models.load_model(folder / "worker0" / name)
        same(loaded.get_weights(), workers[0]["saving"]["weights"], 0)
        assert isinstance(loaded, kr.training.Sequential)
        assert loaded.loss == "mse"
        assert loaded.optimizer.built


def test_a_callback_on_the_chief_can_stop_all(workers):
    assert [len(w["saving"]["history"]["loss"]) for w in workers] == [1, 1]


def test_a_killed_worker_is_named_and_training_goes_on_exactly(workers, tmp_path):
    folder = tmp_path
    backup = folder / "backup"
    program = f"""
import keras_recurrent as kr
try:
    end = 1 if index == 1 else None
    scenarios.interrupted(strategy, {str(backup)!r} + str(index), end, folder)
except kr.training.WorkerLost as error:
    result = str(error)
"""
    survivor, killed = run_workers(folder / "killed", program, 200)
    assert killed[0] == 9
    assert survivor[0] == 0, survivor[2]
    message = survivor[1]
    died = (folder / "killed/worker1/died").stat().st_mtime
    seconds = (folder / "killed/worker0/result.pickle").stat().st_mtime - died
    assert "Restart the program on all workers" in message
    assert "kr.training.ChiefOnly(kr.training.BackupAndRestore(folder))" in message
    assert seconds < 60  # after its loss; TensorFlow misses the heartbeat after about 10

    program = f"result = scenarios.interrupted(strategy, {str(backup)!r} + str(index))"
    outcomes = run_workers(folder / "resumed", program, 200)
    for (code, result, output), whole in zip(outcomes, workers, strict=True):
        assert code == 0, output
        assert len(result["history"]["loss"]) == 2  # the first epoch was done
        same(result["weights"], whole["whole"]["weights"], 0)
        assert result["iterations"] == whole["whole"]["iterations"] == 9
    assert not (folder / "backup1").exists()  # worker 1 got all from the chief
