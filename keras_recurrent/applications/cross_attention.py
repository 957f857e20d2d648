"""What a decoder looks up in the encoder's outputs at every step."""

import keras

from keras_recurrent import options
from keras_recurrent.options import Declared

KINDS = ("dot", "additive", "multi_head")


@keras.saving.register_keras_serializable("keras_recurrent")
class CrossAttention(Declared, keras.layers.Layer):
    """Attention of a decoder's outputs to the encoder's (Bahdanau et al. 2015; Luong et al. 2015).

    a(t, s) = softmax_s score(q(t), m(s)) over the valid s; context(t) = Σ_s a(t, s) m(s)

    "dot": score = g q·m, g learnt; "additive": score = v·tanh(W q + m); "multi_head": as Vaswani et al.
    2017. The layers are Keras's: Attention, AdditiveAttention, MultiHeadAttention. Every t looks for
    itself, so that the context can be computed step by step.

    Call arguments:
        query: `(batch, T_y, width)`.
        memory: `(batch, T_x, width)`.
        memory_mask: Booleans `(batch, T_x)`, False for steps to leave out.

    Returns:
        The contexts `(batch, T_y, width)`; with `return_scores` also a, `(batch, T_y, T_x)`, of
        "multi_head" the mean over its heads.
    """

    kind = options.choice("dot", KINDS, "How scores are computed.")
    heads = options.positive_int('Of "multi_head".', 4)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.supports_masking = True
        self.query = None
        if self.kind == "dot":
            self.attention = keras.layers.Attention(use_scale=True, name="attention")
        elif self.kind == "additive":
            self.attention = keras.layers.AdditiveAttention(name="attention")

    def build(self, query_shape, memory_shape, memory_mask_shape=None):
        width = memory_shape[-1]
        if self.kind == "multi_head":
            # Keras 3.15 adds the bias of heads of one number along the wrong axis.
            if width % self.heads or width == self.heads:
                raise ValueError(
                    "The width of the memory must be a multiple of the heads, and more than that. "
                    f"Received: width {width}, {self.heads} heads"
                )
            self.attention = keras.layers.MultiHeadAttention(
                self.heads, width // self.heads, name="attention"
            )
            self.attention.build(query_shape, memory_shape)
        else:
            if self.kind == "additive":
                self.query = keras.layers.Dense(width, name="query")
                self.query.build(query_shape)
            query = (*query_shape[:-1], width)
            self.attention.build([query, memory_shape])
        self.built = True

    def call(self, query, memory, memory_mask=None, return_scores=False):
        if self.kind == "multi_head":
            return self._multi_head(query, memory, memory_mask, return_scores)
        if self.query is not None:
            query = self.query(query)
        return self.attention(
            [query, memory], mask=[None, memory_mask], return_attention_scores=return_scores
        )

    def _multi_head(self, query, memory, memory_mask, return_scores):
        among = None if memory_mask is None else memory_mask[:, None, :]
        given = self.attention(
            query, memory, attention_mask=among, return_attention_scores=return_scores
        )
        if not return_scores:
            return given
        context, scores = given
        return context, keras.ops.mean(scores, 1)

    def compute_mask(self, query, mask=None):
        return mask

    def compute_output_shape(self, query_shape, memory_shape, memory_mask_shape=None):
        return (*query_shape[:-1], memory_shape[-1])
