"""Nothing is lost on the way through a config, a file or a clone."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from layers.kit import FEATURES, NAMES, OTHER, STEPS, UNITS, close, make, randomize, sequences

import keras_recurrent as kr
from keras_recurrent.options import options_of

CELLS = [kr.SimpleRNNCell, kr.GRUCell, kr.LSTMCell, kr.IndRNNCell, kr.MinimalGRUCell]
LAYERS = [getattr(kr, name) for name in NAMES]
# Options that mean nothing alone.
COMPANIONS = {"projection_clip": {"projection_units": 3}}


def _arguments(cls) -> dict:
    return cls.arguments if hasattr(cls, "arguments") else options_of(cls)


def _single_options():
    for cls in [*CELLS, *LAYERS, kr.Gate]:
        for name in _arguments(cls):
            yield pytest.param(cls, name, id=f"{cls.__name__}-{name}")


@pytest.mark.parametrize(("cls", "option"), list(_single_options()))
def test_every_option_survives_a_config(cls, option):
    others = {"units": UNITS, **COMPANIONS.get(option, {})}
    other = "selu" if option == "activation" else OTHER[option]
    made = cls(**{**others, option: other})
    default = cls(**others, name=made.name)
    assert made.get_config() != default.get_config()
    config = _plain(made.get_config())
    copy = cls.from_config(config)
    assert copy.get_config() == made.get_config()
    _same(getattr(copy, option), getattr(made, option))
    if hasattr(made, "cell"):
        assert copy.cell.get_config() == made.cell.get_config()


def _same(a, b):
    if not callable(b):
        assert a == b
    else:
        assert keras.saving.serialize_keras_object(a) == keras.saving.serialize_keras_object(b)


@pytest.mark.parametrize("cls", LAYERS, ids=lambda c: c.__name__)
def test_all_options_at_once_survive_a_config(cls):
    values = {name: OTHER[name] for name in cls.arguments if name not in ("unroll", "engine")}
    layer = cls(**values, engine="unroll", trainable=False, dtype="mixed_bfloat16")
    copy = cls.from_config(_plain(layer.get_config()))
    assert copy.get_config() == layer.get_config()
    assert copy.engine == "unroll"
    assert copy.cell.compute_dtype == "bfloat16"
    assert not copy.trainable


def test_pairs_and_numpy_values_are_written_plainly():
    layer = kr.LSTM(np.int64(4), zoneout=(0.1, np.float64(0.2)), dropout=np.float32(0.5))
    copy = kr.LSTM.from_config(_plain(layer.get_config()))
    assert copy.zoneout == (0.1, 0.2)
    assert copy.get_config() == layer.get_config()


def test_a_numpy_seed_is_a_seed():
    assert _plain(kr.LSTM(4, seed=np.int64(3)).get_config())["seed"] == 3


def _wrapped():
    cell = kr.WeightDrop(kr.LSTMCell(UNITS, peephole=True), 0.25, seed=3)
    return kr.Residual(kr.Zoneout(cell, {"c": 0.5, "h": 0.125}, seed=4))


def _cells():
    return [kr.IndRNNCell(3), _wrapped_of(3), kr.GRUCell(UNITS, reset_after=False)]


def _wrapped_of(units):
    return kr.Zoneout(kr.MinimalGRUCell(units), 0.25)


BUILDERS = {
    "SimpleRNN": lambda: kr.SimpleRNN(UNITS, engine="loop"),
    "GRU": lambda: kr.GRU(UNITS, normalization="layer", zoneout=0.25, engine="unroll"),
    "LSTM": lambda: kr.LSTM(
        UNITS, projection_units=3, peephole=True, relevance_gate=True, cell_clip=1.0
    ),
    "RNN": lambda: kr.RNN(kr.IndRNNCell(UNITS), go_backwards=True, engine="unroll"),
    "wrappers": lambda: kr.RNN(_wrapped_at(FEATURES), return_sequences=True),
    "cells": lambda: kr.RNN(_cells(), return_sequences=True, zero_output_for_mask=True),
    "keras cell": lambda: kr.RNN(keras.layers.LSTMCell(UNITS)),
    "mixed cells": lambda: kr.RNN([kr.LSTMCell(3), keras.layers.GRUCell(2)]),
    "Bidirectional": lambda: kr.Bidirectional(
        kr.LSTM(UNITS, engine="loop"), merge_mode="sum", backward_layer=_backward()
    ),
    "Bidirectional RNN": lambda: kr.Bidirectional(
        kr.RNN(_cells(), return_sequences=True, engine="unroll")
    ),
    "Stack": lambda: kr.Stack(
        [
            kr.LSTM(UNITS, return_sequences=True, engine="loop"),
            kr.RNN(_wrapped_at(UNITS), return_sequences=True),
            kr.Bidirectional(kr.GRU(UNITS, return_sequences=True), merge_mode="ave"),
        ],
        residual=True,
    ),
    "keras Bidirectional": lambda: keras.layers.Bidirectional(kr.LSTM(UNITS, peephole=True)),
    "keras RNN": lambda: keras.layers.RNN([kr.LSTMCell(UNITS), _wrapped_of(3)]),
}


def _backward():
    return kr.GRU(UNITS, go_backwards=True, engine="unroll")


def _wrapped_at(width):
    cell = kr.WeightDrop(kr.LSTMCell(width, coupled_gates=True), 0.25, seed=3)
    return kr.Residual(kr.Zoneout(cell, {"c": 0.5, "h": 0.125}, seed=4))


def _plain(config):
    return json.loads(json.dumps(config))  # Keras turns tuples into lists


def _model(layer) -> keras.Model:
    sequences = keras.Input((STEPS, FEATURES))
    model = keras.Model(sequences, layer(sequences))
    randomize(model)
    return model


@pytest.mark.parametrize("name", BUILDERS)
def test_files_and_clones(name, tmp_path):
    model = _model(BUILDERS[name]())
    x = sequences()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert _plain(loaded.get_config()) == _plain(model.get_config())
    close(loaded(x), model(x))

    clone = keras.models.clone_model(model)
    assert clone.layers[1].get_config() == model.layers[1].get_config()
    clone.set_weights(model.get_weights())
    close(clone(x), model(x))

    model.save_weights(tmp_path / "model.weights.h5")
    clone = keras.models.clone_model(model)
    clone.load_weights(tmp_path / "model.weights.h5")
    close(clone(x), model(x))


def test_everything_at_once_loads_in_a_process_that_only_imports_the_package(tmp_path):
    inputs = keras.Input((STEPS, FEATURES))
    outputs = {name.replace(" ", "_"): build()(inputs) for name, build in BUILDERS.items()}
    model = randomize(keras.Model(inputs, outputs))
    x = sequences()
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=x, **{n: v.numpy() for n, v in model(x).items()})
    program = """
