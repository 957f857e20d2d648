"""The private places of Keras that the package leans on still are what they were."""

import keras
import numpy as np
from layers.kit import BATCH, FEATURES, STEPS, UNITS, close, sequences

import keras_recurrent as kr
from keras_recurrent import keras_hooks


def test_keras_rnn_draws_the_masks_of_our_cells_before_its_loop(monkeypatch):
    cell = kr.SimpleRNNCell(
        FEATURES,
        activation=None,
        kernel_initializer="identity",
        recurrent_initializer="zeros",
        dropout=0.5,
    )
    assert isinstance(cell, keras_hooks.DropoutRNNCell)
    assert isinstance(keras.layers.GRUCell(2), keras_hooks.DropoutRNNCell)
    calls = []
    for name in ("get_dropout_mask", "reset_dropout_mask"):
        inner = getattr(cell, name)
        monkeypatch.setattr(
            cell, name, lambda *a, name=name, inner=inner: (calls.append(name), inner(*a))
        )
    layer = keras.layers.RNN(cell, return_sequences=True)
    output = layer(np.ones((BATCH, STEPS, FEATURES), "float32"), training=True).numpy()
    close(output, np.repeat(output[:, :1], STEPS, 1))
    assert calls == ["get_dropout_mask", "reset_dropout_mask"]
    assert cell._keras_rnn_noise is None


def test_an_attached_mask_travels():
    x = keras.ops.ones((2, 3, 4))
    mask = np.array([[True, False, True], [False, True, True]])
    assert keras_hooks.attached_mask(x) is None
    keras_hooks.attach_mask(x, mask)
    assert keras_hooks.attached_mask(x) is mask
    seen = []

    class Reader(keras.layers.Layer):
        supports_masking = True

        def call(self, inputs, mask=None):
            seen.append(mask)
            return inputs

    Reader()(x)
    assert np.array_equal(seen[-1], mask)
    masked = keras.layers.Masking()(np.ones((2, 3, 4), "float32") * mask[..., None])
    assert np.array_equal(keras_hooks.attached_mask(masked), mask)


def test_keras_still_fills_the_mask_of_the_first_argument():
    """With two tensors it looks for `sequences_mask`; `initial_state` must not hide the mask."""
    seen = []

    class Reader(kr.GRU):
        def call(
            self, sequences, initial_state=None, mask=None, training=None, *, sequences_mask=None
        ):
            seen.append((mask, sequences_mask))
            return super().call(
                sequences, initial_state, mask, training, sequences_mask=sequences_mask
            )

    x = keras.layers.Masking()(sequences())
    layer = Reader(UNITS)
    layer(x)
    assert [m is None for m in seen[-1]] == [False, True]
    layer(x, initial_state=[np.zeros((BATCH, UNITS), "float32")])
    assert [m is None for m in seen[-1]] == [True, False]


def test_kept_states_are_no_weights():
    layer = kr.LSTM(UNITS, stateful=True)
    layer(sequences())
    assert len(layer.states) == 2
    assert len(layer.weights) == len(layer.get_weights()) == 3
    assert all(isinstance(s, keras.Variable) for s in layer.states)
