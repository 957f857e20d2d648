"""ELMo once more, sentence by sentence, from arrays under their names in the published hdf5 files.

    encode(arrays, options, ids, states=None, context="inclusive") -> Encoded

`arrays` maps a dataset's path ("RNN_0/RNN/MultiRNNCell/Cell1/LSTMCell/W_0") to its value;
`options` is the content of the published options.json. A sentence is the words that are there:
padding before, after or between them is left out, so nothing here knows of masks.
Peters et al. 2018, "Deep contextualized word representations".
"""

from typing import NamedTuple

import numpy as np

BEGIN_SENTENCE, END_SENTENCE, BEGIN_WORD, END_WORD, PADDING = range(256, 261)
LAYER_NORM_EPSILON = 1e-12


# --- characters -------------------------------------------------------------------------------------


def word_ids(word, length=50):
    """[begin of word, bytes of utf-8, end of word, padding ...] + 1; 0 is kept for 'no word'."""
    special = {"<S>": [BEGIN_SENTENCE], "</S>": [END_SENTENCE]}
    spelling = special.get(word, list(word.encode("utf-8"))[: length - 2])
    ids = [BEGIN_WORD, *spelling, END_WORD]
    return np.array(ids + [PADDING] * (length - len(ids)), dtype="int32") + 1


def batch_ids(sentences, length=50):
    """(B, T, length), zeros after the last word of a sentence."""
    ids = np.zeros((len(sentences), max(map(len, sentences), default=0), length), "int32")
    for row, sentence in zip(ids, sentences, strict=True):
        for place, word in zip(row, sentence, strict=False):
            place[:] = word_ids(word, length)
    return ids


# --- words ------------------------------------------------------------------------------------------


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0.0)


def convolution(x, kernel, bias):
    """max over p of sum_q x(p + q) kernel(q) + bias: x (N, C, d), kernel (width, d, n)."""
    width = len(kernel)
    places = x.shape[1] - width + 1
    taps = [x[:, q : q + places] @ kernel[q] for q in range(width)]
    return (sum(taps) + bias).max(axis=1)


def highway(x, arrays, k):
    """g = σ(x W_carry + b_carry);  y = g * relu(x W_transform + b_transform) + (1 - g) * x"""
    carry_w, carry_b, w, b = (
        arrays[f"CNN_high_{k}/{name}"]
        for name in ("W_carry", "b_carry", "W_transform", "b_transform")
    )
    g = sigmoid(x @ carry_w + carry_b)
    return g * relu(x @ w + b) + (1.0 - g) * x


def token_vectors(arrays, options, ids):
    """(N, C) ids of words that are there, each at least 1 -> (N, P)."""
    settings = options["char_cnn"]
    activation = {"relu": relu, "tanh": np.tanh}[settings["activation"]]
    x = arrays["char_embed"][ids - 1]
    features = [
        activation(convolution(x, arrays[f"CNN/W_cnn_{i}"][0], arrays[f"CNN/b_cnn_{i}"]))
        for i, _ in enumerate(settings["filters"])
    ]
    y = np.concatenate(features, axis=-1)
    for k in range(settings.get("n_highway") or 0):
        y = highway(y, arrays, k)
    if "CNN_proj/W_proj" in arrays:
        y = y @ arrays["CNN_proj/W_proj"] + arrays["CNN_proj/b_proj"]
    return y


def sentence_vectors(arrays, options, words):
    """Layer 0 of `<S> words </S>`: (n + 2, P). A token-input model's ids are rows + 1."""
    if "embedding" in arrays:
        return arrays["embedding"][np.concatenate([[0], words - 1, [1]])]
    length = words.shape[-1]
    boundaries = word_ids("<S>", length), word_ids("</S>", length)
    rows = np.stack([boundaries[0], *words, boundaries[1]])
    return token_vectors(arrays, options, rows)


# --- sentences --------------------------------------------------------------------------------------


def clip(x, limit):
    return x if limit is None else np.clip(x, -limit, limit)


def lstm_step(x, h, c, cell, settings):
    """z = [x, h] W + B, columns i, j, f, o

    c' = clip(σ(f + 1) * c + σ(i) * tanh(j));  h' = clip((σ(o) * tanh(c')) W_P)
    """
    i, j, f, o = np.split(np.concatenate([x, h]) @ cell["W_0"] + cell["B"], 4)
    c = clip(sigmoid(f + 1.0) * c + sigmoid(i) * np.tanh(j), settings.get("cell_clip"))
    h = sigmoid(o) * np.tanh(c)
    if "W_P_0" in cell:  # without a projection there is nothing that proj_clip limits
        h = clip(h @ cell["W_P_0"], settings.get("proj_clip"))
    return h, c


