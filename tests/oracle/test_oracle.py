"""The oracle itself: against finite differences, identities between cells, and stock Keras."""

import numpy as np
import pytest

from oracle import cells, sequence, tape
from oracle.tape import Node

B, T, D, U, P = 2, 3, 3, 2, 3


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def draw(seed, *shape):
    """0/1 draws, as many of the one as of the other."""
    balanced = np.arange(np.prod(shape)) % 2.0
    return np.random.default_rng(seed).permutation(balanced).reshape(shape)


def differences(function, array, step=1e-6):
    """Central differences of the scalar function, entry by entry."""
    result = np.zeros(array.shape)
    for index in np.ndindex(array.shape):
        up, down = array.copy(), array.copy()
        up[index] += step
        down[index] -= step
        result[index] = (function(up) - function(down)) / (2 * step)
    return result


# --- the tape -------------------------------------------------------------------------------------

OPS = {
    "add": (lambda a, b: a + b, (3, 4), (4,)),
    "add_array": (lambda a: np.ones((3, 4)) + a + 2.0, (4,)),
    "sub": (lambda a, b: a - b, (3, 1), (3, 4)),
    "rsub": (lambda a: 1.0 - a, (3, 4)),
    "mul": (lambda a, b: a * b, (3, 4), (1, 4)),
    "mul_self": (lambda a: a * a, (3, 4)),
    "mul_array": (lambda a: normal(1, 3, 4) * a, (3, 4)),
    "div": (lambda a, b: a / (b * b + 1.0), (3, 4), (3, 1)),
    "rdiv": (lambda a: 2.0 / (a * a + 1.0), (3, 4)),
    "neg": (lambda a: -a, (3, 4)),
    "matmul": (lambda a, b: a @ b, (3, 4), (4, 2)),
    "rmatmul": (lambda b: normal(1, 3, 4) @ b, (4, 2)),
    "slice": (lambda a: a[:, 1:3] * a[:, :2], (3, 4)),
    "index": (lambda a: a[1] * a[:, None, 0], (3, 4)),
    "repeated_index": (lambda a: a[[0, 2, 0]] * normal(1, 3, 4), (3, 4)),
    "concatenate": (lambda a, b: tape.concatenate([a, b, a * b[:, :1]]), (3, 4), (3, 2)),
    "concatenate_rows": (lambda a, b: tape.concatenate([a, b], axis=0), (3, 4), (1, 4)),
    "sigmoid": (lambda a: tape.sigmoid(a * 3.0), (3, 4)),
    "tanh": (tape.tanh, (3, 4)),
    "relu": (tape.relu, (3, 4)),
    "clip": (lambda a: tape.clip(a, -0.5, 0.7), (3, 4)),
    "sqrt": (lambda a: tape.sqrt(a * a + 0.1), (3, 4)),
    "mean": (lambda a: tape.mean(a) * a, (3, 4)),
    "sum": (lambda a: tape.sum(a) * a, (3, 4)),
    "where": (lambda a, b: tape.where(draw(1, 3, 1), a * b, b), (3, 4), (4,)),
    "layer_norm": (cells.layer_norm, (3, 4), (4,)),
    **{name: (act, (3, 4)) for name, act in cells.ACTIVATIONS.items()},
}


@pytest.mark.parametrize("name", OPS)
def test_op_against_finite_differences(name):
    op, *shapes = OPS[name]
    arrays = [normal(10 + k, *shape) for k, shape in enumerate(shapes)]
    weight = normal(0, *op(*map(Node, arrays)).shape)

    nodes = [Node(array) for array in arrays]
    grads = tape.gradient(tape.sum(op(*nodes) * weight), nodes)
    for k, grad in enumerate(grads):

        def loss(array, k=k):
            changed = [Node(array if j == k else other) for j, other in enumerate(arrays)]
            return tape.sum(op(*changed) * weight).value

        np.testing.assert_allclose(grad, differences(loss, arrays[k]), rtol=1e-6, atol=1e-8)


