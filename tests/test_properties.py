"""Properties that hold for any shape, option and mask."""

import json

import keras
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layers.kit import NAMES, OTHER, close, randomize

import keras_recurrent as kr

few = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)

# Options that keep the width of the state, and may be combined at will.
FREE = {
    "SimpleRNN": {"activation": ["tanh", "relu"], "use_bias": [True, False]},
    "GRU": {
        "reset_after": [True, False],
        "normalization": [None, "layer"],
        "zoneout": [0.0, 0.25],
        "use_bias": [True, False],
    },
    "LSTM": {
        "peephole": [False, True],
        "relevance_gate": [False, True],
        "coupled_gates": [False, True],
        "normalization": [None, "layer"],
        "projection_units": [None, 2],
        "cell_clip": [None, 0.5],
        "zoneout": [0.0, (0.5, 0.25)],
    },
}
SHARED = {"activation": ["tanh", "relu"], "use_bias": [True, False], "go_backwards": [False, True]}


def _layer(draw, **fixed):
    """A layer of any kind with random options, built for 1 to 3 features."""
    name = draw(st.sampled_from(NAMES))
    options = {n: draw(st.sampled_from(v)) for n, v in FREE[name].items()}
    options["engine"] = draw(st.sampled_from(["auto", "loop", "unroll"]))
    layer = getattr(kr, name)(draw(st.integers(1, 4)), **options, **fixed)
    layer.build((None, None, draw(st.integers(1, 3))))
    return randomize(layer, draw(st.integers(0, 99)))


def _data(draw, layer, batch, steps):
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(size=(batch, steps, layer.cell.kernel.shape[0])).astype("float32")
    states = [rng.normal(size=(batch, n)).astype("float32") for n in layer.state_size]
    return x, states


def _masks(draw, batch, steps):
    rows = st.lists(st.booleans(), min_size=steps, max_size=steps)
    return np.array(draw(st.lists(rows, min_size=batch, max_size=batch)), bool).reshape(
        batch, steps
    )


@few
@given(st.data())
def test_masked_steps_are_as_if_cut_out(data):
    layer = _layer(data.draw, return_state=True, go_backwards=data.draw(st.booleans()))
    batch, steps = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 6))
    x, states = _data(data.draw, layer, batch, steps)
    mask = _masks(data.draw, batch, steps)
    output, *final = layer(x, initial_state=states, mask=mask)
    for row in range(batch):
        initial = [s[row : row + 1] for s in states]
        alone, *end = layer(x[row : row + 1, mask[row]], initial_state=initial)
        close([s[row] for s in final], [s[0] for s in end])
        close(output[row], alone[0])


@few
@given(st.data())
def test_a_sequence_may_be_cut_anywhere(data):
    layer = _layer(data.draw, return_state=True, return_sequences=True)
    steps = data.draw(st.integers(1, 6))
    cut = data.draw(st.integers(0, steps))
    x, states = _data(data.draw, layer, 2, steps)
    mask = _masks(data.draw, 2, steps)
    first, *middle = layer(x[:, :cut], initial_state=states, mask=mask[:, :cut])
    second, *final = layer(x[:, cut:], initial_state=middle, mask=mask[:, cut:])
    outputs, *expected = layer(x, initial_state=states, mask=mask)
    close(final, expected)
    joined = np.concatenate([first, second], 1)
    close(joined[mask], outputs.numpy()[mask])


@few
@given(st.data())
def test_rows_are_independent(data):
    layer = _layer(data.draw, return_state=True)
    steps = data.draw(st.integers(1, 5))
    x, states = _data(data.draw, layer, 3, steps)
    mask = _masks(data.draw, 3, steps)
    order = data.draw(st.permutations(range(3)))
    expected = [t.numpy()[order] for t in layer(x, initial_state=states, mask=mask)]
    permuted = [s[order] for s in states]
    close(layer(x[order], initial_state=permuted, mask=mask[order]), expected)


@few
@given(st.data())
def test_backwards_is_forward_on_the_flipped_row(data):
    forward = _layer(data.draw, return_state=True, return_sequences=True)
    backward = type(forward).from_config({**forward.get_config(), "go_backwards": True})
    backward.build((None, None, forward.cell.kernel.shape[0]))
    backward.set_weights(forward.get_weights())
    steps = data.draw(st.integers(1, 6))
    x, states = _data(data.draw, forward, 2, steps)
    mask = _masks(data.draw, 2, steps)
    close(
        backward(x, initial_state=states, mask=mask),
        forward(x[:, ::-1], initial_state=states, mask=mask[:, ::-1]),
    )


@few
@given(st.data())
def test_shared_options_give_keras_s_numbers(data):
    name = data.draw(st.sampled_from(NAMES))
    options = {n: data.draw(st.sampled_from(v)) for n, v in SHARED.items()}
    if name == "GRU":
        options["reset_after"] = data.draw(st.booleans())
    options["zero_output_for_mask"] = data.draw(st.booleans())
    options["return_sequences"] = data.draw(st.booleans())
    units, features, steps = (data.draw(st.integers(1, 4)) for _ in range(3))
    ours, stock = (
        getattr(package, name)(units, return_state=True, **options)
        for package in (kr, keras.layers)
    )
    for layer in (ours, stock):
        layer.build((None, None, features))
    randomize(stock)
    ours.set_weights(stock.get_weights())
    x, states = _data(data.draw, ours, 2, steps)
    mask = _masks(data.draw, 2, steps)
    close(ours(x, initial_state=states, mask=mask), stock(x, initial_state=states, mask=mask))


@settings(few, max_examples=60)
@given(st.data())
def test_any_set_of_options_survives_a_config(data):
    cls = getattr(kr, data.draw(st.sampled_from(NAMES)))
    free = [n for n in cls.arguments if n not in ("units", "unroll", "projection_clip")]
    chosen = data.draw(st.sets(st.sampled_from(free)))
    options = {name: OTHER[name] for name in chosen}
    if "projection_units" in chosen and data.draw(st.booleans()):
        options["projection_clip"] = 0.5
    layer = cls(data.draw(st.integers(1, 9)), **options)
    copy = cls.from_config(json.loads(json.dumps(layer.get_config())))
    assert copy.get_config() == layer.get_config()
    assert copy.cell.get_config() == layer.cell.get_config()
