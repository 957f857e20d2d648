"""The bidirectional language model whose states ELMo mixes."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.cells import LSTMCell
from keras_recurrent.elmo import context
from keras_recurrent.elmo.carried import CarriedStates
from keras_recurrent.elmo.characters import check_characters
from keras_recurrent.elmo.checkpoints.published import PublishedCheckpoints
from keras_recurrent.elmo.direction import Direction
from keras_recurrent.elmo.keeps_states import KeepsStates
from keras_recurrent.elmo.reads_ids import ReadsIds
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
class BiLM(ReadsIds, KeepsStates, PublishedCheckpoints, Declared, keras.layers.Layer):
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

    Called outside of a graph each time step is run one by one, which takes a millisecond: `predict`,
    a `tf.function` or `kr.elmo.embed` are many times as fast.

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
        TokenEncoder.highways.check, 1, "Highways behind the convolutions.", keyword_only=True
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
        ids, valid = self.with_boundaries(self.check(ids))
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
