"""Words to vectors that know nothing of their context: layer 0 of ELMo."""

import keras
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.elmo.characters import PADDING, VOCABULARY
from keras_recurrent.finite import FiniteWeights
from keras_recurrent.options import Declared


def check_filters(name: str, value) -> tuple[tuple[int, int], ...]:
    """Pairs (width in characters, number of filters)."""
    positive = options.positive_int("")
    try:
        pairs = [tuple(pair) for pair in value]
    except TypeError:
        pairs = []
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise ValueError(
            f"`{name}` must be pairs (width, filters), such as ((1, 32), (2, 64)). "
            f"Received: {name}={value!r}"
        )
    return tuple((positive.check(name, w), positive.check(name, n)) for w, n in pairs)


@keras.saving.register_keras_serializable("keras_recurrent")
class TokenEncoder(Declared, FiniteWeights, keras.layers.Layer):
    """Characters of a word to its vector: convolutions, highways, projection (Kim et al. 2016).

    e(p)  = E[id(p)]                                  E `(261, d)`; id 0 gives zeros
    y_i   = A(max_p (e * K_i)(p) + b_i)               one a filter width, over all places p
    x     = [y_1, y_2, ...]                           F numbers
    g     = σ(x W_c + b_c)                            for each highway (Srivastava et al. 2015)
    x     = g * relu(x W_t + b_t) + (1 - g) * x
    token = x W_p + b_p                               left out where F = `width`

    Call: ids int32 `(words, characters)`, of `batch_to_ids`; vectors `(words, width)`. What follows
    a word, padding characters included, takes part in the maximum, as in the published models.
    """

    width = options.positive_int("Numbers of a word's vector.")
    filters = options.Option(check_filters, doc="Pairs (width in characters, number of filters).")
    character_dim = options.positive_int("d.", 16)
    highways = options.Option(
        lambda name, value: options.positive_int("").check(name, value) if value else 0,
        1,
        "Number of highways; 0 for none.",
    )
    activation = options.choice("relu", ("relu", "tanh"), "A.")

    @property
    def features(self) -> int:
        """F, the number of filters."""
        return sum(count for _, count in self.filters)

    def build(self, input_shape=None):
        normal, zeros = keras.initializers.RandomNormal, "zeros"
        d, features = self.character_dim, self.features
        self.character_embedding = self.add_weight(
            (VOCABULARY, d), keras.initializers.RandomUniform(-1.0, 1.0), name="character_embedding"
        )
        self.convolution_kernels, self.convolution_biases = [], []
        for i, (width, count) in enumerate(self.filters):
            initial = keras.initializers.RandomUniform(-0.05, 0.05)
            if self.activation == "tanh":
                initial = normal(0.0, (1.0 / (width * d)) ** 0.5)
            shape = (width, d, count)
            self.convolution_kernels.append(self.add_weight(shape, initial, name=f"kernel_{i}"))
            self.convolution_biases.append(self.add_weight((count,), zeros, name=f"bias_{i}"))
        self.highway_weights = [self._highway(k, features) for k in range(self.highways)]
        self.projection_kernel = self.projection_bias = None
        if features != self.width:
            self.projection_kernel = self.add_weight(
                (features, self.width), normal(0.0, features**-0.5), name="projection_kernel"
            )
            self.projection_bias = self.add_weight((self.width,), zeros, name="projection_bias")
        self.built = True

    def _highway(self, k: int, features: int) -> dict:
        square, vector = (features, features), (features,)
        carry = keras.initializers.Constant(-2.0)  # near the identity at first

        def initial():  # an initializer draws the same numbers again
            return keras.initializers.RandomNormal(0.0, features**-0.5)

        return {
            "carry_kernel": self.add_weight(square, initial(), name=f"highway_{k}_carry_kernel"),
            "carry_bias": self.add_weight(vector, carry, name=f"highway_{k}_carry_bias"),
            "transform_kernel": self.add_weight(square, initial(), name=f"highway_{k}_kernel"),
            "transform_bias": self.add_weight(vector, "zeros", name=f"highway_{k}_bias"),
        }

    def call(self, ids):
        table = tf.concat([tf.zeros((1, self.character_dim), self.compute_dtype), self._e()], 0)
        characters = tf.gather(table, ids)
        activation = keras.activations.get(self.activation)
        parts = []
        for kernel, bias in zip(self.convolution_kernels, self.convolution_biases, strict=True):
            here = tf.nn.conv1d(characters, tf.convert_to_tensor(kernel), 1, "VALID")
            parts.append(activation(tf.reduce_max(here, 1) + bias))
        x = tf.concat(parts, -1)
        for highway in self.highway_weights:
            carry = tf.sigmoid(tf.matmul(x, highway["carry_kernel"]) + highway["carry_bias"])
            new = tf.matmul(x, highway["transform_kernel"]) + highway["transform_bias"]
            x = carry * tf.nn.relu(new) + (1 - carry) * x
        if self.projection_kernel is None:
            return x
        return tf.matmul(x, self.projection_kernel) + self.projection_bias

    def _e(self):
        return tf.convert_to_tensor(self.character_embedding)

    def encode_all(self, ids):
        """Vectors `(batch, T, width)` of ids `(batch, T, characters)`, each word by itself."""
        sizes = tf.shape(ids)
        vectors = self(tf.reshape(ids, [-1, ids.shape[-1]]))
        return tf.reshape(vectors, [sizes[0], sizes[1], self.width])

    def encode_unique(self, ids):
        """The same, but a word that stands in several places is computed once.

        Characters behind the longest word are cut off, but for as many as a filter is wide: windows
        of padding alone all have one value, and one of them is enough for the maximum.
        """
        sizes = tf.shape(ids)
        words, place = tf.raw_ops.UniqueV2(x=tf.reshape(ids, [-1, ids.shape[-1]]), axis=[0])
        # A batch without any word gets one, since TensorFlow's convolutions fail on none.
        words = tf.pad(words, [[0, tf.cast(tf.equal(tf.size(place), 0), tf.int32)], [0, 0]])
        present = tf.reduce_any(words > 0, -1, keepdims=True)
        within = tf.where((words != PADDING + 1) & present, tf.range(1, ids.shape[-1] + 1), 0)
        longest = tf.reduce_max(within) + max(width for width, _ in self.filters)
        vectors = tf.gather(self(words[:, :longest]), place)
        return tf.reshape(vectors, [sizes[0], sizes[1], self.width])

    def compute_output_shape(self, ids_shape):
        return (*ids_shape[:-1], self.width)


@keras.saving.register_keras_serializable("keras_recurrent")
class TokenEmbedding(Declared, FiniteWeights, keras.layers.Layer):
    """The vectors of words of a fixed vocabulary: token = E[id - 1], zeros for id 0.

    For models that were trained on whole words, and for a character model's words computed
    beforehand. Ids int32 of any shape; vectors `(..., width)`. E is `(vocabulary_size, width)`, and its
    first two rows are those of `<S>` and `</S>`.
    """

    vocabulary_size = options.positive_int("Number of words, boundaries included.")
    width = options.positive_int("Numbers of a word's vector.")

    def build(self, input_shape=None):
        self.embedding = self.add_weight(
            (self.vocabulary_size, self.width),
            keras.initializers.RandomUniform(-1.0, 1.0),
            name="embedding",
        )
        self.built = True

    def call(self, ids):
        vectors = tf.gather(tf.convert_to_tensor(self.embedding), tf.maximum(ids - 1, 0))
        return tf.where(tf.expand_dims(ids > 0, -1), vectors, tf.zeros_like(vectors))

    encode_all = encode_unique = __call__ = keras.layers.Layer.__call__

    def compute_output_shape(self, ids_shape):
        return (*ids_shape, self.width)
