"""What a careless user passes: refused before any work, with the value received in the message."""

import runpy

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers.kit import BATCH, FEATURES, NAMES, STEPS, UNITS, array, make, sequences

import keras_recurrent as kr

CELLS = [kr.SimpleRNNCell, kr.GRUCell, kr.LSTMCell, kr.IndRNNCell, kr.MinimalGRUCell]
CLASSES = [*CELLS, *(getattr(kr, name) for name in NAMES)]


@pytest.mark.parametrize("units", [0, -1, 2.5, 4.0, True, "4", None, [4]])
@pytest.mark.parametrize("cls", [*CLASSES, kr.Gate], ids=lambda c: c.__name__)
def test_units(cls, units):
    with pytest.raises(ValueError, match="`units`") as error:
        cls(units)
    assert repr(units) in str(error.value)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan"), "0.1", None, True])
@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_rates(cls, rate):
    names = ["dropout", "recurrent_dropout"]
    names += [n for n in ("zoneout", "weight_dropout") if n in kr.options.options_of(cls)]
    for name in names:
        with pytest.raises(ValueError, match=f"`{name}`") as error:
            cls(UNITS, **{name: rate})
        assert repr(rate) in str(error.value)


LSTM_ARGUMENTS = [
    ({"normalization": "batch"}, "'batch'"),
    ({"normalization": True}, "True"),
    ({"activation": "tanhh"}, "tanhh"),
    ({"recurrent_activation": 3}, "3"),
    ({"output_activation": "nothing"}, "nothing"),
    ({"kernel_initializer": "zeroes"}, "zeroes"),
    ({"bias_regularizer": "l3"}, "l3"),
    ({"kernel_constraint": "small"}, "small"),
    ({"projection_clip": 1.0}, "projection_units=None"),
    ({"projection_units": 0}, "projection_units=0"),
    ({"projection_units": 2.0}, "projection_units=2.0"),
    ({"cell_clip": 0}, "cell_clip=0"),
    ({"cell_clip": -1.0}, "cell_clip=-1.0"),
    ({"cell_clip": "1"}, "cell_clip='1'"),
    ({"zoneout": (0.1, 0.2, 0.3)}, "0.3"),
    ({"zoneout": (0.1, 1.0)}, "1.0"),
    ({"zoneout": {"c": 0.1}}, "'c': 0.1"),
    ({"peephole": 1}, "peephole=1"),
    ({"relevance_gate": "yes"}, "'yes'"),
    ({"return_sequences": "yes"}, "'yes'"),
    ({"return_state": 1}, "1"),
    ({"stateful": None}, "None"),
    ({"go_backwards": -1}, "-1"),
    ({"unroll": 4}, "4"),
    ({"zero_output_for_mask": "no"}, "'no'"),
    ({"engine": "fast"}, "'fast'"),
    ({"engine": None}, "None"),
    ({"implementation": 3}, "3"),
    ({"seed": -1}, "-1"),
    ({"seed": "1"}, "'1'"),
    ({"seed": 1.5}, "1.5"),
    ({"time_major": True}, "time_major"),
    ({"unitss": 3}, "unitss"),
]


@pytest.mark.parametrize(("arguments", "received"), LSTM_ARGUMENTS, ids=str)
def test_arguments_of_the_lstm(arguments, received):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        kr.LSTM(UNITS, **arguments)
    assert received in str(error.value)
    assert next(iter(arguments)) in str(error.value) or "identifier" in str(error.value)


def test_too_many_or_too_few_arguments():
    with pytest.raises(TypeError, match="units"):
        kr.LSTM()
    with pytest.raises(TypeError, match="units"):
        kr.LSTM(4, units=4)
    with pytest.raises(TypeError):
        kr.SimpleRNN(*range(30))


@pytest.mark.parametrize(
    "cell", [None, 4, "LSTM", kr.LSTMCell, keras.layers.Dense(2), [], (), [3]], ids=repr
)
def test_what_is_not_a_cell(cell):
    with pytest.raises(ValueError, match="cell"):
        kr.RNN(cell)


def test_a_layer_where_a_cell_belongs():
    with pytest.raises((TypeError, ValueError), match="cell"):
        kr.RNN(kr.LSTM(UNITS))(sequences())


def _refused(error_class, match, **call):
    """By an eager call, inside a function and by a functional model, with our message."""
    layer = make("LSTM")
    layer(sequences())
    with pytest.raises(error_class, match=match):
        layer(sequences(), **call)
    with pytest.raises(error_class, match=match):
        tf.function(lambda x: layer(x, **call))(tf.constant(sequences()))
    if all(hasattr(value, "shape") for value in tf.nest.flatten(call)):
        with pytest.raises(error_class, match=match):
            layer(sequences_input(), **tf.nest.map_structure(_symbolic, call))


def sequences_input():
    return keras.Input((STEPS, FEATURES), BATCH)


def _symbolic(value):
    return keras.KerasTensor(np.shape(value), keras.backend.standardize_dtype(value.dtype))


def test_contradictions_of_functional_models():
    x, mask = keras.Input((STEPS, FEATURES)), keras.Input((STEPS,), dtype="bool")
    with pytest.raises(ValueError, match="not both"):
        make("GRU")(x, mask=mask, lengths=keras.Input((), dtype="int32"))
    with pytest.raises(ValueError, match="timesteps=None"):
        make("GRU", engine="unroll")(keras.Input((None, FEATURES)))
    for layer in (
        kr.Bidirectional(make("GRU")),
        kr.Stack([make("GRU", return_sequences=True), make("GRU")]),
    ):
        with pytest.raises(ValueError, match="Received"):
            layer(x, initial_state=[keras.Input((UNITS,))])
        with pytest.raises(ValueError, match="initial_state"):
            layer(x, initial_state=[keras.Input((UNITS,)), keras.Input((UNITS + 1,))])


