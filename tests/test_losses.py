"""SumOverTime against NumPy, and within fit."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr
from keras_recurrent.keras_hooks import attach_mask

BATCH, STEPS, CLASSES = 4, 5, 3
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 1], [0, 0, 0, 0, 0]], bool)
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(BATCH, STEPS, CLASSES)).astype("float32")
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
LABELS = RNG.integers(CLASSES, size=(BATCH, STEPS))
ONE_HOT = np.eye(CLASSES, dtype="float32")[LABELS]
NUMBERS = RNG.normal(size=(BATCH, STEPS, CLASSES)).astype("float32")
CROSS_ENTROPY = -np.log(np.take_along_axis(PROBABILITIES, LABELS[..., None], -1)[..., 0])
SQUARES = ((NUMBERS - LOGITS) ** 2).mean(-1)
FORMS = {
    "name": ("mse", NUMBERS, LOGITS, SQUARES),
    "class": (keras.losses.MeanSquaredError, NUMBERS, LOGITS, SQUARES),
    "class name": ("MeanSquaredError", NUMBERS, LOGITS, SQUARES),
    "function": (
        keras.losses.sparse_categorical_crossentropy,
        LABELS,
        PROBABILITIES,
        CROSS_ENTROPY,
    ),
    "labels with an axis": (
        "sparse_categorical_crossentropy",
        LABELS[..., None],
        PROBABILITIES,
        CROSS_ENTROPY,
    ),
    "instance": (
        keras.losses.CategoricalCrossentropy(from_logits=True, reduction="sum"),
        ONE_HOT,
        LOGITS,
        CROSS_ENTROPY,
    ),
    "own function": (lambda y, p: (y - p) ** 2, NUMBERS, LOGITS, SQUARES),
}


def _masked(y_pred, mask=MASK):
    y_pred = tf.constant(y_pred)
    attach_mask(y_pred, tf.constant(mask))
    return y_pred


@pytest.mark.parametrize("form", FORMS)
def test_the_mean_over_rows_of_the_sum_over_time(form):
    loss, y, p, steps = FORMS[form]
    ours = kr.losses.SumOverTime(loss)
    np.testing.assert_allclose(ours(y, p), steps.sum() / BATCH, rtol=1e-5)
    np.testing.assert_allclose(ours.call(y, p), steps, rtol=1e-5, atol=1e-6)
    if isinstance(loss, keras.losses.Loss):
        assert (loss.reduction, ours.loss) == ("sum", loss)


@pytest.mark.parametrize("form", FORMS)
def test_masked_steps_and_rows_are_left_out(form):
    loss, y, p, steps = FORMS[form]
    ours = kr.losses.SumOverTime(loss)
    np.testing.assert_allclose(ours(y, _masked(p)), (steps * MASK).sum() / 3, rtol=1e-5)
    kept = ours(y[:3], _masked(p[:3], MASK[:3]))
    np.testing.assert_allclose(ours(y, _masked(p)), kept, rtol=1e-6)
    assert float(ours(y, _masked(p, 0 * MASK))) == 0


@pytest.mark.parametrize("masked", [False, True])
def test_sample_weights(masked):
    rows = np.array([0.5, 2, 0, 1], "float32")
    steps = RNG.uniform(size=(BATCH, STEPS)).astype("float32")
    p, valid, count = (_masked(LOGITS), MASK, 3) if masked else (LOGITS, 1, BATCH)
    loss = kr.losses.SumOverTime("mse")
    for weights, wide in [
        (rows, rows[:, None]),
        (rows[:, None], rows[:, None]),
        (steps, steps),
        (steps[..., None], steps),
    ]:
        expected = (SQUARES * valid * wide).sum() / count
        np.testing.assert_allclose(loss(NUMBERS, p, weights), expected, rtol=1e-5)


def test_reductions():
    y, p = NUMBERS, _masked(LOGITS)
    rows = (SQUARES * MASK).sum(1)
    for reduction in ("none", None):
        np.testing.assert_allclose(kr.losses.SumOverTime("mse", reduction)(y, p), rows, rtol=1e-5)
    np.testing.assert_allclose(kr.losses.SumOverTime("mse", "sum")(y, p), rows.sum(), rtol=1e-5)


@pytest.mark.parametrize(("y_axes", "p_axes"), [(2, 2), (2, 3), (3, 2), (3, 3)])
@pytest.mark.parametrize("loss", ["mse", keras.losses.BinaryCrossentropy(from_logits=True)])
def test_one_number_a_step_with_or_without_its_axis(loss, y_axes, p_axes):
    y, p = (NUMBERS[..., 0] > 0).astype("float32"), LOGITS[..., 0]
    steps = (y - p) ** 2 if loss == "mse" else np.log1p(np.exp(p)) - y * p
    y, p = (a[..., None] if axes == 3 else a for a, axes in ((y, y_axes), (p, p_axes)))
    np.testing.assert_allclose(
        kr.losses.SumOverTime(loss)(y, _masked(p)), (steps * MASK).sum() / 3, rtol=1e-5
    )


def test_more_axes_than_features():
    y, p = NUMBERS[..., None] * np.ones(2, "float32"), LOGITS[..., None] * np.ones(2, "float32")
    np.testing.assert_allclose(kr.losses.SumOverTime("mse")(y, p), SQUARES.sum() / BATCH, rtol=1e-5)


def test_whatever_stands_in_masked_targets():
    y = np.where(MASK[..., None], NUMBERS, np.nan)
    labels = np.where(MASK, LABELS, -1)
    p = tf.Variable(PROBABILITIES)
    with tf.GradientTape(persistent=True) as tape:
        masked = tf.identity(p)
        attach_mask(masked, tf.constant(MASK))
        losses = [
            kr.losses.SumOverTime("mse")(y, masked),
            kr.losses.SumOverTime("sparse_categorical_crossentropy")(labels, masked),
        ]
    for loss in losses:
        assert np.isfinite(loss)
        gradient = tape.gradient(loss, p).numpy()
        assert np.isfinite(gradient).all()
        assert not gradient[~MASK].any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_single(dtype):
    long = np.full((2, 3000, 1), 10.0)  # a sum of 300000, beyond float16
    for loss in ("mse", keras.losses.MeanSquaredError(dtype=dtype)):
        value = kr.losses.SumOverTime(loss)(0 * long, tf.cast(long, dtype))
        assert value.dtype == tf.float32
        assert float(value) == 300000
    assert kr.losses.SumOverTime("mse", dtype=dtype).dtype == "float32"
    assert kr.losses.SumOverTime("mse", dtype="float64")(long, 0 * long).dtype == tf.float64


def _model(**layer):
    return keras.Sequential(
        [
            keras.Input((STEPS, 2)),
            keras.layers.Masking(),
            kr.GRU(4, return_sequences=True, **layer),
            keras.layers.Dense(CLASSES),
        ]
    )


def _inputs():
    return RNG.normal(size=(BATCH, STEPS, 2)).astype("float32") * MASK[..., None]


@pytest.mark.parametrize(
    ("weighted", "options"),
    [
        (None, {}),
        ("rows", {"run_eagerly": True}),
        ("steps", {"jit_compile": True}),
        ("steps", {"steps_per_execution": 2}),
    ],
)
def test_fit_sees_mask_and_weights(weighted, options):
    model, x = _model(), _inputs()
    weights = RNG.uniform(size=(BATCH, STEPS)).astype("float32")
    forms = {None: (None, 1), "rows": (weights[:, 0], weights[:, :1]), "steps": (weights, weights)}
    given, wide = forms[weighted]
    steps = ((NUMBERS - model(x).numpy()) ** 2).mean(-1) * MASK
    model.compile(keras.optimizers.SGD(0.0), kr.losses.SumOverTime("mse"), **options)
    history = model.fit(x, NUMBERS, sample_weight=given, batch_size=BATCH, verbose=0)
    np.testing.assert_allclose(history.history["loss"], (steps * wide).sum() / 3, rtol=1e-5)


def test_the_gradient_is_that_of_the_sum():
    model, x = _model(), _inputs()
    model.compile(keras.optimizers.SGD(1.0), kr.losses.SumOverTime("mse"))
    before = [w.numpy() for w in model.trainable_weights]
    with tf.GradientTape() as tape:
        steps = tf.reduce_mean((NUMBERS - model(x)) ** 2, -1)
        loss = tf.reduce_sum(steps * MASK) / 3
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    model.fit(x, NUMBERS, batch_size=BATCH, verbose=0)
    for old, new, gradient in zip(before, model.trainable_weights, gradients, strict=True):
        np.testing.assert_allclose(old - new.numpy(), gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_in_fit(policy):
    model, x = _model(dtype=policy), _inputs()
    optimizer = keras.optimizers.Adam(0.03)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, kr.losses.SumOverTime("mse"))
    losses = model.fit(x, NUMBERS, epochs=20, batch_size=BATCH, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_one_loss_for_several_outputs():
    inputs = keras.Input((STEPS, 2))
    h = kr.GRU(4, return_sequences=True)(inputs)
    model = keras.Model(inputs, [keras.layers.Dense(3)(h), keras.layers.Dense(3)(h)])
    loss = kr.losses.SumOverTime("mse")
    model.compile("sgd", [loss, loss], loss_weights=[1.0, 0.5])
    x = _inputs()
    expected = [float(loss(NUMBERS, p)) for p in model.predict(x, verbose=0)]
    result = model.evaluate(x, [NUMBERS, NUMBERS], verbose=0)
    np.testing.assert_allclose(result[0], expected[0] + 0.5 * expected[1], rtol=1e-5)


@pytest.mark.parametrize("form", ["name", "function", "instance"])
def test_saved_with_the_model(form, tmp_path):
    loss, y, _, _ = FORMS[form]
    model = keras.Sequential([keras.Input((STEPS, 2)), keras.layers.Dense(CLASSES)])
    x = _inputs()
    model.compile("sgd", kr.losses.SumOverTime(loss, name="sequence"))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.loss, kr.losses.SumOverTime)
    assert loaded.loss.get_config() == model.loss.get_config()
    expected = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(loaded.evaluate(x, y, verbose=0), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "loss", ["nonsense", None, 3, int, kr.losses.SumOverTime("mse"), kr.losses.SumOverTime]
)
def test_refuses_what_is_no_loss_of_a_step(loss):
    with pytest.raises(ValueError, match="Received: loss="):
        kr.losses.SumOverTime(loss)


@pytest.mark.parametrize(
    ("y", "p", "weights", "text"),
    [
        (LABELS[:, 0], LOGITS, None, "`y_true` must have an axis of time"),
        (LABELS, LOGITS[:, 0, 0], None, "`y_pred` must have an axis of time.*return_sequences"),
        (NUMBERS[:, :3], LOGITS, None, "same rows and time steps"),
        (NUMBERS[:2], LOGITS, None, "same rows and time steps"),
        (NUMBERS, LOGITS, np.ones(3), "`sample_weight`.*Received"),
        (NUMBERS, LOGITS, np.ones((BATCH, 2)), "`sample_weight`.*Received"),
        (NUMBERS, LOGITS, np.ones((BATCH, STEPS, 2)), "`sample_weight`.*Received"),
    ],
)
def test_refuses_wrong_shapes(y, p, weights, text):
    with pytest.raises(ValueError, match=text):
        kr.losses.SumOverTime("mse")(y, p, weights)


def test_refuses_a_loss_that_mixes_time_steps():
    def mixed(y, p):
        return keras.ops.mean((y - p) ** 2)

    with pytest.raises(ValueError, match=r"number for each row and time step.*Received: mixed"):
        kr.losses.SumOverTime(mixed)(NUMBERS, LOGITS)


def test_refuses_other_reductions():
    for reduction in ("mean_with_sample_weight", "average"):
        with pytest.raises(ValueError, match="Received: reduction"):
            kr.losses.SumOverTime("mse", reduction)


def test_forgotten_return_sequences_is_refused_in_fit():
    model = keras.Sequential([keras.Input((STEPS, 2)), kr.GRU(4), keras.layers.Dense(CLASSES)])
    model.compile("sgd", kr.losses.SumOverTime("mse"))
    with pytest.raises(ValueError, match="same rows and time steps"):
        model.fit(_inputs(), NUMBERS, verbose=0)
