"""The private places of Keras that the package leans on still are what they were."""

import inspect

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


def test_the_class_of_models_made_of_a_graph():
    inputs = keras.Input((2,))
    assert issubclass(keras_hooks.KerasFunctional, keras.Model)
    assert keras_hooks.KerasFunctional(inputs, keras.layers.Dense(1)(inputs)).outputs


def test_a_loss_from_a_function_is_kerass_own():
    draw = np.random.default_rng(0)
    y, y_pred = draw.integers(0, 3, (4, 1)), draw.normal(size=(4, 3))
    function = keras.losses.sparse_categorical_crossentropy
    loss = keras_hooks.LossFromFunction(function, name="named")
    close(loss(y, y_pred), keras.losses.SparseCategoricalCrossentropy()(y, y_pred))
    assert loss.name == "named"


def test_keras_still_builds_and_reduces_in_the_places_that_are_overridden():
    """What the overrides do is tested with two workers in tests/training."""
    build = inspect.signature(keras.Model._maybe_symbolic_build).parameters
    assert list(build) == ["self", "iterator", "data_batch"]
    assert "_distribute_strategy" in vars(keras.Sequential())
    for optimizer in (keras.optimizers.SGD(), keras.optimizers.Adam()):
        assert list(inspect.signature(optimizer._all_reduce_sum_gradients).parameters) == [
            "grads_and_vars"
        ]
    assert keras.optimizers.LossScaleOptimizer(optimizer).inner_optimizer is optimizer


def test_states_that_training_moves():
    frozen, moving = keras.layers.BatchNormalization(), keras.layers.BatchNormalization()
    dense = keras.layers.Dense(2, trainable=False)
    model = keras.Sequential([keras.Input((2,)), dense, frozen, keras.layers.Dropout(0.1), moving])
    frozen.trainable = False
    found = keras_hooks.moving_states(model)
    assert {id(v) for v in found} == {id(moving.moving_mean), id(moving.moving_variance)}


def test_fit_starts_from_the_epoch_that_a_callback_has_set():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert keras_hooks.initial_epoch(model) == 0
    set_epoch = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: keras_hooks.set_initial_epoch(model, 2)
    )
    history = model.fit(np.ones((2, 1)), np.ones(2), epochs=3, callbacks=[set_epoch], verbose=0)
    assert history.epoch == [2]
    assert keras_hooks.initial_epoch(model) == 2


def test_variables_read_as_in_a_call():
    for policy, inside in [("mixed_float16", "float16"), ("float32", "float32")]:
        layer = keras.layers.Dense(2, dtype=policy)
        layer.build((None, 3))
        with keras_hooks.autocast(layer):
            assert keras.ops.convert_to_tensor(layer.kernel).dtype == inside
            with keras_hooks.variables_in_own_type():
                assert layer.kernel.value.dtype == "float32"
        assert keras.ops.convert_to_tensor(layer.kernel).dtype == "float32"
