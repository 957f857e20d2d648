"""Ragged input and lengths, made plain before Keras looks at the arguments of a call."""

import keras
import tensorflow as tf


class CallArguments:
    """Mixin for recurrent layers: accept ragged sequences and lengths of any kind.

    Keras counts the tensors of a call to decide where a travelling mask goes, and refuses ragged
    ones; both are settled here, before it does.
    """

    def __call__(self, sequences, *args, lengths=None, **kwargs):
        if isinstance(sequences, tf.RaggedTensor):
            if lengths is not None or kwargs.get("mask") is not None:
                raise ValueError(
                    "A ragged tensor says itself which steps are valid. Call the layer without `mask` "
                    "and `lengths`, or with sequences.to_tensor()."
                )
            if sequences.ragged_rank != 1:
                raise ValueError(
                    "Only the axis of time may be ragged, such as in tf.ragged.constant(rows, "
                    f"ragged_rank=1). Received: a tensor of ragged_rank {sequences.ragged_rank}"
                )
            lengths = sequences.row_lengths()
            sequences = sequences.to_tensor(shape=[None, None, *sequences.shape[2:]])
        if lengths is None:
            return super().__call__(sequences, *args, **kwargs)
        if not keras.backend.is_keras_tensor(lengths):
            lengths = tf.convert_to_tensor(lengths)
        return super().__call__(sequences, *args, lengths=lengths, **kwargs)