def cell_arrays(arrays, direction, layer, layers):
    place = f"MultiRNNCell/Cell{layer}/" if layers > 1 else ""
    prefix = f"RNN_{direction}/RNN/{place}LSTMCell/"
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def directions(arrays):
    """0 forward, 1 backward, as far as there are weights for them."""
    return [d for d in (0, 1) if any(name.startswith(f"RNN_{d}/") for name in arrays)]


def stack(arrays, options, x, direction, states):
    """x (n, P) in this direction's order -> the outputs of layers 1..L, the new states."""
    settings = options["lstm"]
    count = settings["n_layers"]
    outputs, kept = [], []
    for layer in range(count):
        cell = cell_arrays(arrays, direction, layer, count)
        h, c = states[layer]
        shown = np.zeros((len(x), len(h)))
        for t, x_t in enumerate(x):
            h, c = lstm_step(x_t, h, c, cell, settings)
            shown[t] = h
        x = shown + x if layer > 0 and settings["use_skip_connections"] else shown
        outputs.append(x)
        kept.append((h, c))
    return outputs, kept


def zero_states(arrays, options):
    """For each direction and layer the pair (h, c) of one row."""
    count = options["lstm"]["n_layers"]

    def pair(direction, layer):
        cell = cell_arrays(arrays, direction, layer, count)
        units = len(cell["B"]) // 4
        return np.zeros(cell["W_P_0"].shape[1] if "W_P_0" in cell else units), np.zeros(units)

    return {d: [pair(d, layer) for layer in range(count)] for d in directions(arrays)}


def sentence(arrays, options, words, states):
    """{direction: [L + 1 arrays (n + 2, P)]} with both boundaries, and the new states."""
    x = sentence_vectors(arrays, options, words)
    layers, kept = {}, {}
    for d in directions(arrays):
        turn = slice(None, None, -1 if d == 1 else 1)
        outputs, kept[d] = stack(arrays, options, x[turn], d, states[d])
        layers[d] = [x, *(y[turn] for y in outputs)]
    return layers, kept


# --- batches ----------------------------------------------------------------------------------------


class Encoded(NamedTuple):
    layers: np.ndarray  # (L + 1, B, T, directions * P), zeros where no word is
    mask: np.ndarray  # (B, T)
    states: list  # one for each row


def encode(arrays, options, ids, states=None, context="inclusive"):
    """All layers. `states`, of an earlier call, are the rows' initial ones; rows beyond get zeros.

    inclusive: y_t = [forward(t); backward(t)];  exclusive: [forward(t - 1); backward(t + 1)]
    """
    arrays = {name: np.asarray(value, "float64") for name, value in arrays.items()}
    ids = np.asarray(ids)
    mask = (ids != 0).any(axis=-1) if "embedding" not in arrays else ids != 0
    old = list(states or [])
    new = old + [zero_states(arrays, options) for _ in range(len(ids) - len(old))]
    shift = {"inclusive": {0: 1, 1: 1}, "exclusive": {0: 0, 1: 2}}[context]
    width = sum(len(state[0][0]) for state in zero_states(arrays, options).values())
    layers = np.zeros((options["lstm"]["n_layers"] + 1, *mask.shape, width))
    for row, there in enumerate(mask):
        found, new[row] = sentence(arrays, options, ids[row][there], new[row])
        count = there.sum()
        parts = [np.stack(y)[:, shift[d] : shift[d] + count] for d, y in found.items()]
        layers[:, row, there] = np.concatenate(parts, axis=-1)
    return Encoded(layers, mask, new)


def scalar_mix(layers, weights, gamma, mask=None):
    """gamma * sum over j of softmax(w)(j) h(j); with `mask`, h(j) is normalised first.

    The published normalisation: one mean and one variance of a layer over all the batch's words.
    """
    w = np.exp(weights - np.max(weights))
    if mask is not None:
        layers = [_normalised(h, mask) for h in layers]
    return gamma * sum(s * h for s, h in zip(w / w.sum(), layers, strict=True))


def _normalised(h, mask):
    words = h[mask]
    return (h - words.mean()) / np.sqrt(words.var() + LAYER_NORM_EPSILON) * mask[..., None]
