"""The ids of words that a biLM is called with: checked, and put between the boundaries."""

import tensorflow as tf

from keras_recurrent.elmo.characters import PADDING, VOCABULARY, word_to_ids
from keras_recurrent.elmo.id_range import in_range
from keras_recurrent.engines.lowering import active_form


class ReadsIds:
    """Mixin of `BiLM`, whose options it reads."""

    @property
    def characters(self) -> int:
        """Ids of a word in a call."""
        return self.given_characters or self.max_characters_per_token

    def check(self, ids):
        """The ids as a tensor; an error where they are none."""
        ids = tf.convert_to_tensor(ids)
        expected = self.check_kind(ids)
        ids = tf.ensure_shape(ids, expected)
        if active_form() is None:  # before numbers too large for int32 turn into small ones
            wide = ids if ids.dtype == tf.int32 else tf.cast(ids, tf.int64)
            ids = in_range(wide, self.vocabulary_size or VOCABULARY)
        return tf.cast(ids, tf.int32)

    def check_kind(self, ids) -> tuple:
        """The shape that ids have; an error for a tensor or `tf.TensorSpec` that cannot be ids."""
        if not ids.dtype.is_integer:
            raise TypeError(
                "A biLM reads whole numbers: kr.elmo.batch_to_ids makes them of words, and an input of "
                f"a model needs dtype='int32'. Received: dtype {ids.dtype.name}"
            )
        words = self.vocabulary_size is not None
        expected = (None, None) if words else (None, None, self.characters)
        known = ids.shape.rank == len(expected)
        if not known or (not words and ids.shape[-1] not in (None, expected[-1])):
            raise ValueError(
                f"This biLM reads ids of shape {expected}: (batch, words"
                f"{')' if words else ', characters)'}. Received: shape {tuple(ids.shape)}"
            )
        return expected

    def with_boundaries(self, ids) -> tuple:
        """Ids `(batch, T + 2, ...)` with `<S>` before and `</S>` behind, and where there are words."""
        size = tf.shape(ids)[0]
        first, last = (self._repeated(boundary, size) for boundary in self._boundaries())
        present = ids > 0 if ids.shape.rank == 2 else tf.reduce_any(ids > 0, -1)
        always = tf.ones([size, 1], tf.bool)
        ids = self._with_padding(tf.concat([first, ids, last], 1))
        return ids, tf.concat([always, present, always], 1)

    def _with_padding(self, ids):
        """Words that come without all their padding get as much of it as changes anything.

        Windows that hold padding alone all give one value, and one of them is enough for the maximum.
        """
        missing = self.max_characters_per_token - self.characters
        if self.vocabulary_size is not None or not missing:
            return ids
        widest = max(width for width, _ in self.filters)
        behind = [[0, 0], [0, 0], [0, min(missing, widest)]]
        return tf.pad(ids, behind, constant_values=PADDING + 1)

    @staticmethod
    def _repeated(boundary, size):
        """A boundary's ids as the first or last place of every row."""
        ids = tf.constant(boundary, tf.int32)[tf.newaxis, tf.newaxis]
        return tf.repeat(ids, size, 0)

    def _boundaries(self) -> tuple:
        if self.vocabulary_size is not None:
            return 1, 2
        return tuple(word_to_ids(word, self.characters) for word in ("<S>", "</S>"))
