"""An interrupted fit that is started again ends where the uninterrupted one ends."""

import functools
import shutil

import h5py
import keras
import numpy as np
import pytest
from training import kit

import keras_recurrent as kr

EPOCHS = 5


class _Interrupted(Exception):
    pass


def _stop_in(epoch):
    def stop(batch, logs=None):
        if stop.epoch == epoch and batch == 1:
            raise _Interrupted

    def count(number, logs=None):
        stop.epoch = number

    return keras.callbacks.LambdaCallback(on_epoch_begin=count, on_train_batch_end=stop)


def _trainer(**noise):
    keras.utils.set_random_seed(5)
    layer = kr.LSTM(4, stateful=True, return_sequences=True, engine="loop", **noise)
    last = keras.layers.Dropout(0.2 if noise else 0.0, seed=3)
    trainer = kr.training.TruncatedBPTT(kit.model(layer, last, dtype="float32"))
    trainer.compile(keras.optimizers.Adam(0.01), kr.losses.SumOverTime("mse"))
    return trainer


NOISE = {"dropout": 0.3, "zoneout": 0.2, "recurrent_dropout": 0.1, "seed": 4}
DATA = kit.dataset(dtype="float32")


def _interrupt_and_resume(callback, make, folder, data=lambda done: DATA, **options):
    """Weights and last loss of a fit that dies in epoch 3 and of the one that goes on."""
    with pytest.raises(_Interrupted):
        make().fit(
            data(0), epochs=EPOCHS, verbose=0, callbacks=[callback(folder), _stop_in(3)], **options
        )
    resumed = make()
    history = resumed.fit(
        data(3), epochs=EPOCHS, verbose=0, callbacks=[callback(folder)], **options
    )
    assert history.epoch == [3, 4]
    return kit.weights(resumed), history.history["loss"][-1]


def _same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@functools.cache
def _whole(noisy: bool = True):
    """Weights and last loss of a training that nothing interrupts."""
    trainer = _trainer(**NOISE if noisy else {})
    loss = trainer.fit(DATA, epochs=EPOCHS, verbose=0).history["loss"][-1]
    return kit.weights(trainer), loss


@pytest.fixture(scope="module")
def died(tmp_path_factory):
    """The backup of a training with noise that died in epoch 3."""
    folder = tmp_path_factory.mktemp("died") / "backup"
    callbacks = [kr.training.BackupAndRestore(folder), _stop_in(3)]
    with pytest.raises(_Interrupted):
        _trainer(**NOISE).fit(DATA, epochs=EPOCHS, verbose=0, callbacks=callbacks)
    return folder


@pytest.fixture
def backup(died, tmp_path):
    return shutil.copytree(died, tmp_path / "backup")


def _resume(backup):
    trainer = _trainer(**NOISE)
    callbacks = [kr.training.BackupAndRestore(backup)]
    history = trainer.fit(DATA, epochs=EPOCHS, verbose=0, callbacks=callbacks)
    assert history.epoch == [3, 4]
    return kit.weights(trainer), history.history["loss"][-1]


def test_exactly_with_noise(backup):
    whole, loss = _whole()
    weights, last = _resume(backup)
    assert _same(weights, whole)
    assert last == loss
    assert not backup.exists()  # done, so deleted


def test_keras_forgets_the_seeds(tmp_path):
    """Why there is a callback of ours; without noise Keras's own is exact."""
    for noise, exact in ((NOISE, False), ({}, True)):
        whole, _ = _whole(noisy=bool(noise))
        weights, _ = _interrupt_and_resume(
            keras.callbacks.BackupAndRestore,
            lambda noise=noise: _trainer(**noise),
            str(tmp_path / f"keras_{exact}"),
        )
        assert _same(weights, whole) == exact


def test_states_within_a_document(tmp_path):
    """Epochs of two batches, whose borders lie within documents."""
    whole = _trainer(**NOISE)
    whole.fit(DATA.repeat(), epochs=EPOCHS, steps_per_epoch=2, verbose=0)
    weights, _ = _interrupt_and_resume(
        kr.training.BackupAndRestore,
        lambda: _trainer(**NOISE),
        tmp_path,
        lambda done: DATA.repeat().skip(2 * done),
        steps_per_epoch=2,
    )
    assert _same(weights, kit.weights(whole))


