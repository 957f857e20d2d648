"""Runs a case of the registry through a layer and holds it against the NumPy truth."""

import keras
import numpy as np
import tensorflow as tf
from conformance.registry import CellCase, oracle_noise, oracle_weights, variables
from oracle import sequence

import keras_recurrent as kr
from keras_recurrent import engines

BATCH, STEPS = 3, 5

MASKS = {
    "none": None,
    "right": [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]],
    "left": [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]],
    "holes": [[1, 0, 1, 0, 1], [0, 1, 1, 0, 0], [1, 1, 0, 1, 1]],
    "empty_row": [[1, 1, 1, 1, 0], [0, 0, 0, 0, 0], [0, 1, 1, 1, 1]],
}

# Largest difference allowed, as a share of the largest value: forward, gradient. A few thousand
# roundings of the type's own step size; both 16-bit types round the weights themselves, too.
TOLERANCES = {
    "float64": (1e-12, 1e-11),
    "float32": (3e-6, 2e-5),
    "mixed_float16": (1e-2, 3e-2),
    "mixed_bfloat16": (6e-2, 2e-1),
}

# Half a unit in the last place of the 16-bit types.
ROUNDING = {"mixed_float16": 2**-11, "mixed_bfloat16": 2**-8}


def check(
    case: CellCase,
    engine: str,
    mask: str,
    state: str,
    direction: str,
    dtype: str,
    execution: str = "eager",
    zero_masked: bool = False,
    training: bool = False,
) -> None:
    rng = np.random.default_rng(7)
    layer, cell = _layer(case, engine, direction, dtype, zero_masked, rng)
    x = _rounded(rng.normal(size=(BATCH, STEPS, case.features)), layer.compute_dtype)
    sizes = tf.nest.flatten(cell.state_size)
    states = [rng.normal(size=(BATCH, n)) * (state == "given") for n in sizes]
    states = [_rounded(value, layer.compute_dtype) for value in states]
    valid = None if MASKS[mask] is None else np.array(MASKS[mask], bool)
    cotangent = rng.normal(size=(BATCH, STEPS, cell.output_size))
    state_cotangents = [rng.normal(size=s.shape) for s in states]
    noise = cell.draw(BATCH, STEPS, training)
    cell.draw = lambda *_: noise  # the same masks for both
    fixed, steps = oracle_noise(cell, noise, STEPS)
    # Expected values of zoneout serve inference only.
    options = {k: v for k, v in case.options.items() if not (training and k == "zoneout")}

    def truth_of(x, weights):
        return sequence.loss_and_gradients(
            case.step,
            x,
            states,
            weights,
            {**options, **fixed},
            cotangent,
            state_cotangents,
            mask=valid,
            go_backwards=direction == "backward",
            zero_output_for_mask=zero_masked,
            noise=steps,
        )

    weights = oracle_weights(cell)
    truth = truth_of(x, weights)
    outputs, final, gradients = _run(
        layer, x, states, valid, cotangent, state_cotangents, training, execution, engine
    )
    forward, backward = TOLERANCES[dtype]
    if dtype in ROUNDING:
        spread = _spread(truth, truth_of, x, weights, ROUNDING[dtype])
        forward, backward = max(forward, 4 * spread[0]), max(backward, 4 * spread[1])
    _close(outputs, truth.outputs, forward, "outputs")
    for got, expected in zip(final, truth.states, strict=True):
        _close(got, expected, forward, "states")
    if engine == "portable":
        return
    expected = dict(truth.weight_gradients)
    expected["x"] = truth.x_gradient
    for name in expected:
        _close(gradients[name], expected[name], backward, f"gradient of {name}")
    if state == "given":
        for got, wanted in zip(gradients["states"], truth.state_gradients, strict=True):
            _close(got, wanted, backward, "gradient of the initial state")


def _layer(case, engine, direction, dtype, zero_masked, rng):
    cell = case.make(dtype=dtype)
    layer = kr.RNN(
        cell,
        return_sequences=True,
        return_state=True,
        go_backwards=direction == "backward",
        zero_output_for_mask=zero_masked,
        engine="loop" if engine == "portable" else engine,
        dtype=dtype,
    )
    layer.build((BATCH, STEPS, case.features))
    for variable in cell.trainable_variables:
        variable.assign(variable + 0.3 * rng.normal(size=variable.shape))
    return layer, cell


def _run(layer, x, states, valid, cotangent, state_cotangents, training, execution, engine):
    dtype = layer.compute_dtype
    wanted = variables(layer.cell)
    given = any(np.any(s) for s in states)

    def forward_and_gradient(x, *states):
        with tf.GradientTape() as tape:
            tape.watch([x, *states])
            initial = list(states) if given else None
            output, *final = layer(x, initial_state=initial, mask=valid, training=training)
            parts = zip([output, *final], [cotangent, *state_cotangents], strict=True)
            loss = sum(
                tf.reduce_sum(tf.cast(tensor, "float64") * weight) for tensor, weight in parts
            )
        if engine == "portable":
            return output, final, {}
        sources = {**{n: v.value for n, v in wanted.items()}, "x": x, "states": list(states)}
        gradients = tape.gradient(loss, sources, unconnected_gradients="zero")
        return output, final, gradients

    arguments = [tf.constant(value, dtype) for value in [x, *states]]
    function = {
        "eager": lambda f: f,
        "graph": tf.function,
        "dynamic": lambda f: tf.function(f, input_signature=[_open(a) for a in arguments]),
        "xla": lambda f: tf.function(f, jit_compile=True),
    }[execution](forward_and_gradient)
    if engine == "portable":
        with engines.lowering("loop"):
            return function(*arguments)
    return function(*arguments)


def _spread(truth, truth_of, x, weights, rounding):
    """How far the truth itself moves, forward and gradient, when its inputs are rounded.

    A layer that computes in 16 bits cannot be closer than that: layer normalisation of nearly equal
    values and clips at their border amplify a rounding many times.
    """
    rng = np.random.default_rng(11)
    jitter = lambda v: v * (1 + rounding * rng.uniform(-1, 1, v.shape))  # noqa: E731
    forward, backward = 0.0, 0.0
    for _ in range(4):
        moved = truth_of(jitter(x), {name: jitter(value) for name, value in weights.items()})
        pairs = zip([truth.outputs, *truth.states], [moved.outputs, *moved.states], strict=True)
        forward = max(forward, *(_relative(b, a) for a, b in pairs))
        gradients = [(truth.x_gradient, moved.x_gradient)]
        gradients += zip(truth.state_gradients, moved.state_gradients, strict=True)
        gradients += [(d, moved.weight_gradients[n]) for n, d in truth.weight_gradients.items()]
        backward = max(backward, *(_relative(b, a) for a, b in gradients))
    return forward, backward


def _relative(got, expected) -> float:
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    return float(np.abs(got - expected).max(initial=0.0)) / scale


def _rounded(values, dtype):
    """To the numbers that the layer reads, so that the truth starts from the same."""
    return tf.cast(tf.cast(values, dtype), "float64").numpy()


def _open(tensor):
    """A signature that fixes the feature axis only."""
    return tf.TensorSpec([None] * (tensor.shape.rank - 1) + [tensor.shape[-1]], tensor.dtype)


def _close(got, expected, tolerance, what):
    got = keras.ops.convert_to_numpy(keras.ops.cast(got, "float64"))
    assert np.all(np.isfinite(got)), f"{what}: not finite"
    difference = _relative(got, expected)
    assert difference <= tolerance, f"{what}: off by {difference:.2e}, allowed {tolerance:.1e}"
