"""The choice of an engine: a pure function with a reason."""

import dataclasses

import keras
import pytest
import tensorflow as tf
from layers.kit import FEATURES, NAMES, close, make, sequences

import keras_recurrent as kr
from keras_recurrent import engines
from keras_recurrent.engines import ENGINES, RUN, Choice, Facts, choose

CHOICES = [
    (Facts(), "loop"),
    (Facts(timesteps=1), "unroll"),
    (Facts(timesteps=0), "unroll"),
    (Facts(timesteps=100), "compiled"),
    (Facts(timesteps=100, traced=False), "loop"),
    (Facts(timesteps=100, xla_refusal="No."), "loop"),
    (Facts("compiled", timesteps=7, traced=False), "compiled"),
    (Facts("loop", timesteps=7, xla_refusal="No."), "loop"),
    (Facts(timesteps=100, form="saved_model"), "loop"),
    (Facts("loop", timesteps=1), "loop"),
    (Facts("unroll", timesteps=0), "unroll"),
    (Facts("unroll", timesteps=7), "unroll"),
    (Facts("compiled"), "compiled"),
    (Facts("compiled", timesteps=7), "compiled"),
    (Facts("compiled", timesteps=0), "unroll"),
    (Facts("recomputed", timesteps=9), "recomputed"),
    (Facts("recomputed", timesteps=0), "unroll"),
    (Facts("recomputed", form="saved_model"), "loop"),
    (Facts("compiled", form="saved_model"), "loop"),
    (Facts("compiled", form="loop"), "portable"),
    (Facts(form="saved_model", own_cell=False), "keras"),
    (Facts(form="loop"), "portable"),
    (Facts("unroll", form="loop"), "portable"),
    (Facts("loop", timesteps=3, form="unroll"), "unroll"),
    (Facts(gpus=1), "cudnn"),
    (Facts(gpus=2, timesteps=7), "cudnn"),
    (Facts("cudnn", gpus=1), "cudnn"),
    (Facts("cudnn", gpus=1, timesteps=1), "cudnn"),
    (Facts("cudnn", gpus=1, timesteps=0), "unroll"),
    (Facts(gpus=1, timesteps=1), "unroll"),
    (Facts(gpus=1, against_cudnn="peephole=True"), "loop"),
    (Facts(against_cudnn="peephole=True"), "loop"),
    (Facts("loop", gpus=1), "loop"),
    (Facts("compiled", gpus=1), "compiled"),
    (Facts("unroll", gpus=1, timesteps=7), "unroll"),
    (Facts(gpus=1, own_cell=False), "keras"),
    (Facts(gpus=1, form="saved_model"), "loop"),
    (Facts("cudnn", gpus=1, form="saved_model"), "loop"),
    (Facts("cudnn", form="loop"), "portable"),
    (Facts("cudnn", gpus=1, timesteps=3, form="unroll"), "unroll"),
    (Facts(own_cell=False), "keras"),
    (Facts("unroll", timesteps=3, own_cell=False), "keras"),
]


@pytest.mark.parametrize(("facts", "engine"), CHOICES, ids=str)
def test_choices(facts, engine):
    choice = choose(facts)
    assert choice.engine == engine
    assert choice.reason
    assert choose(facts) == choice
    assert engine == "keras" or engine in RUN


REFUSED = [
    (Facts("cudnn"), "NVIDIA GPU that TensorFlow can see, and there is none"),
    (
        Facts("cudnn", gpus=1, against_cudnn="peephole=True"),
        "cannot serve this layer: peephole=True",
    ),
    (Facts("cudnn", against_cudnn="peephole=True"), "cannot serve this layer: peephole=True"),
    (Facts("cudnn", gpus=1, own_cell=False), "engine='cudnn' needs a cell that follows"),
    (Facts("unroll"), "timesteps=None"),
    (Facts(form="unroll"), "timesteps=None"),
    (Facts("recomputed"), "segments.*timesteps=None"),
    (Facts(form="loop", own_cell=False), "does not follow `kr.Cell`"),
    (Facts("compiled", own_cell=False), "engine='compiled'"),
    (Facts("compiled", timesteps=3, xla_refusal="XLA cannot."), "XLA cannot. Use engine='auto'"),
    (Facts("cudnn", timesteps=3, own_cell=False), "engine='cudnn'"),
]


@pytest.mark.parametrize(("facts", "message"), REFUSED, ids=str)
def test_refusals(facts, message):
    with pytest.raises(ValueError, match=message):
        choose(facts)


