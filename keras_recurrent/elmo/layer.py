"""`kr.ELMo`: vectors of words in their context, as a Keras layer."""

import warnings
import weakref

import keras
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.elmo import context
from keras_recurrent.elmo.bilm import BiLM
from keras_recurrent.elmo.characters import CharacterIds, tensor_of
from keras_recurrent.elmo.scalar_mix import ScalarMix, check_mix_weights
from keras_recurrent.keras_hooks import attach_mask
from keras_recurrent.options import Declared

_AROUND = weakref.WeakKeyDictionary()  # of a biLM the layers that were made around it
_CONTEXTS = {"inclusive": context.inclusive, "exclusive": context.exclusive}


def _check_bilm(name: str, value):
    if isinstance(value, dict):  # from a config
        value = keras.saving.deserialize_keras_object(value)
    if not isinstance(value, BiLM):
        raise ValueError(
            f"`{name}` must be a kr.elmo.BiLM, such as BiLM.from_checkpoint(options_file, "
            f"weights_file). Received: {name}={value!r}"
        )
    return value


def _serialize_bilm(bilm) -> dict:
    """With Keras's mark of an object that several layers share, which it forgets on nested ones."""
    return {**keras.saving.serialize_keras_object(bilm), "shared_object_id": id(bilm)}


