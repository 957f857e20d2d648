"""Files made without the package, to be tried in its runtimes."""

import uuid

import tensorflow as tf


def convert(function, shape, path, dtype=tf.float32):
    """A file as others make it, of one input `x` and one output `y`."""
    module = tf.Module()
    module.serve = tf.function(
        lambda x: {"y": function(x)}, input_signature=[tf.TensorSpec(shape, dtype, "x")]
    )
    folder = str(path.with_suffix(""))
    tf.saved_model.save(module, folder, signatures={"serving_default": module.serve})
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
    return path


def fused_lstm(model):
    """The numbers of a model of one LSTM, in a function that becomes the fused operation."""
    kernel, recurrent, bias = map(tf.constant, model.get_weights())

    def body(x, h, c, kernel, recurrent, bias):
        outputs = []
        for x_t in tf.unstack(x, axis=1):
            i, f, g, o = tf.split(x_t @ kernel + h @ recurrent + bias, 4, 1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
            outputs.append(h)
        return h, tf.stack(outputs, 1), h, c, tf.constant(0.0)

    attributes = {
        "api_implements": f"lstm_{uuid.uuid4()}",
        "time_major": False,
        "go_backwards": False,
    }
    fused = tf.function(body, autograph=False, experimental_attributes=attributes)
    zeros = tf.zeros((1, recurrent.shape[0]))
    return lambda x: fused(x, zeros, zeros, kernel, recurrent, bias)[1]