@pytest.mark.parametrize(
    "mask",
    [np.ones((BATCH, STEPS + 1), bool), np.ones(STEPS, bool), np.ones((BATCH, STEPS, 2), bool),
     np.ones((BATCH + 1, STEPS), bool), np.bool_(True)],
    ids=lambda m: str(np.shape(m)),
)  # fmt: skip
def test_masks_of_a_wrong_shape(mask):
    shape = ", ".join(map(str, np.shape(mask)))
    _refused(ValueError, rf"`mask`.*\({BATCH}, {STEPS}\).*\({shape}", mask=mask)


@pytest.mark.parametrize(
    ("lengths", "error", "match"),
    [
        ([1, 2], ValueError, r"\(3,\).*\(2,\)"),
        ([[1], [2], [3]], ValueError, r"\(3,\).*\(3, 1\)"),
        (2, ValueError, r"\(3,\).*\(\)"),
        ([1.0, 2.0, 3.0], TypeError, "float32"),
        ([True, False, True], TypeError, "bool"),
        (["1", "2", "3"], TypeError, "string"),
        ([-1, 2, 3], ValueError, r"between 0.*\[-1, 2, 3\]"),
        ([1, 2, STEPS + 1], ValueError, rf"{STEPS}.*\[1, 2, {STEPS + 1}\]"),
        ([1, 2, 2**32 + 1], ValueError, "4294967297"),
    ],
    ids=str,
)
def test_wrong_lengths(lengths, error, match):
    _refused(error, match, lengths=lengths)


@pytest.mark.parametrize(("shape", "dtype"), [((BATCH, 1), "int32"), ((BATCH,), "float32")])
def test_wrong_lengths_of_a_functional_model(shape, dtype):
    with pytest.raises((ValueError, TypeError), match=r"`lengths`.*Received"):
        make("GRU")(sequences_input(), lengths=keras.Input(batch_shape=shape, dtype=dtype))


@pytest.mark.parametrize("lengths", [[-1, 2, 3], [1, 2, STEPS + 1]])
def test_wrong_lengths_known_at_run_time_only(lengths):
    layer = make("GRU")
    layer(sequences())
    for shape in [(BATCH, STEPS, FEATURES), (None, None, FEATURES)]:
        run = tf.function(
            lambda x, n: layer(x, lengths=n),
            input_signature=[tf.TensorSpec(shape), tf.TensorSpec((None,), tf.int64)],
        )
        with pytest.raises(tf.errors.InvalidArgumentError, match="`lengths` must lie between 0"):
            run(sequences(), np.array(lengths))


def test_mask_and_lengths_contradict():
    mask = np.ones((BATCH, STEPS), bool)
    _refused(ValueError, r"not both.*\(3, 5\).*\(3,\)", mask=mask, lengths=[1, 2, 3])
    ragged = tf.RaggedTensor.from_tensor(sequences(), [1, 2, 3])
    for layer in (make("GRU"), kr.Bidirectional(make("GRU")), kr.Stack([make("GRU")])):
        for more in ({"lengths": [1, 2, 3]}, {"mask": mask}):
            with pytest.raises(ValueError, match="ragged"):
                layer(ragged, **more)
        with pytest.raises(ValueError, match="not both"):
            layer(sequences(), mask=mask, lengths=[1, 2, 3])


ZEROS = np.zeros((BATCH, UNITS), "float32")


@pytest.mark.parametrize(
    "states",
    [[ZEROS], [ZEROS] * 3, ZEROS, [ZEROS, ZEROS[:, :2]], [ZEROS[:2]] * 2, [ZEROS[:1]] * 2,
     [ZEROS[None]] * 2, [ZEROS[0]] * 2, [], "zeros", 0.0],
    ids=lambda s: str(np.shape(s)) if not isinstance(s, list) else str([np.shape(x) for x in s]),
)  # fmt: skip
def test_wrong_initial_states(states):
    _refused(ValueError, r"`initial_state`.*\(3, 4\), \(3, 4\).*Received", initial_state=states)


def test_ragged_features_are_refused():
    """Only the axis of time may be ragged."""
    ragged = tf.ragged.constant([[[1.0, 2.0], [3.0]], [[1.0, 2.0]]])
    with pytest.raises(ValueError):  # noqa: PT011
        make("GRU")(ragged)


def test_sequences_of_text_are_refused():
    with pytest.raises((TypeError, ValueError, tf.errors.UnimplementedError)):
        make("GRU")(np.array([[["a"], ["b"]]]))


def test_a_failed_call_leaves_the_layer_usable():
    layer = make("LSTM", stateful=True, dropout=0.5)
    expected = array(layer(sequences()))
    kept = [array(s) for s in layer.states]
    for wrong in ({"lengths": [9, 9, 9]}, {"mask": ZEROS}, {"initial_state": [ZEROS]}):
        with pytest.raises(ValueError):  # noqa: PT011
            layer(sequences(), **wrong)
    assert all(np.array_equal(a, array(b)) for a, b in zip(kept, layer.states, strict=True))
    layer.reset_state()
    assert np.allclose(layer(sequences()), expected)


@pytest.mark.parametrize("backend", ["jax", "torch", "numpy"])
def test_other_backends_are_refused(monkeypatch, backend):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    with pytest.raises(ImportError, match=f"TensorFlow backend.*KERAS_BACKEND.*'{backend}'"):
        runpy.run_path(kr.__file__)
