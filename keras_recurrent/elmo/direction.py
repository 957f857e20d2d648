"""One direction of the biLM: LSTMs on top of each other, the output of each kept."""

import keras

from keras_recurrent.layers import RNN


class Direction(keras.layers.Layer):
    """LSTMs with projection on top of each other (Jozefowicz et al. 2016), residual from the second on.

    a_0 = tokens,  a_l = lstm_l(d(a_{l-1})) + d(a_{l-1}),  no sum for l = 1;  d is dropout

    Unlike `kr.Stack` it gives what every layer does, which ELMo mixes, and turns what it read backwards.

    Args:
        cells: The `kr.LSTMCell` of each layer, which others may share.
        residual: Whether there are sums.
        dropout: Rate of d, in training.
        backwards: Whether to read from the last word to the first; what comes out is in the order of
            the words either way.
        stateful: Whether a batch goes on from the states of the one before, for training on windows
            with `kr.training.TruncatedBPTT`.

    Call arguments:
        tokens: `(batch, T, width)`.
        initial_states: An `LSTMState` a layer, or None for zeros.
        mask: `(batch, T)`, False where there is no word: states stay, outputs are zeros.
        training: Whether dropout is at work.

    Returns:
        The activations a_0 ... a_L, each `(batch, T, width)`, and a list of the layers' last states.
    """

    def __init__(
        self,
        cells,
        *,
        residual: bool = True,
        dropout: float = 0.0,
        backwards: bool = False,
        stateful: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.cells = list(cells)
        self.residual, self.backwards = residual, backwards
        self.layers = [
            RNN(
                cell,
                return_sequences=True,
                return_state=True,
                go_backwards=backwards,
                stateful=stateful,
                zero_output_for_mask=True,
                name=f"{self.name}_layer_{place}",
                dtype=self.dtype_policy,
            )
            for place, cell in enumerate(self.cells)
        ]
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy) if dropout else None

    def build(self, tokens_shape):
        for layer in self.layers:
            layer.build((*tokens_shape[:2], tokens_shape[-1]))
        self.built = True

    def compute_mask(self, tokens, mask=None):
        return None  # the caller has it

    def call(self, tokens, initial_states=None, mask=None, training=None):
        starts = initial_states or [None] * len(self.layers)
        activations, states = [tokens], []
        for place, (layer, start) in enumerate(zip(self.layers, starts, strict=True)):
            x = activations[-1]
            if self.drop is not None:
                x = self.drop(x, training=training)
            y, *state = layer(x, initial_state=start, mask=mask, training=training)
            if self.backwards:
                y = keras.ops.flip(y, 1)
            activations.append(y + x if self.residual and place else y)
            states.append(state)
        return activations, states