@keras.saving.register_keras_serializable("keras_recurrent")
class ELMo(Declared, keras.layers.Layer):
    """Deep contextualised word vectors (Peters et al. 2018).

    output="mix":  y(t) = γ Σ_j s_j a_j(t), s = softmax(w), learnt with the task: `kr.elmo.ScalarMix`
    output="top":  y(t) = a_L(t) = [→h_L(t); ←h_L(t)]
    output="all":  a_0(t) ... a_L(t)

    context="inclusive", as published: →h(t) has read words 1..t, ←h(t) words n..t. context="exclusive":
    y(t) = [→h(t-1); ←h(t+1)] has not read word t, in no layer, layer 0 included: for guessing words.

    Call arguments:
        inputs: Character ids int32 `(batch, T, characters)`; or the words themselves, strings
            `(batch, T)`, as for `kr.elmo.CharacterIds`; for a model of whole words ids `(batch, T)`.
            T may be ragged in each.
        training: Whether dropout is at work: on the output, and with `fine_tune` in the biLM.

    Returns:
        `(batch, T, 2 * width)`, with `mixes=k` a list of k such tensors, for output="all"
        `(batch, T, L + 1, 2 * width)`. Zeros where there is no word; a mask travels on with them.

    The weights of `bilm` are trained along with `fine_tune` only; it is set when the layer is made, for
    every layer around that biLM (with a warning where that ends the tuning of another one). A small
    learning rate (a tenth of the task's) is advised then. A `stateful` biLM needs a layer to itself.
    """

    bilm = options.Option(
        _check_bilm,
        doc="The language model, which several layers may share.",
        serialize=_serialize_bilm,
    )
    output_kind = options.choice("mix", ("mix", "top", "all"), "See above.", argument="output")
    context = options.choice("inclusive", tuple(_CONTEXTS), "See above.")
    mixes = options.positive_int("Number of independent mixes.", 1, keyword_only=True)
    dropout = options.rate("Share of the output dropped in training.", keyword_only=True)
    layer_norm = options.flag(
        False, "Normalise the layers over the batch before the mix.", keyword_only=True
    )
    l2 = options.Option(
        ScalarMix.l2.check, 0.0, "Weight of the mix's Σ w².", keyword_only=True, annotation=float
    )
    mix_weights = options.Option(
        check_mix_weights, None, "Fixed w of the mix, a number a layer.", keyword_only=True
    )
    fine_tune = options.flag(False, "Whether to train the biLM too.", keyword_only=True)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        mixing = {"mixes": 1, "layer_norm": False, "l2": 0.0, "mix_weights": None}
        without = [name for name, value in mixing.items() if getattr(self, name) != value]
        if self.output_kind != "mix" and without:
            raise ValueError(
                f"output={self.output_kind!r} mixes nothing: leave {', '.join(without)} out, or use "
                "output='mix'."
            )
        self._warn_of_what_is_shared()
        self.bilm.trainable = self.trainable and self.fine_tune
        self.supports_jit = False
        self.supports_masking = True
        self.character_ids = None
        if self.bilm.vocabulary_size is None:
            self.character_ids = CharacterIds(self.bilm.characters)
        self.scalar_mixes = [
            ScalarMix(
                self.layer_norm,
                self.l2,
                self.mix_weights,
                name=f"mix_{place}",
                dtype=self.dtype_policy,
            )
            for place in range(self.mixes if self.output_kind == "mix" else 0)
        ]
        self.drop = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def _warn_of_what_is_shared(self) -> None:
        around = _AROUND.setdefault(self.bilm, weakref.WeakSet())
        tuning = sorted(layer.name for layer in around if layer.fine_tune)
        if tuning and self.bilm.trainable and not self.fine_tune:
            warnings.warn(
                f"{self.name!r} has fine_tune=False, and so {tuning} no longer train the biLM that they "
                "share with it. Make this layer with fine_tune=True too, or give it a biLM of its own.",
                stacklevel=3,
            )
        if around and self.bilm.stateful:
            warnings.warn(
                f"{self.name!r} shares a stateful biLM with {sorted(layer.name for layer in around)}: "
                "each of them goes on from the states that another one left of the same text. Use one "
                "layer, with `mixes` for several vectors, or a biLM for each.",
                stacklevel=3,
            )
        around.add(self)

    @property
    def trainable(self) -> bool:
        """Whether the layer is trained; its biLM only with `fine_tune`, whoever sets this."""
        return keras.layers.Layer.trainable.fget(self)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        keras.layers.Layer.trainable.fset(self, value)  # reaches all layers inside
        if hasattr(self, "fine_tune"):
            self.bilm.trainable = self.trainable and self.fine_tune

    def __call__(self, inputs, *args, **kwargs):
        if isinstance(inputs, tf.RaggedTensor):  # Keras takes none
            inputs = self._ids(inputs)
        elif isinstance(inputs, list | tuple):
            inputs = tensor_of(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def _ids(self, inputs):
        """Words as ids; ids as they are, with zeros where rows are shorter."""
        if keras.backend.standardize_dtype(inputs.dtype) != "string":
            return inputs.to_tensor() if isinstance(inputs, tf.RaggedTensor) else inputs
        if self.character_ids is None:
            raise TypeError(
                "This biLM reads whole words by their numbers in its vocabulary: look them up first. "
                "Received: strings"
            )
        return self.character_ids(inputs)

    def build(self, inputs_shape):
        if not self.bilm.built:
            self.bilm.build()
        width = self.bilm.width * len(self.bilm.directions)
        for mix in self.scalar_mixes:
            mix.build([(None, None, width)] * (self.bilm.num_layers + 1))
        self.built = True

    def call(self, inputs, training=None):
        sides, valid = self.bilm.read(self._ids(inputs), training=bool(training) and self.fine_tune)
        activations = _CONTEXTS[self.context](sides, valid)
        if not self.fine_tune:
            activations = tuple(map(tf.stop_gradient, activations))
        mask = valid[:, 1:-1]
        if self.output_kind == "mix":
            outputs = [mix(activations, mask) for mix in self.scalar_mixes]
        else:
            outputs = [activations[-1] if self.output_kind == "top" else tf.stack(activations, 2)]
        outputs = [self.drop(output, training=training) for output in outputs]
        for output in outputs:
            attach_mask(output, mask)
        return outputs if self.mixes > 1 else outputs[0]

    def compute_mask(self, inputs, previous_mask=None):
        return None  # the outputs carry it

    def compute_output_spec(self, inputs, training=None):
        ids = self._ids(inputs)
        self.bilm.check_kind(tf.TensorSpec(ids.shape, ids.dtype))
        shapes = self.compute_output_shape(ids.shape)
        specs = [
            keras.KerasTensor(shape, self.compute_dtype)
            for shape in (shapes if self.mixes > 1 else [shapes])
        ]
        return specs if self.mixes > 1 else specs[0]

    def compute_output_shape(self, inputs_shape):
        shape = (*inputs_shape[:2], self.bilm.width * len(self.bilm.directions))
        if self.output_kind == "all":
            return (*shape[:2], self.bilm.num_layers + 1, shape[2])
        return [shape] * self.mixes if self.mixes > 1 else shape