def test_facts_and_choices_are_values():
    for value in (Facts(), Choice("loop", "asked for")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            value.engine = value.requested = "unroll"


def test_a_choice_prints_as_a_sentence():
    assert str(Choice("loop", "asked for")) == "engine 'loop': asked for"
    for name in NAMES:
        sentence = str(make(name).explain_engine((None, None, FEATURES)))
        assert sentence.startswith("engine 'loop': ")
        assert "\n" not in sentence


@pytest.mark.parametrize("name", NAMES)
def test_explain_engine(name):
    assert make(name).explain_engine().engine == "loop"
    assert make(name).explain_engine((None, 1, FEATURES)).engine == "unroll"
    assert make(name, unroll=True).explain_engine((8, 5, FEATURES)).engine == "unroll"
    assert make(name, engine="loop").explain_engine((8, 1, FEATURES)).engine == "loop"
    with pytest.raises(ValueError, match="timesteps=None"):
        make(name, engine="unroll").explain_engine((8, None, FEATURES))
    assert kr.Bidirectional(make(name)).explain_engine((None, 1, 2)).engine == "unroll"
    assert kr.RNN(keras.layers.GRUCell(2)).explain_engine().engine == "keras"


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_explained_is_the_one_that_runs(name, monkeypatch):
    ran = []
    for engine, run in RUN.items():

        def recorded(*args, engine=engine, run=run, **kwargs):
            ran.append(engine)
            return run(*args, **kwargs)

        monkeypatch.setitem(RUN, engine, recorded)
    for options, steps in [({}, 5), ({}, 1), ({"engine": "unroll"}, 5), ({"engine": "loop"}, 1)]:
        layer = make(name, **options)
        layer.build(sequences(steps=steps).shape)
        tf.function(layer)(sequences(steps=steps))
        assert ran.pop() == layer.explain_engine((None, steps, FEATURES)).engine
        assert not ran
    make(name)(sequences())
    assert ran.pop() == "loop"  # eager calls compile nothing
    layer = make(name, engine="unroll")
    with engines.lowering("loop"):
        layer(sequences())
    assert ran.pop() == "portable"
    layer(sequences())  # the form ends with its block
    assert ran.pop() == "unroll"


@pytest.mark.parametrize("name", NAMES)
def test_unroll_is_an_alias_of_the_engine(name):
    by_flag, by_engine = make(name, unroll=True), make(name, engine="unroll")
    assert (by_flag.engine, by_flag.unroll) == (by_engine.engine, by_engine.unroll)
    by_flag(sequences()), by_engine(sequences())
    by_engine.set_weights(by_flag.get_weights())
    close(by_flag(sequences()), by_engine(sequences()))
    for layer in (by_flag, by_engine):
        copy = type(layer).from_config(layer.get_config())
        assert (copy.engine, copy.unroll) == ("unroll", True)


@pytest.mark.parametrize("name", NAMES)
def test_contradictions_are_refused_at_construction(name):
    with pytest.raises(ValueError, match=r"unroll=True, engine='loop'"):
        make(name, unroll=True, engine="loop")
    for engine in ("compiled", "cudnn"):
        with pytest.raises(ValueError, match="unroll"):
            make(name, engine=engine, unroll=True)
    with pytest.raises(ValueError, match="engine='fast'"):
        make(name, engine="fast")
    unrolled = tf.function(make(name, engine="unroll").__call__)
    with pytest.raises(ValueError, match="known beforehand"):
        unrolled.get_concrete_function(tf.TensorSpec((None, None, FEATURES)))


@pytest.mark.parametrize("name", ["GRU", "LSTM"])
def test_use_cudnn_is_an_alias_of_the_engine(name, gpu):
    assert make(name, use_cudnn=True).engine == "cudnn"
    assert make(name, use_cudnn=True, engine="cudnn").engine == "cudnn"
    assert make(name, engine="cudnn").explain_engine().engine == "cudnn"
    for options in ({"unroll": True}, {"engine": "loop"}, {"engine": "unroll"}):
        with pytest.raises(ValueError, match=r"use_cudnn=True.*Drop one"):
            make(name, use_cudnn=True, **options)
    with pytest.raises(ValueError, match=r"use_cudnn=False, engine='cudnn'"):
        make(name, use_cudnn=False, engine="cudnn")
    assert make(name, use_cudnn=False).engine == "auto"
    assert make(name, use_cudnn=False).explain_engine().engine == "loop"
    assert make(name, use_cudnn=False, unroll=True).engine == "unroll"
    for wrong in (1, 0, None, "yes"):
        with pytest.raises(ValueError, match=r"use_cudnn.*Received"):
            make(name, use_cudnn=wrong)
    for options in ({"use_cudnn": True}, {"use_cudnn": False}, {"engine": "cudnn"}):
        layer = make(name, **options)
        copy = type(layer).from_config(layer.get_config())
        assert (copy.use_cudnn, copy.engine) == (layer.use_cudnn, layer.engine)
        assert copy.explain_engine() == layer.explain_engine()


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_that_can_be_asked_for_runs(engine):
    assert choose(Facts(engine, timesteps=3, gpus=1)).engine in RUN


def test_exported_forms_hold_no_noise():
    layer = make("GRU", dropout=0.5)
    layer(sequences())
    with engines.lowering("loop"):
        layer(sequences())
        with pytest.raises(ValueError, match="random"):
            layer(sequences(), training=True)
