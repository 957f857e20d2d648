"""The small models: word vectors learnt in the task, with or without ELMo beside them."""

import keras

import keras_recurrent as kr

VECTOR, UNITS, DROPOUT, RATE = 64, 32, 0.5, 3e-3

Shape = tuple[int, int] | None  # of a biLM's layers for one word, (L + 1, width); None: no ELMo


def of_sentence(words: int, layers: Shape) -> keras.Model:
    """A yes or no about a whole sentence, from the last states of both directions."""
    inputs = _inputs(layers)
    states = _encoder(words, layers, every_step=False)(inputs)
    return _compiled(inputs, keras.layers.Dense(1, "sigmoid")(states))


def of_target(words: int, layers: Shape, classes: int) -> keras.Model:
    """The class of one word of a sentence, from the states at that word."""
    inputs = _inputs(layers)
    states = _encoder(words, layers, every_step=True)(inputs)
    target = keras.Input((None,), name="target")
    return _compiled(
        inputs | {"target": target},
        keras.layers.Dense(classes, "softmax")(_at(target, states)),
    )


def of_pair(words: int, layers: Shape) -> keras.Model:
    """Whether a word means the same in two sentences: from |a - b| and a * b of its states."""
    encode = _encoder(words, layers, every_step=True)
    inputs, (a, b) = {}, ([], [])
    for side, found in (("a", a), ("b", b)):
        of_side = _inputs(layers, f"_{side}")
        target = keras.Input((None,), name=f"target_{side}")
        states = encode({name.removesuffix(f"_{side}"): x for name, x in of_side.items()})
        inputs |= of_side | {f"target_{side}": target}
        found.append(_at(target, states))
    features = keras.layers.Concatenate()([keras.ops.abs(a[0] - b[0]), a[0] * b[0]])
    hidden = keras.layers.Dense(UNITS, "relu")(features)
    return _compiled(inputs, keras.layers.Dense(1, "sigmoid")(hidden))


def _inputs(layers: Shape, suffix: str = "") -> dict[str, keras.KerasTensor]:
    inputs = {f"words{suffix}": keras.Input((None,), dtype="int32", name=f"words{suffix}")}
    if layers is not None:
        inputs[f"layers{suffix}"] = keras.Input((None, *layers), name=f"layers{suffix}")
    return inputs


def _encoder(words: int, layers: Shape, every_step: bool) -> keras.Model:
    """From word ids, and a frozen biLM's layers where there are any, to states.

    x = word vectors, or, with layers, [word vectors; mix of the layers]. The mix is trained; the
    biLM is not: its layers come in as data.
    """
    inputs = _inputs(layers)
    ids = inputs["words"]
    x = keras.layers.Embedding(words, VECTOR, name="word_vectors")(ids)
    if layers is not None:
        x = keras.layers.Concatenate()([x, _mix(inputs["layers"])])
    x = keras.layers.Dropout(DROPOUT)(x)
    # Sequences of any length and batches of any size, few of each: compiling would take longer.
    lstm = kr.LSTM(UNITS, return_sequences=every_step, engine="loop")
    states = kr.Bidirectional(lstm, name="states")(x, mask=keras.ops.not_equal(ids, 0))
    return keras.Model(inputs, keras.layers.Dropout(DROPOUT)(states), name="encoder")


def _mix(layers: keras.KerasTensor) -> keras.KerasTensor:
    return kr.elmo.ScalarMix(name="mix")(keras.ops.unstack(layers, axis=2))


def _at(target: keras.KerasTensor, states: keras.KerasTensor) -> keras.KerasTensor:
    """The states `(B, units)` at the step that `target` (B, T) marks with 1."""
    return keras.ops.squeeze(keras.ops.matmul(target[:, None], states), 1)


def _compiled(inputs: dict, outputs: keras.KerasTensor) -> keras.Model:
    model = keras.Model(inputs, outputs)
    loss = "binary" if outputs.shape[-1] == 1 else "sparse_categorical"
    model.compile(keras.optimizers.Adam(RATE), f"{loss}_crossentropy", metrics=["accuracy"])
    return model
