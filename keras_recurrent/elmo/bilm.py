"""The bidirectional language model whose states ELMo mixes."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.cells import LSTMCell
from keras_recurrent.elmo import context
from keras_recurrent.elmo.carried import CarriedStates
from keras_recurrent.elmo.characters import PADDING, VOCABULARY, check_characters, word_to_ids
from keras_recurrent.elmo.checkpoints.published import PublishedCheckpoints
from keras_recurrent.elmo.direction import Direction
from keras_recurrent.elmo.token_encoder import TokenEmbedding, TokenEncoder, check_filters
from keras_recurrent.engines.lowering import active_form
from keras_recurrent.options import Declared

DIRECTIONS = ("forward", "backward")


class BiLMOutputs(NamedTuple):
    """What a biLM gives.

    activations: L + 1 tensors `(batch, T, width * directions)`, layer 0 being the words' own vectors.
    mask: `(batch, T)`, True where there is a word.
    """

    activations: Any
    mask: Any


def _check_directions(name: str, value) -> tuple[str, ...]:
    wanted = tuple(value) if isinstance(value, list | tuple) else (value,)
    known = [(DIRECTIONS), ("forward",), ("backward",)]
    if wanted not in known:
        raise ValueError(f"`{name}` must be one of {known}. Received: {name}={value!r}")
    return wanted


@keras.saving.register_keras_serializable("keras_recurrent")
class BiLM(PublishedCheckpoints, Declared, keras.layers.Layer):
    """The bidirectional language model of ELMo (Peters et al. 2018).

    a_0(t) = [token(t); token(t)]                          `TokenEncoder`, of characters
    a_l(t) = [→h_l(t); ←h_l(t)], l = 1..L                  two stacks that never meet, `Direction`
    →h_l reads <S>, w(1)..w(t); ←h_l reads </S>, w(n)..w(t)

    Weights, clips and outputs are those of the published models: `from_checkpoint` reads their files.
    A result depends on its own sentence only, and is the same at each call, unless `stateful`.

    Call arguments:
        ids: int32 `(batch, T, characters)` from `kr.elmo.batch_to_ids` or `CharacterIds`; with a
            `vocabulary_size` `(batch, T)`, the word's number in the vocabulary plus 1. Where all ids
            are 0 there is no word: behind a sentence, before it or within, states pass such a place
            unchanged and the outputs are zeros.
        training: Whether dropout is at work.

    Returns:
        `BiLMOutputs`.

    Raises:
        TypeError: For ids that are no whole numbers.
        ValueError: For ids of another shape or, but under XLA, out of range (`InvalidArgumentError` in
            a graph).
    """

    units = options.positive_int("Cells of an LSTM.", 1024)
    projection_units = options.positive_int(
        "Numbers that an LSTM shows of its cells, the width of a direction; None: all of them.",
        128,
        optional=True,
    )
    num_layers = options.positive_int("L, LSTMs of a direction.", 2)
    filters = options.Option(
        check_filters,
        ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024)),
        "Convolutions of the characters: pairs (width, number).",
        keyword_only=True,
    )
    character_dim = options.positive_int("Numbers of a character.", 16, keyword_only=True)
    highways = options.Option(
        lambda name, value: options.positive_int("").check(name, value) if value else 0,
        1,
        "Highways behind the convolutions.",
        keyword_only=True,
    )
    activation = options.choice(
        "relu", ("relu", "tanh"), "Behind the convolutions.", keyword_only=True
    )
    max_characters_per_token = options.Option(
        check_characters, 50, "Ids of a word.", keyword_only=True
    )
    given_characters = options.Option(
        lambda name, value: None if value is None else check_characters(name, value),
        None,
        "How many ids of a word a call gets; None: all. With fewer, which takes less time, words "
        "that are longer are cut; for the others nothing changes.",
        keyword_only=True,
    )
    cell_clip = options.Option(
        options.positive_float("").check, 3.0, "Largest |c|; None for any.", keyword_only=True
    )
    projection_clip = options.Option(
        options.positive_float("").check,
        3.0,
        "Largest |h| where there is a projection; None for any.",
        keyword_only=True,
    )
    residual = options.flag(
        True, "Whether layers from the second on add their input.", keyword_only=True
    )
    dropout = options.rate("Share of every LSTM's inputs dropped in training.", keyword_only=True)
    directions = options.Option(
        _check_directions, DIRECTIONS, "Both, or one of them.", keyword_only=True
    )
    vocabulary_size = options.positive_int(
        "For a model of whole words: how many, `<S>` and `</S>` first. None: characters.",
        None,
        optional=True,
        keyword_only=True,
    )
    stateful = options.flag(
        False,
        "Whether row i goes on from the states that row i of the last batch left, as in the original "
        "implementations; a smaller batch uses the first rows, new rows start from zeros.",
        keyword_only=True,
    )
    initial_state = options.choice(
        "zeros",
        ("zeros", "warm"),
        "What every sentence starts from: zeros, or the states that `warm_up` kept.",
        keyword_only=True,
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        widest = max(width for width, _ in self.filters)
        if self.vocabulary_size is None and widest > self.max_characters_per_token:
            raise ValueError(
                f"A word has {self.max_characters_per_token} characters (`max_characters_per_token`), "
                f"too few for the widest of `filters`. Received: filters={self.filters}"
            )
        if self.stateful and self.initial_state == "warm":
            raise ValueError(
                "A stateful model starts from the states of the last batch: use stateful=False with "
                "initial_state='warm'. Received: stateful=True, initial_state='warm'"
            )
        if self.characters > self.max_characters_per_token:
            raise ValueError(
                "A call cannot get more ids of a word than the model reads. Received: "
                f"given_characters={self.given_characters}, "
                f"max_characters_per_token={self.max_characters_per_token}"
            )
        if self.vocabulary_size == 1:
            raise ValueError(
                "The first two words of a vocabulary are `<S>` and `</S>`. Received: vocabulary_size=1"
            )
        self.supports_jit = False  # unique words are as many as there are
        self.token_encoder = self._encoder()
        self.cells = {side: self._cells(side) for side in self.directions}
        self.stacks = {
            side: Direction(
                cells,
                residual=self.residual,
                dropout=self.dropout,
                backwards=side == "backward",
                name=side,
                dtype=self.dtype_policy,
            )
            for side, cells in self.cells.items()
        }
        self._carried = None
        self.warm_states = []

    @property
    def width(self) -> int:
        """Numbers that one direction gives for a word."""
        return self.projection_units or self.units

    @property
    def characters(self) -> int:
        """Ids of a word in a call."""
        return self.given_characters or self.max_characters_per_token

    def _encoder(self):
        if self.vocabulary_size is not None:
            return TokenEmbedding(
                self.vocabulary_size, self.width, name="token_embedding", dtype=self.dtype_policy
            )
        return TokenEncoder(
            self.width,
            self.filters,
            self.character_dim,
            self.highways,
            self.activation,
            name="token_encoder",
            dtype=self.dtype_policy,
        )

    def _cells(self, side: str) -> list[LSTMCell]:
        # TensorFlow 1's LSTM, whose kernel holds the rows of x and of h, draws both as one matrix.
        limit = (6 / (2 * self.width + 4 * self.units)) ** 0.5
        draw = keras.initializers.RandomUniform
        return [
            LSTMCell(
                self.units,
                kernel_initializer=draw(-limit, limit),
                recurrent_initializer=draw(-limit, limit),
                projection_units=self.projection_units,
                cell_clip=self.cell_clip,
                projection_clip=None if self.projection_units is None else self.projection_clip,
                name=f"{side}_{place}",
                dtype=self.dtype_policy,
            )
            for place in range(self.num_layers)
        ]

    def build(self, input_shape=None):
        if not self.token_encoder.built:
            self.token_encoder.build()
        for stack in self.stacks.values():
            stack.build((None, None, self.width))
        if self.initial_state == "warm" and not self.warm_states:
            sizes = [
                size
                for _ in self.directions
                for _ in range(self.num_layers)
                for size in self._sizes()
            ]
            self.warm_states = [
                self.add_weight((size,), "zeros", trainable=False, name=f"warm_{place}")
                for place, size in enumerate(sizes)
            ]
        if self.stateful and self._carried is None:
            widths = self._sizes() * self.num_layers * len(self.directions)
            self._carried = CarriedStates(widths, self.compute_dtype)
        if not self.trainable:  # said before there were weights, it did not reach them
            for variable in self.variables:
                variable.trainable = False
        self.built = True

    def _sizes(self) -> list[int]:
        """Widths of h and c."""
        return [self.width, self.units]

    # ------------------------------------------------------------ call

    def call(self, ids, training=None):
        sides, valid = self.read(ids, training=training)
        return BiLMOutputs(context.inclusive(sides, valid), valid[:, 1:-1])

    def read(self, ids, training=None) -> tuple[dict[str, list], Any]:
        """All layers of both directions with the boundaries, and where there is something.

        Args:
            ids: As for a call.
            training: Whether dropout is at work.

        Returns:
            For each direction its L + 1 activations `(batch, T + 2, width)`, and booleans
            `(batch, T + 2)`.
        """
        ids, valid = self._with_boundaries(self.check(ids))
        encoder = self.token_encoder
        unique = active_form() in (None, "saved_model")  # TFLite has no operation for it
        tokens = (encoder.encode_unique if unique else encoder.encode_all)(ids)
        starts = self.starts(tf.shape(ids)[0])
        sides, ends = {}, []
        for side, stack in self.stacks.items():
            sides[side], states = stack(
                tokens, starts and starts[side], mask=valid, training=training
            )
            ends += tf.nest.flatten(states)
        if self._carried is not None:
            self._carried.finish(ends)
        return sides, valid

    def check(self, ids):
        """The ids as a tensor; an error where they are none."""
        ids = tf.convert_to_tensor(ids)
        expected = self.check_kind(ids)
        ids = tf.ensure_shape(ids, expected)
        if active_form() is None:  # before numbers too large for int32 turn into small ones
            wide = ids if ids.dtype == tf.int32 else tf.cast(ids, tf.int64)
            ids = _in_range(wide, self.vocabulary_size or VOCABULARY)
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

    def _with_boundaries(self, ids):
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

    # ------------------------------------------------------------ states

    def starts(self, batch) -> dict[str, list] | None:
        """The states that each layer of each direction starts from; None for zeros."""
        if self._carried is not None:
            flat = self._carried.begin(batch)
        elif self.initial_state == "warm":
            flat = [
                tf.tile(tf.convert_to_tensor(s)[tf.newaxis], [batch, 1]) for s in self.warm_states
            ]
        else:
            return None
        return self._packed(flat)

    def _packed(self, flat: list) -> dict[str, list]:
        pairs = [flat[i : i + 2] for i in range(0, len(flat), 2)]
        layers = self.num_layers
        return {
            side: pairs[i * layers : (i + 1) * layers] for i, side in enumerate(self.directions)
        }

    def reset_state(self) -> None:
        """Let all rows of a `stateful` model start from zeros again."""
        if self._carried is not None:
            self._carried.reset()

    reset_states = reset_state

    def warm_up(self, ids) -> None:
        """Read some sentences one after the other and let every sentence start from where they ended.

        A language model meets a sentence in running text, never from zeros, and the first words
        suffer from such a start (bilm-tf#176). States that other sentences left are a better one, and
        one and the same for all keeps results independent of what was read before.

        Args:
            ids: As for a call; each row is read with the states that the one before it left.

        Raises:
            ValueError: For a model without `initial_state="warm"`.
        """
        if self.initial_state != "warm":
            raise ValueError(
                "`warm_up` keeps states for models with initial_state='warm'. Received: "
                f"initial_state={self.initial_state!r}"
            )
        if not self.built:
            self.build()
        ids, valid = self._with_boundaries(self.check(ids))
        tokens = self.token_encoder.encode_unique(ids)
        states = [tf.zeros((1, s.shape[0]), self.compute_dtype) for s in self.warm_states]
        for row in range(ids.shape[0]):
            starts, ends = self._packed(states), []
            for side, stack in self.stacks.items():
                _, last = stack(tokens[row : row + 1], starts[side], mask=valid[row : row + 1])
                ends += tf.nest.flatten(last)
            states = ends
        for variable, value in zip(self.warm_states, states, strict=True):
            variable.assign(value[0])


def _in_range(ids, largest: int):
    known = tf.get_static_value(ids)
    if known is not None:
        if known.size and (known.min() < 0 or known.max() > largest):
            raise ValueError(
                f"Ids lie between 0 and {largest}. Received: {known.min()} to {known.max()}"
            )
        return ids
    fits = tf.reduce_all((ids >= 0) & (ids <= largest))
    with tf.control_dependencies(
        [tf.Assert(fits, [f"Ids lie between 0 and {largest}. Received:", ids])]
    ):
        return tf.identity(ids)
