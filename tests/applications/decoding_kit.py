"""Tiny generating models by hand, in the form of `kr.applications`: encoder and decoder nested."""

import itertools

import keras
import numpy as np
from keras import layers

import keras_recurrent as kr


def shaken(model, scale=1.0, seed=0):
    """Weights that make some ids likelier than others."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, scale, w.shape) for w in model.get_weights()])
    return model


def _decoder(vocabulary, units, memory=None, activation="softmax"):
    previous = keras.Input((None,), dtype="int32", name="previous")
    h, c = keras.Input((units,), name="state_1_h"), keras.Input((units,), name="state_1_c")
    reads = {"previous": previous, "state_1_h": h, "state_1_c": c}
    y = layers.Embedding(vocabulary, 3, mask_zero=True)(previous)
    y, new_h, new_c = kr.LSTM(units, return_sequences=True, return_state=True)(
        y, initial_state=[h, c]
    )
    if memory:
        reads["memory"] = keras.Input((None, memory), name="memory")
        reads["memory_mask"] = keras.Input((None,), dtype="bool", name="memory_mask")
        found = layers.Attention()([y, reads["memory"]], mask=[None, reads["memory_mask"]])
        y = layers.Concatenate()([y, found])
    output = layers.Dense(vocabulary, activation=activation, name="output")(y)
    gives = {"output": output, "state_1_h": new_h, "state_1_c": new_c}
    return keras.Model(reads, gives, name="decoder")


def translator(vocabulary=6, source_ids=7, units=4, attention=True, activation="softmax", seed=0):
    """`sequence_to_sequence`, plain or with attention."""
    source = keras.Input((None,), dtype="int32", name="source")
    x = layers.Embedding(source_ids, 3, mask_zero=True)(source)
    memory, h, c = kr.LSTM(units, return_sequences=True, return_state=True)(x)
    given = {"state_1_h": h, "state_1_c": c}
    if attention:
        given["memory"] = memory
        given["memory_mask"] = keras.ops.not_equal(source, 0)
    encoder = keras.Model(source, given, name="encoder")
    decoder = _decoder(vocabulary, units, units if attention else None, activation)
    previous = keras.Input((None,), dtype="int32", name="previous")
    source = keras.Input((None,), dtype="int32", name="source")
    output = decoder({"previous": previous, **encoder(source)})["output"]
    return shaken(keras.Model({"source": source, "previous": previous}, output), seed=seed)


def storyteller(vocabulary=6, condition=None, units=4, seed=0, activation="softmax"):
    """`one_to_many`, with a condition of some features or without."""
    decoder = _decoder(vocabulary, units, activation=activation)
    previous = keras.Input((None,), dtype="int32", name="previous")
    if condition is None:
        rows = keras.ops.zeros_like(previous[:, :1], dtype="float32")
        zeros = keras.ops.repeat(rows, units, axis=1)
        states = {"state_1_h": zeros, "state_1_c": zeros}
        inputs = {"previous": previous}
    else:
        given = keras.Input((condition,), name="condition")
        h, c = layers.Dense(units, "tanh")(given), layers.Dense(units)(given)
        encoder = keras.Model(given, {"state_1_h": h, "state_1_c": c}, name="encoder")
        given = keras.Input((condition,), name="condition")
        states, inputs = encoder(given), {"condition": given, "previous": previous}
    return shaken(
        keras.Model(inputs, decoder({"previous": previous, **states})["output"]), seed=seed
    )


def next_log_p(model, inputs, steps, begin=1, end=2, logits=False):
    """One row: from ids so far, fewer than `steps` and none of them the end, to log p of every next id.

    Probabilities of whole sequences by the whole model, all sequences in one call; -inf for 0, `begin`.
    """
    vocabulary = model.output.shape[-1]
    others = [v for v in range(vocabulary) if v not in (0, begin, end)]
    sequences = list(itertools.product(others, repeat=steps - 1))
    previous = np.array([(begin, *sequence) for sequence in sequences], "int32")
    whole = {name: np.repeat(value, len(sequences), 0) for name, value in inputs.items()}
    output = np.asarray(model({**whole, "previous": previous}, training=False)).astype("float64")
    if logits:
        output = np.exp(output - output.max(-1, keepdims=True))
        output /= output.sum(-1, keepdims=True)
    log_p = np.log(output)
    log_p[..., [0, begin]] = -np.inf
    known = {
        sequence[:t]: log_p[row, t] for row, sequence in enumerate(sequences) for t in range(steps)
    }
    return lambda ids: known[tuple(ids)]