def test_gradient_of_an_unconnected_node_is_zero():
    a, b = Node([1.0, 2.0]), Node([3.0])
    da, db = tape.gradient(tape.sum(a), [a, b])
    np.testing.assert_array_equal(da, [1.0, 1.0])
    np.testing.assert_array_equal(db, [0.0])


def test_sigmoid_has_no_overflow_and_keeps_small_tails():
    with np.errstate(all="raise"):
        value = tape.sigmoid(Node([-700.0, -40.0, 0.0, 40.0, 700.0])).value
    np.testing.assert_allclose(value, [np.exp(-700.0), np.exp(-40.0), 0.5, 1.0, 1.0], rtol=1e-15)
    assert value[3] == 1.0


def test_gradients_at_the_kinks_are_tensorflows():
    import keras
    import tensorflow as tf

    ours = {**cells.ACTIVATIONS, "clip": lambda x: tape.clip(x, -3.0, 3.0)}
    for name, op in ours.items():
        if name == "clip":
            theirs = lambda x: tf.clip_by_value(x, -3.0, 3.0)  # noqa: E731
        else:
            theirs = keras.activations.get(name)
        points = [-4.0, -3.0, -1.0, 0.0, 1.0, 3.0, 4.0]
        x, node = tf.Variable(points, dtype="float64"), Node(points)
        with tf.GradientTape() as tf_tape:
            y = theirs(x)
        out = op(node)
        np.testing.assert_allclose(out.value, y.numpy(), rtol=1e-14, atol=1e-16, err_msg=name)
        (grad,) = tape.gradient(tape.sum(out), [node])
        expected = tf_tape.gradient(y, x).numpy()
        np.testing.assert_allclose(grad, expected, rtol=1e-13, atol=1e-16, err_msg=name)


# --- the cells ------------------------------------------------------------------------------------


def make(cell, options, use_bias=True, peephole=False, projection=None, seed=0):
    """The weights of the cell and its initial states, as arrays; `projection` is a width."""
    gates = {
        "simple_rnn": 1,
        "ind_rnn": 1,
        "minimal_gru": 2,
        "gru": 3,
        "lstm": len(cells.lstm_gates(options)),
    }[cell]
    width = projection or U
    columns = gates * U
    if options.get("relevance_gate"):  # the relevance gate is as wide as h
        columns += width - U
    shapes = {"kernel": (D, columns), "recurrent_kernel": (width, columns)}
    if cell == "ind_rnn":
        shapes["recurrent_kernel"] = (U,)
    if use_bias:
        shapes["bias"] = (columns,)
        if cell == "gru" and options.get("reset_after", True):
            shapes["bias"] = (2, columns)
    if peephole:
        shapes["peephole"] = (2 if options.get("coupled_gates") else 3, U)
    if projection:
        shapes["projection_kernel"] = (U, projection)
    if options.get("normalization") == "layer":
        shapes |= {"kernel_gain": (columns,), "recurrent_gain": (columns,)}
        if cell == "lstm":
            shapes |= {"cell_gain": (U,), "cell_shift": (U,)}
    weights = {name: normal(seed + k, *shape) for k, (name, shape) in enumerate(shapes.items())}
    states = [normal(seed + 50, B, width)]
    if cell == "lstm":
        states.append(normal(seed + 51, B, U))
    return weights, states


