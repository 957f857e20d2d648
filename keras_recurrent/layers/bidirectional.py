import keras
import tensorflow as tf

from keras_recurrent.keras_hooks import attach_mask
from keras_recurrent.layers import together
from keras_recurrent.layers.call_arguments import CallArguments
from keras_recurrent.layers.inner import explain_engine, reset_state
from keras_recurrent.layers.masks import valid_steps


@keras.saving.register_keras_serializable("keras_recurrent")
class Bidirectional(CallArguments, keras.layers.Bidirectional):
    """Runs a recurrent layer over the sequence in both directions (Schuster and Paliwal 1997).

    y(t) = merge(forward(x)(t), backward(x)(t)), both in the order of the input

    A drop-in for `keras.layers.Bidirectional` (arguments in its order), in which masks hold also when
    `initial_state` is given, and `lengths` and ragged tensors are understood. Masked steps give zeros
    with `return_sequences`, as in Keras. On a GPU one cuDNN call runs both directions where it can.

    Args:
        layer: The forward layer, a recurrent layer.
        merge_mode: "concat", "sum", "mul", "ave" or None for a pair of outputs.
        weights: Initial weights, those of the forward layer first.
        backward_layer: The layer for the other direction, with `go_backwards=True`; by default such a
            copy of `layer`, which itself must go forwards.

    Call arguments: those of `kr.RNN`; `initial_state` holds the forward states, then the backward
    ones, and so do the states that `return_state` gives.
    """

    def __init__(self, layer, merge_mode="concat", weights=None, backward_layer=None, **kwargs):
        for name, part in {"layer": layer, "backward_layer": backward_layer}.items():
            if part is not None and not hasattr(part, "go_backwards"):
                raise ValueError(
                    f"`{name}` must be a recurrent layer, such as kr.LSTM(8). Received: {part!r}"
                )
        super().__init__(layer, merge_mode, None, backward_layer, **kwargs)
        self._first_weights = weights

    def build(self, sequences_shape, initial_state_shape=None):
        super().build(sequences_shape)
        self.built = True
        if self._first_weights is not None:
            self.set_weights(self._first_weights)
            self._first_weights = None

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        shapes = [
            layer.compute_output_shape(sequences_shape)
            for layer in (self.forward_layer, self.backward_layer)
        ]
        states = ()
        if self.return_state:
            states = (*shapes[0][1:], *shapes[1][1:])
            shapes = [shape[0] for shape in shapes]
        if self.merge_mode is None:
            return (*shapes, *states)
        width = shapes[0][-1] + (shapes[1][-1] if self.merge_mode == "concat" else 0)
        output = (*shapes[0][:-1], width)
        return (output, *states) if self.return_state else output

    def check_call(self, shape, initial_state) -> None:
        halves = self._halves(initial_state)
        for layer, share in zip((self.forward_layer, self.backward_layer), halves, strict=True):
            if isinstance(layer, CallArguments):
                layer.check_call(shape, share)

    def call(
        self,
        sequences,
        initial_state=None,
        mask=None,
        training=None,
        *,
        sequences_mask=None,
        lengths=None,
    ):
        valid = valid_steps(sequences, mask, sequences_mask, lengths)
        pair, halves = (self.forward_layer, self.backward_layer), self._halves(initial_state)
        returned = together.both_directions(*pair, sequences, halves, valid, training)
        if returned is None:
            returned = [
                layer(sequences, initial_state=half, mask=valid, training=training)
                for layer, half in zip(pair, halves, strict=True)
            ]
        forward, backward = returned
        states = ()
        if self.return_state:
            states = (*forward[1:], *backward[1:])
            forward, backward = forward[0], backward[0]
        if self.return_sequences:
            backward = tf.reverse(backward, [1])
        output = self._merge(forward, backward)
        if self.return_sequences and valid is not None:
            for tensor in tf.nest.flatten(output):
                attach_mask(tensor, valid)
        if not self.return_state:
            return output
        return (*output, *states) if self.merge_mode is None else (output, *states)

    def _halves(self, initial_state):
        if initial_state is None:
            return None, None
        sizes = [self.forward_layer.state_size, self.backward_layer.state_size]
        flat = tf.nest.flatten(initial_state)
        if not isinstance(initial_state, list | tuple) or len(flat) != len(tf.nest.flatten(sizes)):
            raise ValueError(
                "`initial_state` must be a list: the forward layer's states, then those of the backward "
                f"layer. Received: {tf.nest.map_structure(_shape, initial_state)}"
            )
        return tf.nest.pack_sequence_as(sizes, flat)

    def _merge(self, forward, backward):
        forward = tf.cast(forward, self.compute_dtype)
        backward = tf.cast(backward, self.compute_dtype)
        if self.merge_mode is None:
            return forward, backward
        if self.merge_mode == "concat":
            return tf.concat([forward, backward], -1)
        if self.merge_mode == "mul":
            return forward * backward
        total = forward + backward
        return total / 2 if self.merge_mode == "ave" else total

    def compute_mask(self, inputs, mask=None):
        mask = tf.nest.flatten(mask)[0] if self.return_sequences and mask is not None else None
        output = [mask, mask] if self.merge_mode is None else mask
        if not self.return_state:
            return output
        states = tf.nest.flatten([self.forward_layer.state_size, self.backward_layer.state_size])
        return [*tf.nest.flatten(output), *[None] * len(states)]

    def explain_engine(self, input_shape=None):
        """The engine that the forward layer gets for this shape, and why; see `kr.RNN`."""
        return explain_engine(self.forward_layer, input_shape)

    def reset_state(self, states=None, rows=None) -> None:
        """Set the kept states of both directions; see `kr.RNN.reset_state`."""
        forward, backward = self._halves(states)
        reset_state(self.forward_layer, forward, rows)
        reset_state(self.backward_layer, backward, rows)

    def reset_states(self, states=None, rows=None) -> None:
        """Keras's older name of `reset_state`."""
        self.reset_state(states, rows)


def _shape(value):
    return tuple(value.shape) if hasattr(value, "shape") else type(value).__name__