@pytest.mark.parametrize("suffix", ["model.keras", "model.weights.h5"])
def test_model_checkpoints(tmp_path, suffix):
    """ModelCheckpoint keeps weights and optimizer; `initial_epoch` and the rest is the user's."""
    path = str(tmp_path / suffix)
    keep = keras.callbacks.ModelCheckpoint(path, save_weights_only=suffix.endswith("h5"))
    _trainer().fit(DATA, epochs=3, verbose=0, callbacks=[keep])
    if suffix.endswith("h5"):
        resumed = _trainer()
        resumed.optimizer.build(resumed.trainable_variables)
        resumed.load_weights(path)
    else:
        resumed = keras.models.load_model(path)
    resumed.fit(DATA, epochs=EPOCHS, initial_epoch=3, verbose=0)
    assert _same(kit.weights(resumed), _whole(noisy=False)[0])


@pytest.mark.parametrize("late_note", [False, True])
def test_a_backup_that_died_half_way(backup, late_note):
    """Whatever is torn: our file of the next epoch is early, or Keras's note of the epoch late."""
    if late_note:
        (backup / "training_metadata.json").write_text('{"epoch": 2, "batch": 0}')
    else:
        (backup / "run_state_4.npz").write_bytes((backup / "run_state_2.npz").read_bytes())
        (backup / "run_state_5.partial").write_bytes(b"torn")
    weights, _ = _resume(backup)
    assert _same(weights, _whole()[0])


def test_an_interruption_while_weights_are_written(tmp_path, monkeypatch):
    """A file that was closed in time holds some of the weights, and reads without an error."""
    interrupted = _trainer(**NOISE)
    write = interrupted.save_weights

    def write_some(path, **options):
        write(path, **options)
        if int(interrupted.optimizer.iterations) > 3 * int(DATA.cardinality()):
            with h5py.File(path, "a") as file:
                del file["optimizer"]
            raise KeyboardInterrupt

    monkeypatch.setattr(interrupted, "save_weights", write_some)
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(
            DATA, epochs=EPOCHS, verbose=0, callbacks=[kr.training.BackupAndRestore(tmp_path)]
        )
    weights, _ = _resume(tmp_path)
    assert _same(weights, _whole()[0])


def test_refuses_backups_of_others(tmp_path):
    callbacks = [keras.callbacks.BackupAndRestore(str(tmp_path / "keras")), _stop_in(2)]
    with pytest.raises(_Interrupted):
        _trainer().fit(DATA, epochs=EPOCHS, verbose=0, callbacks=callbacks)
    callbacks = [kr.training.BackupAndRestore(tmp_path / "keras")]
    with pytest.raises(ValueError, match="made by another callback"):
        _trainer().fit(DATA, epochs=EPOCHS, verbose=0, callbacks=callbacks)


def test_two_copies_and_keeping_them(tmp_path):
    callback = kr.training.BackupAndRestore(
        tmp_path, double_checkpoint=True, delete_checkpoint=False
    )
    _trainer(**NOISE).fit(DATA, epochs=4, verbose=0, callbacks=[callback])
    assert sorted(p.name for p in tmp_path.glob("*.npz")) == ["run_state_3.npz", "run_state_4.npz"]
    (tmp_path / "latest.weights.h5").write_bytes(b"torn")  # Keras goes back to the one before
    resumed = _trainer(**NOISE)
    history = resumed.fit(DATA, epochs=EPOCHS, verbose=0, callbacks=[callback])
    assert history.epoch == [3, 4]
    assert _same(kit.weights(resumed), _whole()[0])


def test_tensorboard(tmp_path):
    pytest.importorskip(
        "tensorboard", reason="the callback writes for a tool that is not installed"
    )
    callbacks = [kr.training.GradientNorms(), keras.callbacks.TensorBoard(tmp_path)]
    _trainer().fit(DATA, epochs=2, verbose=0, callbacks=callbacks)
    assert any(tmp_path.rglob("events*"))
