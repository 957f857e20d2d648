"""The private places of Keras that the exports lean on still are what they were."""

import keras
from keras import layers

import keras_recurrent as kr
from keras_recurrent import keras_hooks


def test_all_layers_reach_into_wrappers_and_attributes():
    inner = kr.LSTM(2)
    model = keras.Sequential([keras.Input((3, 4)), layers.TimeDistributed(layers.Dense(2)), inner])
    outer = keras.Sequential([model, layers.Dense(1)])
    found = keras_hooks.all_layers(outer)
    assert found[0] is outer
    for layer in (model, model.layers[0].layer, inner, inner.cell, outer.layers[-1]):
        assert any(layer is part for part in found)


def test_operation_behind_an_input_has_the_users_name():
    named = keras.Input((3,), name="mine")
    assert keras_hooks.operation_behind(named).name == "mine"
    given = layers.InputLayer((3,), name="given")
    assert keras_hooks.operation_behind(given.output) is given
    dense = layers.Dense(2)
    assert keras_hooks.operation_behind(dense(named)) is dense


def test_output_shape_of_a_lambda():
    def shape(input_shape):
        return input_shape

    for given in (shape, (3,), None):
        layer = layers.Lambda(lambda x: x, output_shape=given)
        assert keras_hooks.lambda_output_shape(layer) == given
