"""A language model's training that is interrupted; on devices and workers: tests/training."""

import keras
import numpy as np
import pytest
from elmo import language_kit as kit

import keras_recurrent as kr


def _model(corpus):
    model = kit.language_model(corpus.vocabulary, compiled=False, rows=20)
    model.compile(run_eagerly=True)
    return model


class _Interrupted(Exception):
    pass


def _stop_in(epoch):
    def stop(number, logs=None):
        if number == epoch:
            raise _Interrupted

    return keras.callbacks.LambdaCallback(on_epoch_begin=stop)


def test_a_training_that_goes_on_ends_as_an_uninterrupted_one(tmp_path):
    """Dropout, draws of the softmax and the order of the documents included."""
    corpus = kit.corpus(tmp_path)
    whole = _model(corpus)
    history = whole.fit(corpus, epochs=3, verbose=0).history

    def backup():
        return kr.training.BackupAndRestore(tmp_path / "backup")

    with pytest.raises(_Interrupted):
        _model(corpus).fit(corpus, epochs=3, verbose=0, callbacks=[backup(), _stop_in(2)])
    resumed = _model(corpus)
    rest = resumed.fit(kit.corpus(tmp_path), epochs=3, verbose=0, callbacks=backup())
    assert rest.epoch == [2]
    for name, values in rest.history.items():
        assert values == history[name][2:]
    for a, b in zip(kit.weights(resumed), kit.weights(whole), strict=True):
        np.testing.assert_array_equal(a, b)


def test_rows_divide_among_the_replicas(monkeypatch):
    monkeypatch.setattr(kr.training.replicas, "count", lambda: 3)
    with pytest.raises(ValueError, match=r"must be a multiple of their number.*batch_size=20"):
        kit.language_model(30, rows=20)
