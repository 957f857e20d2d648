"""What a biLM's directions pay for each word that they are to predict."""

import keras
import tensorflow as tf

from keras_recurrent.elmo.direction import Direction
from keras_recurrent.elmo.softmax import Softmax


class WordCosts(keras.Model):
    """-log p of the word that follows each word, in both directions.

    The stateful layers, which go forwards in either direction, run the cells of the biLM.

    Args:
        bilm: The biLM.
        classes: Number of words to predict.
        samples: See `Softmax`.
        seed: See `Softmax`.

    Call arguments:
        inputs: `{"words": words, "targets": targets}`, as `kr.elmo.Corpus` gives them.
        training: Whether dropout and samples are at work.

    Returns:
        `(rows, window, directions)`.
    """

    def __init__(self, bilm, classes: int, samples: int | None, seed: int | None, **kwargs):
        super().__init__(dtype=bilm.dtype_policy, autocast=False, **kwargs)
        self.supports_jit = False
        self.bilm = bilm
        self.stacks = {
            side: Direction(
                cells,
                residual=bilm.residual,
                dropout=bilm.dropout,
                stateful=True,
                name=f"{side}_windows",
                dtype=bilm.dtype_policy,
            )
            for side, cells in bilm.cells.items()
        }
        rate = bilm.dropout
        self.drop = keras.layers.Dropout(rate, dtype=bilm.dtype_policy) if rate else None
        self.softmax = Softmax(classes, bilm.width, samples, seed=seed, dtype=bilm.dtype_policy)

    def build_for(self, rows: int, window: int) -> None:
        """Make weights and states, the latter for this many rows."""
        if not self.bilm.built:
            self.bilm.build()
        for stack in self.stacks.values():
            stack.build((rows, window, self.bilm.width))
        self.softmax.build()
        self.built = True

    def call(self, inputs, training=None):
        words, targets = inputs["words"], inputs["targets"]
        outputs = []
        for tokens, stack in zip(self._tokens(words), self.stacks.values(), strict=True):
            activations, _ = stack(tokens, training=training)
            outputs.append(activations[-1])
        hidden = tf.stack(outputs, 2)
        if self.drop is not None:
            hidden = self.drop(hidden, training=training)
        return self.softmax(hidden, targets, training=training)

    def _tokens(self, words) -> list:
        """The vectors of each direction's words; all are computed together, each word once."""
        by_characters = self.bilm.vocabulary_size is None
        expected = [len(self.stacks), *[self.bilm.max_characters_per_token] * by_characters]
        if list(words.shape[2:]) != expected:
            raise ValueError(
                "Words must have the shape (rows, window, directions"
                f"{', characters' if by_characters else ''}), which a Corpus's `windows` makes for the "
                f"model. Expected: (rows, window, {', '.join(map(str, expected))}). Received: "
                f"{tuple(words.shape)}"
            )
        sides = tf.concat(tf.unstack(words, axis=2), 0)
        return tf.split(self.bilm.token_encoder.encode_unique(sides), len(self.stacks))

    def compute_output_shape(self, inputs_shape):
        return inputs_shape["targets"]
