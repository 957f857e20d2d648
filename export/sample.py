"""Data to try a model on, made up from its signature."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.applications.one_to_many import Categories
from keras_recurrent.elmo import BiLM
from keras_recurrent.elmo.characters import word_to_ids
from keras_recurrent.export.report import Tensor
from keras_recurrent.export.signature import Signature
from keras_recurrent.keras_hooks import all_layers

BATCHES = (1, 2, 5)
LENGTHS = (1, 2, 5, 33)  # 33: errors that grow over time steps show, layers with a window fit
LONG = 120
SATURATING = 10.0
_HOLES = 0.25  # share of time steps to mask in a model that masks
_SPELLED = ("", "a", "<S>", "na\u00efve", "x" * 60)  # "" says that there is no word


class Size(NamedTuple):
    """How large inputs are to be: rows, time steps, and a factor for their floats."""

    batch: int
    length: int
    scale: float = 1.0


def sizes(signature: Signature) -> list[Size]:
    """What to try; one batch size or length where the signature fixes it."""
    any_batch, any_length = _open_sizes(signature)
    if any_length:
        batches = (*BATCHES, 2) if any_batch else (1,) * len(LENGTHS)
        return [Size(*pair) for pair in zip(batches, LENGTHS, strict=True)]
    return [Size(batch, 1) for batch in (BATCHES if any_batch else (1,))]


def saturating_sizes(signature: Signature) -> list[Size]:
    """Inputs so large that activations saturate, and states grow as far as they can.

    The same for half of the time steps, then the opposite; over many where the length is open. None
    for a model that reads no floats.
    """
    if not any(t.dtype.startswith(("float", "bfloat")) for t in signature.inputs):
        return []
    _, any_length = _open_sizes(signature)
    return [Size(1, LONG if any_length else 1, SATURATING)]


def _open_sizes(signature: Signature) -> tuple[bool, bool]:
    """Whether the batch size is open, and the length."""
    any_batch = any(t.shape[:1] == (None,) for t in signature.inputs)
    return any_batch, any(None in t.shape[1:] for t in signature.inputs)


def draw(signature: Signature, model, size: Size) -> list[np.ndarray]:
    """Inputs of this size, the same on every call.

    Floats are standard normal times the scale; whole numbers lie in [0, 10), or in the range of the
    model's embedding or categories, or spell words for a biLM of characters; one number a row is at
    most the length of the sequences, it may be a row's length. Some time steps are masked if the model
    masks. Text is made of the model's vocabulary, or of words of all lengths for a biLM.
    """
    rng = np.random.default_rng(0)
    shapes = [_filled(t.shape, size.batch, size.length) for t in signature.inputs]
    rules = _Rules(model, shapes, size.scale)
    return [
        rules.draw(rng, tensor, shape)
        for tensor, shape in zip(signature.inputs, shapes, strict=True)
    ]


class _Rules:
    def __init__(self, model, shapes, scale):
        self.scale = scale
        layers = all_layers(model)
        embeddings = [la for la in layers if isinstance(la, keras.layers.Embedding)]
        masking = [la for la in layers if isinstance(la, keras.layers.Masking)]
        bilms = [la for la in layers if isinstance(la, BiLM)]
        of_words = [la.vocabulary_size for la in bilms if la.vocabulary_size is not None]
        self.characters = {la.characters for la in bilms if la.vocabulary_size is None}
        limits = [la.input_dim for la in embeddings] + [size + 1 for size in of_words]
        limits += [min(la.sizes) for la in layers if isinstance(la, Categories)]
        self.limit = min(limits, default=10)
        lookups = [la for la in layers if hasattr(la, "get_vocabulary")]
        self.words = [*lookups[0].get_vocabulary(), "unknown"] if lookups else ["unknown"]
        self.words += _SPELLED if self.characters else ()
        self.zero_is_mask = any(la.mask_zero for la in embeddings) or bool(of_words)
        self.mask_value = masking[0].mask_value if masking else None
        self.longest = max((s[1] for s in shapes if len(s) > 1), default=None)

    def draw(self, rng, tensor: Tensor, shape: tuple) -> np.ndarray:
        dtype = tensor.dtype
        if dtype == "bool":
            return rng.random(shape) > _HOLES
        if dtype.startswith(("int", "uint")):
            spelled = len(shape) == 3 and shape[2] in self.characters
            draw = self._character_ids if spelled else self._whole_numbers
            return draw(rng, shape).astype(dtype)
        if dtype == "string":
            return rng.choice(self.words, shape).astype(object)
        values = self.scale * rng.standard_normal(shape)
        if self.scale != 1 and len(shape) > 2:
            # The same at every step pushes a state as far as it goes, the opposite back again.
            values[:] = values[:, :1]
            values[:, shape[1] // 2 :] *= -1
        if self.mask_value is not None and len(shape) > 2:
            values[rng.random(shape[:2]) < _HOLES] = self.mask_value
        return values.astype(_numpy_dtype(dtype))

    @staticmethod
    def _character_ids(rng, shape):
        *places, characters = shape
        sizes = rng.integers(1, characters + 1, np.prod(places))  # bytes; the largest are cut
        words = [word_to_ids(rng.bytes(size), characters) for size in sizes]
        return np.reshape(words, shape) * (rng.random(places) >= _HOLES)[..., np.newaxis]

    def _whole_numbers(self, rng, shape):
        limit = self.limit
        one_a_row = len(shape) == 1 or shape[1:] == (1,)
        if one_a_row and self.longest is not None:
            limit = min(limit, self.longest + 1)
        values = rng.integers(0, limit, shape)
        if one_a_row:  # rows of length 0 alone would tell nothing
            values[:1] = np.maximum(values[:1], limit // 2)
        if self.zero_is_mask and not one_a_row:
            values[rng.random(shape) < _HOLES] = 0
        return values


def _filled(shape, batch: int, length: int) -> tuple[int, ...]:
    """A shape with its open sizes decided."""
    first = [batch if size is None else size for size in shape[:1]]
    return (*first, *(length if size is None else size for size in shape[1:]))


def _numpy_dtype(name: str):
    return tf.as_dtype(name).as_numpy_dtype  # bfloat16 is not a NumPy name
