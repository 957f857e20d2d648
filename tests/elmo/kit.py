"""What the tests of ELMo share: tiny models with weights of a size that matters, words, masks."""

import numpy as np
import tensorflow as tf
from oracle import elmo as oracle

import keras_recurrent as kr

LENGTH = 12
VOCABULARY = 9
SETTINGS = {
    "units": 6,
    "projection_units": 4,
    "num_layers": 2,
    "filters": ((1, 3), (2, 4), (3, 5)),
    "character_dim": 3,
    "max_characters_per_token": LENGTH,
    "cell_clip": 0.7,
    "projection_clip": 0.5,
    "dropout": 0.0,
}
VARIANTS = {
    "plain": {},
    "no projection": {"projection_units": None, "units": 5, "cell_clip": 0.5},
    "no highway": {"highways": 0},
    "two highways": {"highways": 2, "activation": "tanh"},
    "no clips": {"cell_clip": None, "projection_clip": None},
    "one layer": {"num_layers": 1},
    "three layers": {"num_layers": 3},
    "forward": {"directions": ("forward",)},
    "backward": {"directions": ("backward",)},
    "no residual": {"residual": False},
    "words": {"vocabulary_size": VOCABULARY},
}
MASKS = ("none", "right", "left", "holes", "empty rows", "nothing")
ROWS, STEPS = 4, 5
_PATTERNS = {
    "none": [[1, 1, 1, 1, 1]] * 4,
    "right": [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 0, 0, 0]],
    "left": [[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 1], [0, 1, 1, 1, 1]],
    "holes": [[1, 0, 1, 0, 1], [0, 1, 1, 0, 1], [1, 1, 0, 0, 1], [0, 1, 0, 1, 0]],
    "empty rows": [[0, 0, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]],
    "nothing": [[0, 0, 0, 0, 0]] * 4,
}
CLOSE = {"rtol": 1e-5, "atol": 2e-6}


def make_bilm(seed=3, **changes):
    """A built BiLM whose every weight is drawn, biases too."""
    bilm = kr.elmo.BiLM(**{**SETTINGS, **changes})
    bilm.build()
    draw_weights(bilm, seed)
    return bilm


def draw_weights(bilm, seed=3):
    random = np.random.default_rng(seed)
    for weight in bilm.trainable_weights:
        weight.assign(random.normal(0.0, 0.6, weight.shape))


def unfrozen(**changes):
    """As make_bilm, and all weights count as trainable."""
    bilm = make_bilm(**changes)
    bilm.trainable = True
    return bilm


def make_ids(mask="right", seed=5, rows=ROWS, steps=STEPS, vocabulary=None):
    """Ids of drawn words, zeros where the mask of that name has none. Some words come twice."""
    random = np.random.default_rng(seed)
    there = np.array(_PATTERNS[mask], bool)[:rows, :steps]
    if vocabulary is not None:
        return np.where(there, random.integers(1, vocabulary + 1, there.shape), 0).astype("int32")
    letters = np.array(list("abcdeé🙂.")) if steps else []
    words = ["".join(random.choice(letters, random.integers(0, 9))) for _ in range(12)]
    ids = oracle.batch_ids(random.choice(words, there.shape).tolist(), LENGTH)
    return ids * there[..., None]


def ids_for(bilm, mask="right", **more):
    return make_ids(mask, vocabulary=bilm.vocabulary_size, **more)


def published_options(bilm):
    """What options.json holds of this model."""
    options = {
        "lstm": {
            "n_layers": bilm.num_layers,
            "cell_clip": bilm.cell_clip,
            "proj_clip": bilm.projection_clip,
            "use_skip_connections": bilm.residual,
        }
    }
    if bilm.vocabulary_size is None:
        options["char_cnn"] = {
            "filters": bilm.filters,
            "n_highway": bilm.highways,
            "activation": bilm.activation,
        }
    return options


def published_arrays(bilm, value=lambda variable: variable.numpy()):
    """The weights under their published names; `value(variable)` says what to take for each."""
    arrays = {}
    encoder = bilm.token_encoder
    if bilm.vocabulary_size is not None:
        arrays["embedding"] = value(encoder.embedding)
    else:
        arrays["char_embed"] = value(encoder.character_embedding)
        pairs = zip(encoder.convolution_kernels, encoder.convolution_biases, strict=True)
        for i, (kernel, bias) in enumerate(pairs):
            arrays[f"CNN/W_cnn_{i}"] = value(kernel)[None]
            arrays[f"CNN/b_cnn_{i}"] = value(bias)
        for k, weights in enumerate(encoder.highway_weights):
            for name in ("carry", "transform"):
                arrays[f"CNN_high_{k}/W_{name}"] = value(weights[f"{name}_kernel"])
                arrays[f"CNN_high_{k}/b_{name}"] = value(weights[f"{name}_bias"])
        if encoder.projection_kernel is not None:
            arrays["CNN_proj/W_proj"] = value(encoder.projection_kernel)
            arrays["CNN_proj/b_proj"] = value(encoder.projection_bias)
    for number, direction in enumerate(("forward", "backward")):
        if direction in bilm.directions:
            for layer, cell in enumerate(bilm.cells[direction]):
                place = f"MultiRNNCell/Cell{layer}/" if bilm.num_layers > 1 else ""
                prefix = f"RNN_{number}/RNN/{place}LSTMCell/"
                arrays.update({prefix + k: v for k, v in _cell_arrays(cell, value).items()})
    return arrays


def _cell_arrays(cell, value):
    """Our columns i, f, c, o become i, c, f, o, and the forget gate's bias loses its 1."""

    def reorder(array):
        i, f, c, o = np.split(array, 4, axis=-1)
        return np.concatenate([i, c, f, o], axis=-1)

    rows = np.concatenate([value(cell.kernel), value(cell.recurrent_kernel)])
    bias = np.array(value(cell.bias), "float64")
    bias[cell.units : 2 * cell.units] -= 1.0
    arrays = {"W_0": reorder(rows), "B": reorder(bias)}
    if cell.projection_units is not None:
        arrays["W_P_0"] = value(cell.projection_kernel)
    return arrays


def expect(bilm, ids, states=None, context="inclusive"):
    """The oracle's `Encoded` with this model's weights."""
    arrays, options = published_arrays(bilm), published_options(bilm)
    return oracle.encode(arrays, options, ids, states, context)


def layers_of(bilm, ids, **more):
    """(L + 1, B, T, width)"""
    return np.stack(bilm(tf.constant(ids), **more).activations)
