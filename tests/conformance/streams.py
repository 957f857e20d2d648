"""What the tests of streaming exports share."""

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.export import converter, roll_out, streaming
from keras_recurrent.export.signature import signature_of


def step_in_tensorflow(model, block=1, batch=2):
    """The streaming model, its signature, its states, and a call of the step as a function."""
    signature, streamed = signature_of(model), streaming.check_streamable(model, block)
    step = streaming.Step(streamed, signature, batch)
    specs = [tf.TensorSpec(t.shape, t.dtype) for t in (*step.inputs, *step.states)]
    function = tf.function(step, input_signature=specs, autograph=False)

    def run(inputs):
        outputs = function(*[tf.constant(inputs[t.name]) for t in (*step.inputs, *step.states)])
        return {name: value.numpy() for name, value in outputs.items()}

    return streamed, signature, step.states, run


def check(model, block=1, batch=2, tolerance=None):
    """A stream in TensorFlow equals the whole sequence; returns the names of the states."""
    streamed, signature, states, run = step_in_tensorflow(model, block, batch)
    largest, mean, checked = roll_out.check_roll_out(
        model, streamed, signature, run, states, tolerance=tolerance
    )
    assert 0 <= mean <= largest <= (tolerance or 1e-6)
    assert "random states" in checked
    return [t.name for t in states]


def to_file(model, path, block=1, batch=1):
    """The step as a `.tflite` file; returns its states."""
    folder = path.with_suffix(".step")
    states = streaming.trace_step(
        streaming.check_streamable(model, block), signature_of(model), batch, folder
    )
    converter.convert(folder, path, None)
    return states


def shaken(model):
    """The model with other weights than the initial ones, zeros and ones among them."""
    rng = np.random.default_rng(3)
    model.set_weights([w + 0.2 * rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def sequential(*layers, features=3, steps=None):
    return shaken(keras.Sequential([keras.Input((steps, features)), *layers]))
