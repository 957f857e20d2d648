"""The models and helpers for several workers in one process: plain Keras."""

import json

import keras
import numpy as np
import pytest

import keras_recurrent as kr

training = kr.training


def make(kind):
    if kind == "sequential":
        return training.Sequential(
            [keras.Input((3, 2)), kr.GRU(2, engine="loop"), keras.layers.Dense(1)]
        )
    inputs = keras.Input((3, 2))
    return training.Model(inputs, keras.layers.Dense(1)(kr.GRU(2, engine="loop")(inputs)))


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_alone_they_are_keras_models(kind, tmp_path):
    x, y = np.ones((4, 3, 2), "float32"), np.ones((4, 1), "float32")
    model = make(kind)
    twin = keras.Sequential([keras.Input((3, 2)), kr.GRU(2, engine="loop"), keras.layers.Dense(1)])
    twin.set_weights(model.get_weights())
    for one in (model, twin):
        one.compile("sgd", "mse")
        one.fit(x, y, epochs=2, verbose=0, callbacks=[training.ChiefOnly([])])
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert loaded.loss == "mse"
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(twin.evaluate(x, y, verbose=0))


def test_a_subclass_that_hands_on_inputs_is_told_what_to_subclass():
    class Mine(training.Model):
        def __init__(self, inputs, outputs):
            super().__init__(inputs, outputs)

    inputs = keras.Input((2,))
    with pytest.raises(TypeError, match=r"Mine hands .*Functional"):
        Mine(inputs, keras.layers.Dense(1)(inputs))


WORKERS = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}


@pytest.mark.parametrize(
    ("cluster", "kind", "index", "chief"),
    [
        (WORKERS, "worker", 0, True),
        (WORKERS, "worker", 1, False),
        ({"chief": ["127.0.0.1:3"], **WORKERS}, "worker", 0, False),
        ({"chief": ["127.0.0.1:3"], **WORKERS}, "chief", 0, True),
    ],
)
def test_who_is_chief(monkeypatch, cluster, kind, index, chief):
    assert training.is_chief()
    task = {"type": kind, "index": index}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    assert training.is_chief() is chief


def test_chief_only_takes_callbacks():
    with pytest.raises(TypeError, match=r"Received: .log\.csv"):
        training.ChiefOnly("log.csv")
    with pytest.raises(ValueError, match="all must have it"):
        training.ChiefOnly([keras.callbacks.CSVLogger("log.csv"), training.GradientNorms()])
