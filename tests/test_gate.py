"""`kr.Gate`: one equation as a layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers.kit import BATCH, FEATURES, MASK, STEPS, UNITS, close, randomize, sequences

import keras_recurrent as kr


def _gate(**options):
    gate = kr.Gate(UNITS, **options)
    gate.build((None, 3), (None, FEATURES))
    return randomize(gate)


def _inputs(*axes):
    return np.ones((*axes, 3), "float32"), np.full((*axes, FEATURES), -2, "float32")


def test_the_equation():
    gate, (h, x) = _gate(), _inputs(BATCH)
    both = np.concatenate([h, x], -1)
    kernel = np.concatenate([gate.recurrent_kernel, gate.kernel])
    close(gate(h, x), 1 / (1 + np.exp(-(both @ kernel + gate.bias))))
    assert [w.name for w in gate.weights] == ["kernel", "recurrent_kernel", "bias"]


def test_both_ways_to_call():
    gate, (h, x) = _gate(), _inputs(BATCH)
    close(gate([h, x]), gate(h, x))
    close(gate((h, x)), gate(h, x))
    inputs = [keras.Input((3,)), keras.Input((FEATURES,))]
    for output in (gate(*inputs), gate(inputs)):
        assert output.shape == (None, UNITS)
        close(keras.Model(inputs, output)([h, x]), gate(h, x))
    assert gate.compute_output_shape((2, 5, 3), (2, 5, FEATURES)) == (2, 5, UNITS)
    assert gate.compute_output_shape([(2, 3), (2, FEATURES)]) == (2, UNITS)


def test_more_axes_are_batch_axes():
    gate, (h, x) = _gate(), _inputs(BATCH, STEPS)
    output = gate(h, x)
    assert output.shape == (BATCH, STEPS, UNITS)
    close(output[:, 0], gate(h[:, 0], x[:, 0]))


def test_a_mask_passes_through():
    gate = _gate()
    h = keras.layers.Masking()(np.ones((BATCH, STEPS, 3), "float32") * MASK[..., None])
    x = sequences()
    for output in (gate(h, x), gate([h, x])):
        assert np.array_equal(kr.keras_hooks.attached_mask(output), MASK)


def test_options():
    assert len(_gate(use_bias=False).weights) == 2
    h, x = _inputs(BATCH)
    gate, raw = _gate(), _gate(activation=None)
    raw.set_weights(gate.get_weights())
    close(tf.sigmoid(raw(h, x)), gate(h, x))
    gate = kr.Gate(
        2, kernel_initializer="zeros", recurrent_initializer="zeros", bias_initializer="ones"
    )
    close(gate(h, x), np.full((BATCH, 2), 1 / (1 + np.exp(-1))))
    gate = kr.Gate(2, dtype="mixed_float16")
    assert gate(h, x).dtype == "float16"


def test_trains():
    inputs = [keras.Input((3,)), keras.Input((FEATURES,))]
    model = keras.Model(inputs, kr.Gate(1)(*inputs))
    model.compile("adam", "mse")
    before = model.get_weights()
    model.fit(list(_inputs(4)), np.zeros((4, 1)), verbose=0)
    assert all(np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True))


def test_what_is_not_a_pair_is_refused():
    h, x = _inputs(BATCH)
    for wrong in ([h], [h, x, x], h, [None, x]):
        with pytest.raises((ValueError, TypeError)):
            kr.Gate(UNITS)(wrong)
    with pytest.raises(ValueError, match=r"width 3 and x of width 2.*\(3, 5\)"):
        _gate()(np.ones((BATCH, 5), "float32"), x)
    with pytest.raises(ValueError, match="Received"):
        _gate()(h, np.ones((BATCH, 1), "float32"))


def test_one_tensor_is_not_enough():
    for x in (np.ones((3, 4), "float32"), np.ones((2, 4), "float32"), [np.ones((3, 4), "float32")]):
        with pytest.raises(ValueError, match="gate reads two"):
            kr.Gate(3)(x)
