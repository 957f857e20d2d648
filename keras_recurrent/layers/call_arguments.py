"""The arguments of a recurrent layer's call: made plain before Keras looks at them, and checked."""

import keras
import tensorflow as tf

from keras_recurrent.layers.masks import check_valid_steps, dense_mask


class CallArguments:
    """Mixin for recurrent layers: accept ragged sequences and lengths of any kind.

    Keras counts the tensors of a call to decide where a travelling mask goes, and refuses ragged
    ones; both are settled here, before it does.
    """

    def __call__(self, sequences, *args, lengths=None, **kwargs):
        mask = kwargs.get("mask")
        if mask is not None:
            kwargs["mask"] = dense_mask(mask)
        if isinstance(sequences, tf.RaggedTensor):
            if lengths is not None or not isinstance(mask, tf.RaggedTensor | None):
                raise ValueError(
                    "A ragged tensor says itself which steps are valid. Call the layer without `mask` "
                    "and `lengths`, or with sequences.to_tensor()."
                )
            if sequences.ragged_rank != 1:
                raise ValueError(
                    "Only the axis of time may be ragged, such as in tf.ragged.constant(rows, "
                    f"ragged_rank=1). Received: a tensor of ragged_rank {sequences.ragged_rank}"
                )
            if mask is None:
                lengths = sequences.row_lengths()
            sequences = sequences.to_tensor(shape=[None, None, *sequences.shape[2:]])
        if lengths is None:
            return super().__call__(sequences, *args, **kwargs)
        if not keras.backend.is_keras_tensor(lengths):
            lengths = tf.convert_to_tensor(lengths)
        return super().__call__(sequences, *args, lengths=lengths, **kwargs)

    def compute_output_spec(
        self,
        sequences,
        initial_state=None,
        mask=None,
        training=None,
        *,
        sequences_mask=None,
        lengths=None,
    ):
        """Keras asks this instead of `call` while a functional model is put together."""
        check_valid_steps(sequences, mask, sequences_mask, lengths)
        self.check_call(sequences.shape, initial_state)
        return super().compute_output_spec(sequences, initial_state=initial_state)

    def check_call(self, shape, initial_state) -> None:
        """Refuse states that do not fit the layer or sequences of this shape."""
        raise NotImplementedError