NOISE = {
    "input_mask": 2.0 * draw(60, B, D),
    "recurrent_mask": 2.0 * draw(61, B, U),
    "zoneout": {"h": draw(62, B, U)},
}
LSTM_NOISE = {
    "input_mask": 2.0 * draw(63, B, D),
    "recurrent_mask": 1.5 * draw(64, B, P),
    "weight_mask": 2.0 * draw(65, P, 4 * U),
    "zoneout": {"h": draw(66, B, P), "c": 0.3},
}
LAYER = {"normalization": "layer"}
CASES = [  # (cell, options, arguments of make)
    ("simple_rnn", {}, {}),
    ("simple_rnn", {"activation": "relu", **NOISE}, {"use_bias": False}),
    ("simple_rnn", {"activation": "softsign", "weight_mask": 2.0 * draw(67, U, U)}, {}),
    ("ind_rnn", {"activation": "relu"}, {}),
    ("ind_rnn", {"weight_mask": 2.0 * draw(68, U), **NOISE}, {"use_bias": False}),
    ("minimal_gru", {}, {}),
    ("minimal_gru", {"recurrent_activation": "hard_sigmoid", **NOISE}, {"use_bias": False}),
    ("gru", {}, {}),
    ("gru", {"activation": "softsign", "zoneout": {"h": 0.4}}, {"use_bias": False}),
    ("gru", {"weight_mask": 2.0 * draw(69, U, 3 * U), **NOISE}, {}),
    ("gru", {"reset_after": False, "recurrent_activation": "hard_sigmoid", **NOISE}, {}),
    ("gru", {"reset_after": False}, {"use_bias": False}),
    ("gru", {**LAYER, **NOISE}, {}),
    ("gru", {"reset_after": False, **LAYER, **NOISE}, {}),
    ("lstm", {}, {}),
    ("lstm", {"activation": "softsign", "output_activation": "linear"}, {"use_bias": False}),
    ("lstm", {"recurrent_activation": "hard_sigmoid", "cell_clip": 0.6}, {"peephole": True}),
    ("lstm", {"coupled_gates": True, "cell_clip": 0.6}, {"peephole": True}),
    ("lstm", {"projection_clip": 0.5, **LSTM_NOISE}, {"projection": P}),
    ("lstm", {"relevance_gate": True, "projection_clip": 0.5, **NOISE}, {"projection": U}),
    ("lstm", {"relevance_gate": True, "coupled_gates": True}, {"projection": P}),
    ("lstm", {"relevance_gate": True, "coupled_gates": True, "zoneout": {"c": draw(70, B, U)}}, {}),
    ("lstm", {**LAYER, "cell_clip": 0.6}, {"peephole": True}),
    ("lstm", {**LAYER, "coupled_gates": True}, {"projection": P, "use_bias": False}),
    (
        "lstm",
        {**LAYER, **NOISE, "relevance_gate": True, "cell_clip": 0.8, "projection_clip": 0.7},
        {"peephole": True, "projection": U},
    ),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_cell_against_finite_differences(number):
    """Through time, with a mask with a hole; weights, x and initial states, every entry."""
    cell, options, arguments = CASES[number]
    step = getattr(cells, cell)
    weights, states = make(cell, options, **arguments)
    x = normal(90, B, T, D)
    settings = {
        "cotangent": normal(91, B, T, states[0].shape[-1]),
        "state_cotangents": [normal(92 + k, *state.shape) for k, state in enumerate(states)],
        "mask": np.array([[True, False, True], [True, True, True]]) if number % 2 else None,
        "go_backwards": number % 3 == 0,
        "zero_output_for_mask": number % 4 == 1,
    }
    result = sequence.loss_and_gradients(step, x, states, weights, options, **settings)
    arrays = {"x": x, **weights} | {f"state {k}": state for k, state in enumerate(states)}
    grads = {"x": result.x_gradient, **result.weight_gradients}
    grads |= {f"state {k}": grad for k, grad in enumerate(result.state_gradients)}
    assert grads.keys() == arrays.keys()

    def loss(changed):
        given = {**arrays, **changed}
        outputs, _, final = sequence.run(
            step,
            given["x"],
            [given[f"state {k}"] for k in range(len(states))],
            {name: given[name] for name in weights},
            options,
            **{k: v for k, v in settings.items() if "cotangent" not in k},
        )
        pairs = zip(final, settings["state_cotangents"], strict=True)
        total = np.sum(outputs.value * settings["cotangent"])
        return total + sum(np.sum(state.value * weight) for state, weight in pairs)

    np.testing.assert_allclose(loss({}), result.loss, rtol=1e-13)
    for name, array in arrays.items():
        numeric = differences(lambda changed, name=name: loss({name: changed}), array)
        np.testing.assert_allclose(grads[name], numeric, rtol=1e-5, atol=1e-7, err_msg=name)


def test_every_option_of_a_case_matters():
    """No case carries an option that its numbers do not see (a clip never reached, say)."""
    x = normal(90, B, T, D)
    for cell, options, arguments in CASES:
        for option in options:
            if option in ("reset_after", "normalization", "coupled_gates", "relevance_gate"):
                continue  # these change the weights
            weights, states = make(cell, options, **arguments)
            less = {name: value for name, value in options.items() if name != option}
            full, bare = (
                sequence.run(getattr(cells, cell), x, states, weights, chosen)[0].value
                for chosen in (options, less)
            )
            assert not np.allclose(full, bare), (cell, options, option)


def s(v):
    return 1.0 / (1.0 + np.exp(-v))


def norm(v):
    return (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5)


def test_a_full_lstm_step_written_out():
    """Relevance gate, peepholes, projection, clips, layer normalisation and noise."""
    m, d = 2.0 * draw(71, B, U), draw(72, B, U)
    options = {**LAYER, "relevance_gate": True, "cell_clip": 0.8, "projection_clip": 0.7}
    options |= {"recurrent_mask": m, "zoneout": {"h": d, "c": 0.25}}
    w, (h, c) = make("lstm", options, peephole=True, projection=U)
    x = normal(90, B, D)
    R, gain = w["recurrent_kernel"], w["recurrent_gain"]
    not_c = [0, 1, 2, 3, 6, 7, 8, 9]
    xi, xf, xc, xo, xr = np.split(norm(x @ w["kernel"]) * w["kernel_gain"] + w["bias"], 5, -1)
    hi, hf, ho, hr = np.split(norm((h * m) @ R[:, not_c]) * gain[not_c], 4, -1)
    pi, pf, po = w["peephole"]
    hc = norm((s(xr + hr) * h * m) @ R[:, 4:6]) * gain[4:6]
    new_c = s(xf + hf + pf * c) * c + s(xi + hi + pi * c) * np.tanh(xc + hc)
    new_c = np.clip(new_c, -0.8, 0.8)
    shown = np.tanh(norm(new_c) * w["cell_gain"] + w["cell_shift"])
    new_h = np.clip((s(xo + ho + po * new_c) * shown) @ w["projection_kernel"], -0.7, 0.7)

    step = cells.lstm(Node(x), (Node(h), Node(c)), {k: Node(v) for k, v in w.items()}, options)
    output, (got_h, got_c) = step
    np.testing.assert_allclose(got_h.value, d * h + (1 - d) * new_h, rtol=1e-12)
    np.testing.assert_allclose(got_c.value, 0.25 * c + 0.75 * new_c, rtol=1e-12)
    assert output is got_h


@pytest.mark.parametrize("after", [True, False])
def test_a_normalised_gru_step_written_out(after):
    m = 2.0 * draw(73, B, U)
    options = {**LAYER, "reset_after": after, "recurrent_mask": m}
    w, (h,) = make("gru", options)
    x, (K, R) = normal(90, B, D), (w["kernel"], w["recurrent_kernel"])
    kg, rg = w["kernel_gain"], w["recurrent_gain"]
    b0, b1 = w["bias"] if after else (w["bias"], np.zeros(3 * U))
    pre = norm(x @ K[:, :4]) * kg[:4] + norm((h * m) @ R[:, :4]) * rg[:4] + b0[:4] + b1[:4]
    z, r = np.split(s(pre), 2, -1)
    if after:
        recurrent = r * (norm((h * m) @ R[:, 4:]) * rg[4:] + b1[4:])
    else:
        recurrent = norm((r * h * m) @ R[:, 4:]) * rg[4:]
    new = z * h + (1 - z) * np.tanh(norm(x @ K[:, 4:]) * kg[4:] + b0[4:] + recurrent)
    got, _ = cells.gru(Node(x), (Node(h),), {k: Node(v) for k, v in w.items()}, options)
    np.testing.assert_allclose(got.value, new, rtol=1e-12)


def outputs_of(cell, weights, states, options, **kwargs):
    x = normal(90, B, T, D)
    return sequence.run(getattr(cells, cell), x, states, weights, options, **kwargs)[0].value


def test_lstm_with_relevance_coupled_open_and_linear_is_the_gru():
    """c = h: gates i, c, o, r of the LSTM are 1 - z, candidate, 1, r of reset_after=False."""
    w, (h,) = make("gru", {"reset_after": False})
    z, r, cand = (slice(k * U, (k + 1) * U) for k in range(3))
    lstm = {
        name: np.concatenate(
            [-w[name][..., z], w[name][..., cand], 0 * w[name][..., z], w[name][..., r]], -1
        )
        for name in ("kernel", "recurrent_kernel", "bias")
    }
    lstm["bias"][2 * U : 3 * U] = 40.0  # sigmoid is exactly 1
    options = {"relevance_gate": True, "coupled_gates": True, "output_activation": "linear"}
    gru_outputs = outputs_of("gru", w, [h], {"reset_after": False})
    np.testing.assert_allclose(outputs_of("lstm", lstm, [h, h], options), gru_outputs, rtol=1e-12)


def test_ind_rnn_is_a_simple_rnn_with_a_diagonal_kernel():
    w, states = make("ind_rnn", {})
    dense = {**w, "recurrent_kernel": np.diag(w["recurrent_kernel"])}
    got = outputs_of("ind_rnn", w, states, NOISE)
    np.testing.assert_allclose(got, outputs_of("simple_rnn", dense, states, NOISE))


def test_minimal_gru_is_a_gru_with_one_gate():
    """z = 1 - f, r = f."""
    w, states = make("minimal_gru", {})
    gru = {name: np.concatenate([-v[..., :U], v], -1) for name, v in w.items()}
    got = outputs_of("minimal_gru", w, states, NOISE)
    want = outputs_of("gru", gru, states, {"reset_after": False, **NOISE})
    np.testing.assert_allclose(got, want)


def test_coupled_lstm_is_an_lstm_whose_f_is_the_opposite_of_i():
    options = {"coupled_gates": True}
    w, states = make("lstm", options, peephole=True)
    full = {
        name: np.concatenate([v[..., :U], -v[..., :U], v[..., U:]], -1) for name, v in w.items()
    }
    i, o = w["peephole"]
    full["peephole"] = np.stack([i, -i, o])
    got = outputs_of("lstm", w, states, options)
    np.testing.assert_allclose(got, outputs_of("lstm", full, states, {}))


def test_zero_peepholes_and_an_identity_projection_change_nothing():
    w, states = make("lstm", {})
    more = {**w, "peephole": np.zeros((3, U)), "projection_kernel": np.eye(U)}
    got = outputs_of("lstm", more, states, {})
    np.testing.assert_allclose(got, outputs_of("lstm", w, states, {}))


def test_noise_by_step_is_laid_over_the_options():
    """With every unit kept but at the second step, only that step is new."""
    w, (h,) = make("simple_rnn", {})
    keep, renew = ({"zoneout": {"h": np.full((B, U), d)}} for d in (1.0, 0.0))
    got = outputs_of("simple_rnn", w, [h], keep, noise=[{}, renew, {}])
    new = np.tanh(normal(90, B, T, D)[:, 1] @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"])
    np.testing.assert_allclose(got, np.stack([h, new, new], axis=1))


def test_no_steps():
    w, states = make("lstm", {}, projection=P)
    outputs, last, final = sequence.run(cells.lstm, np.zeros((B, 0, D)), states, w, {})
    assert outputs.shape == (B, 0, P)
    np.testing.assert_array_equal(last.value, np.zeros((B, P)))
    np.testing.assert_array_equal(final[1].value, states[1])


# --- stock Keras ----------------------------------------------------------------------------------

MASK = np.array(
    [
        [0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1],
        [1, 0, 1, 1, 0],
        [0, 1, 0, 1, 1],
        [0, 0, 1, 1, 1],
        [1, 1, 1, 0, 0],
        [0, 0, 1, 0, 0],
    ],
    dtype=bool,
)
STOCK = {
    "simple_rnn": ("SimpleRNN", {}, True),
    "simple_rnn_relu": ("SimpleRNN", {"activation": "relu"}, False),
    "gru_after": ("GRU", {"reset_after": True}, True),
    "gru_before": ("GRU", {"reset_after": False, "activation": "softsign"}, True),
    "gru_no_bias": ("GRU", {"recurrent_activation": "hard_sigmoid"}, False),
    "lstm": ("LSTM", {}, True),
    "lstm_hard": ("LSTM", {"recurrent_activation": "hard_sigmoid", "activation": "relu"}, False),
}


@pytest.mark.parametrize("name", STOCK)
def test_cell_against_stock_keras(name):
    import keras
    import tensorflow as tf

    class_name, options, use_bias = STOCK[name]
    cell = {"SimpleRNN": "simple_rnn", "GRU": "gru", "LSTM": "lstm"}[class_name]
    weights, states = make(cell, options, use_bias=use_bias)
    rows, steps = MASK.shape
    x, states = normal(80, rows, steps, D), [normal(81 + k, rows, U) for k in range(len(states))]
    cotangent = normal(83, rows, steps, U)
    more = {} if class_name == "SimpleRNN" else {"use_cudnn": False}

    for mask, go_backwards in [(None, False), (MASK, False), (MASK, True)]:
        layer = getattr(keras.layers, class_name)(
            U,
            return_sequences=True,
            return_state=True,
            go_backwards=go_backwards,
            use_bias=use_bias,
            dtype="float64",
            **options,
            **more,
        )
        layer.build(x.shape)
        layer.set_weights(list(weights.values()))
        inputs = [tf.constant(array) for array in (x, *states)]
        with tf.GradientTape() as tf_tape:
            tf_tape.watch(inputs)
            outputs, *final = layer(inputs[0], initial_state=inputs[1:], mask=mask)
            loss = tf.reduce_sum(outputs * cotangent)
        grads = tf_tape.gradient(loss, [*inputs, *[w.value for w in layer.trainable_weights]])
        result = sequence.loss_and_gradients(
            getattr(cells, cell),
            x,
            states,
            weights,
            options,
            cotangent,
            mask=mask,
            go_backwards=go_backwards,
        )
        ours = [
            result.outputs,
            *result.states,
            result.x_gradient,
            *result.state_gradients,
            *result.weight_gradients.values(),
        ]
        for got, want in zip(ours, [outputs, *final, *grads], strict=True):
            np.testing.assert_allclose(got, want.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("return_sequences", [True, False])
def test_zero_output_for_mask_against_stock_keras(return_sequences):
    import keras

    weights, (state,) = make("simple_rnn", {})
    x, state = normal(80, *MASK.shape, D), normal(81, len(MASK), U)
    for go_backwards in (False, True):
        layer = keras.layers.SimpleRNN(
            U,
            return_sequences=return_sequences,
            go_backwards=go_backwards,
            zero_output_for_mask=True,
            dtype="float64",
        )
        layer.build(x.shape)
        layer.set_weights(list(weights.values()))
        theirs = layer(x, initial_state=[state], mask=MASK).numpy()
        settings = {"mask": MASK, "go_backwards": go_backwards, "zero_output_for_mask": True}
        outputs, last, _ = sequence.run(cells.simple_rnn, x, [state], weights, {}, **settings)
        np.testing.assert_allclose((outputs if return_sequences else last).value, theirs)
