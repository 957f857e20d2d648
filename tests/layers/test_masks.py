"""Masks, lengths and ragged input: padding never changes a result."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers.kit import (
    BATCH,
    FEATURES,
    MASK,
    NAMES,
    STEPS,
    UNITS,
    close,
    differ,
    make,
    randomize,
    sequences,
    states_of,
)

import keras_recurrent as kr
from keras_recurrent.keras_hooks import attached_mask

LENGTHS = [5, 2, 3]
PREFIX = np.arange(STEPS) < np.array(LENGTHS)[:, None]


def _built(name, **options):
    layer = make(name, **options)
    layer.build((BATCH if options.get("stateful") else None, None, FEATURES))
    return randomize(layer)


def _padded(mask=PREFIX, filler=0.0):
    x = sequences()
    x[~mask] = filler
    return x


def _row_by_row(layer, x, mask, states=None):
    """What every row gives alone, with its masked steps cut out."""
    rows = []
    for row in range(len(x)):
        initial = None if states is None else [s[row : row + 1] for s in states]
        rows.append(layer(x[row : row + 1, mask[row]], initial_state=initial))
    return [np.concatenate(parts) for parts in zip(*rows, strict=True)]


SOURCES = {
    "Masking": lambda layer, x: layer(keras.layers.Masking()(x)),
    "mask": lambda layer, x: layer(x, mask=PREFIX),
    "mask of integers": lambda layer, x: layer(x, mask=PREFIX.astype("int32")),
    "mask with a last axis": lambda layer, x: layer(x, mask=PREFIX[..., None]),
    "lengths in a list": lambda layer, x: layer(x, lengths=LENGTHS),
    "lengths in numpy": lambda layer, x: layer(x, lengths=np.array(LENGTHS, "int64")),
    "lengths in a tensor": lambda layer, x: layer(x, lengths=tf.constant(LENGTHS)),
    "lengths in a variable": lambda layer, x: layer(x, lengths=tf.Variable(LENGTHS)),
    "small lengths": lambda layer, x: layer(x, lengths=np.array(LENGTHS, "uint8")),
    "ragged": lambda layer, x: layer(tf.RaggedTensor.from_tensor(x, LENGTHS)),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("source", SOURCES)
def test_padding_changes_nothing(name, source):
    layer = _built(name, return_state=True)
    x = _padded()
    close(SOURCES[source](layer, x), _row_by_row(layer, x, PREFIX))


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("mask", ["holes", "left", "right"])
@pytest.mark.parametrize("name", NAMES)
def test_masked_steps_are_as_if_cut_out(name, mask, go_backwards):
    mask = {"holes": MASK, "left": PREFIX[:, ::-1], "right": PREFIX}[mask]
    layer = _built(name, return_state=True, go_backwards=go_backwards)
    x, states = sequences(), states_of(layer)
    close(layer(x, states, mask), _row_by_row(layer, x, mask, states))


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_row_keeps_its_state(name):
    layer = _built(name, return_state=True, return_sequences=True)
    x, states = sequences(), states_of(layer)
    for empty in ({"lengths": [5, 0, 1]}, {"mask": PREFIX & [[True], [False], [True]]}):
        output, *final = layer(x, initial_state=states, **empty)
        close([s[1] for s in final], [s[1] for s in states])
        close(output[1], np.zeros((STEPS, UNITS)))
        assert np.all(np.isfinite(output))


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_outputs_of_masked_steps(name, zero):
    layer = _built(name, return_sequences=True, zero_output_for_mask=zero)
    output = layer(sequences(), mask=MASK).numpy()
    held = np.zeros(UNITS) if zero else output[1, 1]
    close(output[1, 2:], np.stack([held] * 3))
    close(output[2, 1], np.zeros(UNITS) if zero else output[2, 0])
    close(output[2, 4], np.zeros(UNITS) if zero else output[2, 3])


@pytest.mark.parametrize("filler", [1e6, np.inf, np.nan], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_what_stands_in_masked_steps_does_not_matter(name, filler):
    layer = _built(name, return_state=True, return_sequences=True)
    close(layer(_padded(filler=filler), mask=PREFIX), layer(_padded(), mask=PREFIX))


@pytest.mark.parametrize("garbage", [1e3, np.nan], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_do_not_see_masked_steps(name, garbage):
    layer = _built(name)
    gradients = []
    for filler in (0.0, garbage):
        x = tf.constant(_padded(filler=filler))
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, mask=PREFIX) ** 2)
        gradients.append(tape.gradient(loss, [x, *layer.trainable_variables]))
    close(*gradients)
    assert not np.any(gradients[0][0].numpy()[~PREFIX])


@pytest.mark.parametrize("name", NAMES)
def test_rows_do_not_see_each_other(name):
    layer = _built(name, return_state=True)
    x, other = sequences(), sequences(seed=5)
    other[1] = x[1]
    a, b = layer(x, lengths=LENGTHS), layer(other, lengths=[1, 2, 0])
    close([t[1] for t in a], [t[1] for t in b])
    assert differ([t[0] for t in a], [t[0] for t in b])


def _chain():
    return [
        kr.LSTM(UNITS, return_sequences=True),
        kr.Bidirectional(kr.GRU(UNITS, return_sequences=True)),
        kr.Stack(
            [kr.SimpleRNN(3, return_sequences=True), kr.GRU(3, return_sequences=True)],
            residual=True,
        ),
        kr.RNN([kr.IndRNNCell(3), kr.MinimalGRUCell(3)], return_sequences=True),
        keras.layers.Dropout(0.1),
        kr.LSTM(2),
    ]


@pytest.mark.parametrize("source", ["Masking", "lengths", "ragged", "mask"])
@pytest.mark.parametrize("functional", [False, True])
def test_masks_travel_through_a_chain_of_layers(source, functional):
    layers = _chain()

    def run(x):
        for layer in layers:
            x = layer(x)
        return x

    x = _padded()
    expected = np.concatenate([run(x[r : r + 1, :n]) for r, n in enumerate(LENGTHS)])
    first = {
        "Masking": lambda x: layers[0](keras.layers.Masking()(x)),
        "lengths": lambda x, n: layers[0](x, lengths=n),
        "mask": lambda x, m: layers[0](x, mask=m),
        "ragged": lambda x: layers[0](x),
    }[source]
    given = {
        "Masking": [x],
        "lengths": [x, np.array(LENGTHS)],
        "mask": [x, PREFIX],
        "ragged": [tf.RaggedTensor.from_tensor(x, LENGTHS)],
    }[source]
    layers_behind = layers[1:]

    def forward(*inputs):
        y = first(*inputs)
        for layer in layers_behind:
            y = layer(y)
        return y

    if not functional:
        close(forward(*given), expected)
        return
    inputs = {
        "Masking": [keras.Input((None, FEATURES))],
        "lengths": [keras.Input((None, FEATURES)), keras.Input((), dtype="int32")],
        "mask": [keras.Input((None, FEATURES)), keras.Input((None,), dtype="bool")],
        "ragged": [keras.Input((None, FEATURES), ragged=True)],
    }[source]
    model = keras.Model(inputs, forward(*inputs))
    close(model(given), expected)
    close(model.predict(given[0] if len(given) == 1 else given, verbose=0), expected)


def test_the_mask_of_lengths_reaches_other_keras_layers():
    layer = _built("GRU", return_sequences=True)
    output = layer(sequences(), lengths=LENGTHS)
    assert np.array_equal(attached_mask(output), PREFIX)
    mean = keras.layers.GlobalAveragePooling1D()(output)
    close(mean, np.stack([output[r, :n].numpy().mean(0) for r, n in enumerate(LENGTHS)]))
    with_state = make("LSTM", return_sequences=True, return_state=True)
    output, *states = with_state(sequences(), lengths=LENGTHS)
    assert np.array_equal(attached_mask(output), PREFIX)
    assert all(attached_mask(s) is None for s in states)
    assert attached_mask(make("LSTM")(sequences(), lengths=LENGTHS)) is None


@pytest.mark.parametrize("name", NAMES)
def test_embedding_with_mask_zero(name):
    embedding = keras.layers.Embedding(7, FEATURES, mask_zero=True)
    layer = make(name)
    words = np.array([[1, 2, 3, 4, 5], [6, 2, 0, 0, 0], [3, 4, 5, 0, 0]])
    expected = [layer(embedding(words[r : r + 1, :n]))[0] for r, n in enumerate(LENGTHS)]
    close(layer(embedding(words)), np.stack(expected))
    close(keras.Sequential([embedding, layer]).predict(words, verbose=0), np.stack(expected))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("functional", [False, True])
def test_masked_encoder_and_decoder(name, functional):
    """The mask holds beside `initial_state`, where keras.layers lets it fall."""
    encoder = _built(name, return_state=True)
    decoder = _built(name, return_sequences=True, return_state=True)
    masking = keras.layers.Masking()

    def forward(source, target):
        _, *states = encoder(masking(source))
        return decoder(masking(target), initial_state=states)

    source, target = _padded(), sequences(seed=4)
    target_mask = PREFIX[::-1]
    target[~target_mask] = 0
    _, *states = _row_by_row(encoder, source, PREFIX)
    expected = [
        decoder(target[r : r + 1, target_mask[r]], initial_state=[s[r : r + 1] for s in states])
        for r in range(BATCH)
    ]
    run = forward
    if functional:
        inputs = [keras.Input((None, FEATURES)) for _ in range(2)]
        model = keras.Model(inputs, forward(*inputs))
        run = lambda *given: model(list(given))  # noqa: E731
    output, *final = run(source, target)
    for r in range(BATCH):
        close(output[r][target_mask[r]], expected[r][0][0])
        close([s[r] for s in final], [s[0] for s in expected[r][1:]])


def test_bidirectional_and_stack_hold_the_mask_beside_initial_state():
    for layer in (
        kr.Bidirectional(make("GRU")),
        kr.Stack([make("GRU", return_sequences=True), make("GRU")]),
    ):
        x = _padded()
        states = [np.full((BATCH, UNITS), 0.5, "float32")] * 2
        masked = layer(keras.layers.Masking()(x), initial_state=states)
        close(masked, layer(x, initial_state=states, mask=PREFIX))
        assert differ(masked, layer(x, initial_state=states))


def test_lengths_and_a_travelling_mask_both_hold():
    x = _padded(MASK)
    lengths = [4, 5, 3]
    for layer in (
        _built("LSTM"),
        kr.Bidirectional(make("LSTM")),
        kr.Stack([make("GRU", return_sequences=True), make("LSTM")]),
    ):
        both = MASK & (np.arange(STEPS) < np.array(lengths)[:, None])
        close(layer(keras.layers.Masking()(x), lengths=lengths), layer(x, mask=both))


def test_an_explicit_mask_takes_the_place_of_a_travelling_one():
    layer, x = _built("LSTM"), _padded()
    masked = keras.layers.Masking()(x)
    close(layer(masked, mask=MASK), layer(x, mask=MASK))
    close(layer(masked, states_of(layer), MASK), layer(x, states_of(layer), MASK))


@pytest.mark.parametrize("how", ["Masking", "ragged", "lengths"])
def test_fit_leaves_masked_steps_out_of_the_loss(how):
    """A loss over the outputs of all steps counts the valid ones only."""
    x, y = _padded(), sequences(features=UNITS, seed=2)
    losses = []
    for filler in (0.0, 100.0):
        y[~PREFIX] = filler
        keras.utils.set_random_seed(1)
        inputs = [keras.Input((STEPS, FEATURES))]
        layer = _built("GRU", return_sequences=True)
        if how == "Masking":
            output = layer(keras.layers.Masking()(inputs[0]))
        elif how == "lengths":
            inputs.append(keras.Input((), dtype="int32"))
            output = layer(inputs[0], lengths=inputs[1])
        else:
            inputs = [keras.Input((None, FEATURES), ragged=True)]
            output = layer(inputs[0])
        model = keras.Model(inputs, output)
        model.compile("sgd", "mse", run_eagerly=filler > 0)
        data = {
            "Masking": x,
            "lengths": [x, np.array(LENGTHS, "int32")],
            "ragged": tf.RaggedTensor.from_tensor(x, LENGTHS),
        }[how]
        fit = model.fit(data, y, epochs=2, shuffle=False, verbose=0)
        losses.append(fit.history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert losses[0][1] < losses[0][0]


@pytest.mark.parametrize("name", NAMES)
def test_ragged_rows_of_length_zero(name):
    layer = _built(name)
    ragged = tf.RaggedTensor.from_tensor(sequences(), [0, 2, 0])
    output = layer(ragged).numpy()
    close(output[[0, 2]], np.zeros((2, UNITS)))
    close(output[1], layer(sequences()[1:2, :2])[0])


def test_ragged_inside_a_function_and_a_data_set():
    layer = _built("LSTM")
    ragged = tf.RaggedTensor.from_tensor(sequences(), LENGTHS)
    expected = layer(sequences(), lengths=LENGTHS)
    close(tf.function(lambda r: layer(r))(ragged), expected)
    model = keras.Sequential([keras.Input((None, FEATURES), ragged=True), layer])
    data = tf.data.Dataset.from_tensor_slices(ragged).ragged_batch(BATCH)
    close(model.predict(data, verbose=0), expected)


def test_wrappers_and_lists_of_cells_hold_masked_states():
    cells = [kr.Zoneout(kr.LSTMCell(UNITS), 0.3), kr.Residual(kr.GRUCell(UNITS))]
    layer = kr.RNN(cells, return_state=True)
    x = _padded(MASK, filler=7.0)
    output, *states = layer(x, mask=MASK)
    for row in range(BATCH):
        alone, *final = layer(x[row : row + 1, MASK[row]])
        close(output[row], alone[0])
        close(
            [s[row] for s in keras.tree.flatten(states)], [s[0] for s in keras.tree.flatten(final)]
        )


@pytest.mark.parametrize("how", ["chain", "stack", "pooling"])
def test_the_mask_of_a_backward_layer_is_in_the_order_of_its_outputs(how):
    """Right padding comes first in the outputs; what reads them next must skip it there."""
    x, lengths = sequences(), [STEPS, 2, 1]
    first = make("LSTM", return_sequences=True, go_backwards=True)
    second = make("GRU") if how != "pooling" else keras.layers.GlobalAveragePooling1D()
    read = kr.Stack([first, second]) if how == "stack" else None
    both = read if read is not None else (lambda x, **kw: second(first(x, **kw)))
    whole = both(x, lengths=lengths)
    for row, length in enumerate(lengths):
        close(whole[row : row + 1], both(x[row : row + 1, :length]))
    masked = first.compute_mask(None, tf.constant([[True, False, False]]))
    np.testing.assert_array_equal(masked, [[False, False, True]])