import sys, keras, keras_recurrent, numpy as np
folder = sys.argv[1]
data = np.load(folder + "/data.npz")
outputs = keras.models.load_model(folder + "/model.keras")(data["x"])
for name, value in outputs.items():
    np.testing.assert_allclose(value, data[name], rtol=1e-5, atol=1e-5, err_msg=name)
print("same numbers from", len(outputs), "layers")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert f"same numbers from {len(BUILDERS)} layers" in done.stdout, done.stderr[-2000:]


def test_gate_as_a_layer_of_a_model(tmp_path):
    h, x = keras.Input((3,)), keras.Input((FEATURES,))
    model = randomize(keras.Model([h, x], kr.Gate(UNITS, activation="hard_sigmoid")(h, x)))
    data = [np.ones((2, 3), "float32"), np.ones((2, FEATURES), "float32")]
    model.save(tmp_path / "gate.keras")
    close(keras.models.load_model(tmp_path / "gate.keras")(data), model(data))


@pytest.mark.parametrize("name", NAMES)
def test_a_stateful_layer_loads_what_a_stateless_one_wrote(name, tmp_path):
    stateless, stateful = (
        keras.Sequential([keras.Input(batch_shape=(3, STEPS, FEATURES)), make(name, stateful=s)])
        for s in (False, True)
    )
    stateless.save_weights(tmp_path / "some.weights.h5")
    stateful.load_weights(tmp_path / "some.weights.h5")
    close(stateful(sequences()), stateless(sequences()))


@pytest.mark.parametrize("number", [np.nan, np.inf], ids=str)
@pytest.mark.parametrize("kind", ["LSTM", "Gate"])
def test_a_checkpoint_with_broken_numbers_is_refused(tmp_path, kind, number):
    x = keras.Input((STEPS, FEATURES))
    layer = make("LSTM") if kind == "LSTM" else kr.Gate(UNITS)
    model = keras.Model(x, layer(x) if kind == "LSTM" else layer(x, x))
    weights = model.get_weights()
    weights[1][0, 0] = number
    model.set_weights(weights)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match="NaN or infinite"):
        keras.models.load_model(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="NaN or infinite"):
        model.load_weights(tmp_path / "model.weights.h5")
