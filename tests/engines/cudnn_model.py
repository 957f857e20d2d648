"""A stand-in for `tf.raw_ops.CudnnRNNV3` that runs the NumPy model where there is no GPU."""

import numpy as np
import tensorflow as tf
from oracle import cudnn as oracle


class Operation:
    """Callable like the operation; `calls` keeps the attributes of each call that was made.

    It is as strict as TensorFlow: a gradient needs `is_training`, and whether rows are padded must
    not change between calls that share a kernel, which eager calls of equal attributes and shapes do.
    """

    def __init__(self):
        self.calls: list[dict] = []

    def __call__(self, input, input_h, input_c, params, sequence_lengths, **attributes):
        self.calls.append(attributes)
        assert attributes["time_major"]
        assert input.dtype != tf.bfloat16, "the gradient of the operation is wrong in bfloat16"
        training = attributes["is_training"]
        masked = attributes["seed"]
        options = {
            "mode": attributes["rnn_mode"],
            "bidirectional": attributes["direction"] == "bidirectional",
            "projection": attributes["num_proj"],
        }
        dtype = input.dtype

        def forward(x, h, c, params, lengths):
            full = lengths == len(x)
            assert not full.any() if masked else full.all()
            x, h, c, params = (np.asarray(v, "float64") for v in (x, h, c, params))
            results = oracle.run(x, h, c, params, lengths, **options)
            return [r.value.astype(dtype.as_numpy_dtype) for r in results]

        def backward(x, h, c, params, lengths, *upstream):
            given = [np.asarray(v, "float64") for v in (x, h, c, params)]
            upstream = [np.asarray(v, "float64") for v in upstream]
            found = oracle.gradients(*given, lengths, upstream, **options)
            return [d.astype(dtype.as_numpy_dtype) for d in found]

        @tf.custom_gradient
        def run(*inputs):
            given = [*inputs, sequence_lengths]
            results = tf.numpy_function(forward, given, [dtype] * 3)
            width = input_h.shape[-1] * (1 + options["bidirectional"])
            results[0].set_shape([*input.shape[:2], width])
            results[1].set_shape(input_h.shape)
            results[2].set_shape(input_c.shape)

            def gradient(*upstream):
                if not training:
                    raise ValueError("is_training must be set to True")
                found = tf.numpy_function(backward, [*given, *upstream], [dtype] * 4)
                for d, value in zip(found, inputs, strict=True):
                    d.set_shape(value.shape)
                return found

            return results, gradient

        return (*run(input, input_h, input_c, params), None, None)
