"""A call of a recurrent layer whose time steps are looked at one by one; see `engines.recording`."""

import inspect

import tensorflow as tf

from keras_recurrent.cells.stacked import follows_contract
from keras_recurrent.engines import recording
from keras_recurrent.engines.carry import names_of_parts
from keras_recurrent.engines.result import advance
from keras_recurrent.keras_hooks import keras_dropout_masks


def run_recorded(layer, recorder, sequences, states, valid, training) -> tuple:
    """The last output, all outputs and the last states of a call, as any engine gives them."""
    cell, names = layer.cell, names_of_parts(states)
    call = recorder.begin(layer, cell.trainable_variables, names, sequences.shape[1])
    last = layer.zero_output_for_mask, layer.go_backwards
    if follows_contract(cell):
        inputs, mask = layer.time_first(sequences, valid)
        size = tf.shape(inputs)
        step = _step_of_cell(cell, cell.draw(size[1], size[0], bool(training)))
        return recording.run(call, step, inputs, states, mask, *last)
    rows = [sequences, *([] if valid is None else [valid])]
    inputs, *mask = [_time_first(tensor, layer.go_backwards) for tensor in rows]
    with keras_dropout_masks(layer, sequences[:, 0], list(states)):
        step = _step_of_keras_cell(cell, bool(training))
        return recording.run(call, step, inputs, states, mask[0] if mask else None, *last)


def _step_of_cell(cell, noise):
    def step(t, x_t, states):
        noise_t = None if noise is None else noise.at(lambda mask: mask[t])
        weights = cell.read_weights(noise_t)
        z_t = cell.project(x_t, weights, noise_t)
        return advance(cell, z_t, states, weights, noise_t)

    return step


def _step_of_keras_cell(cell, training):
    takes_training = "training" in inspect.signature(cell.call).parameters
    options = {"training": training} if takes_training else {}

    def step(t, x_t, states):
        output, new = cell(x_t, states, **options)
        return output, tf.nest.pack_sequence_as(states, tf.nest.flatten(new))

    return step


def _time_first(tensor, backwards: bool):
    tensor = tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])
    return tf.reverse(tensor, [0]) if backwards else tensor
