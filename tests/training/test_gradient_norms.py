"""GradientNorms against gradients taken by hand."""

import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr
from keras_recurrent.training.gradient_norms import owners_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 5, 3)).astype("float32")
Y = RNG.normal(size=(6, 2)).astype("float32")


def _small():
    layers = [keras.Input((5, 3)), kr.SimpleRNN(2, name="one", engine="loop")]
    return keras.Sequential([*layers, keras.layers.Dense(2, name="out")])


def _model(dtype="float32", embed=False, engine="loop"):
    options = {"dtype": dtype, "engine": engine}
    first = [keras.Input((5,), dtype="int32"), keras.layers.Embedding(9, 3)] if embed else []
    return keras.Sequential(
        [
            *(first or [keras.Input((5, 3))]),
            kr.LSTM(4, return_sequences=True, name="one", **options),
            kr.Bidirectional(kr.GRU(3, name="two", **options), name="both", dtype=dtype),
            keras.layers.Dense(2, name="out", dtype="float32"),
        ]
    )


LAYERS = ["one", "forward_two", "backward_two", "out"]


def _by_hand(model, x=X, y=Y):
    """Norms of the gradient of the mean squared error."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x) - y) ** 2)
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    squares = {}
    for variable, gradient in zip(model.trainable_weights, gradients, strict=True):
        name = next(n for n in LAYERS if n in variable.path)
        squares.setdefault(name, 0.0)
        squares[name] += np.sum(tf.convert_to_tensor(gradient).numpy() ** 2)
    norms = {f"gradient_norm/{name}": np.sqrt(square) for name, square in squares.items()}
    return {"gradient_norm": np.sqrt(sum(squares.values())), **norms}


def _logged(history):
    return {k: v for k, v in history.history.items() if k.startswith("gradient_norm")}


def _agree(logged, expected, tolerance=1e-4, epoch=0):
    assert list(logged) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(logged[name][epoch], value, rtol=tolerance)


OPTIMIZERS = {
    "plain": {},
    "scaled": {"loss_scale_factor": 1024.0},
    "clipped": {"global_clipnorm": 1e-3},
    "accumulated": {"gradient_accumulation_steps": 2},
    "decayed": {"weight_decay": 0.1, "use_ema": True},
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_norms_of_the_plain_gradient(kind):
    jit_compile = kind == "plain"
    model = _model(engine="auto" if jit_compile else "loop")
    expected = _by_hand(model)
    optimizer = keras.optimizers.SGD(0.01, **OPTIMIZERS[kind])
    model.compile(optimizer, "mse", jit_compile=jit_compile)
    history = model.fit(X, Y, verbose=0, callbacks=[kr.training.GradientNorms()])
    _agree(_logged(history), expected)


def test_the_epoch_has_the_mean_over_its_steps_every_batch_its_own(tmp_path):
    model = _small()
    parts = [slice(0, 2), slice(2, 4), slice(4, 6)]
    expected = [_by_hand(model, X[p], Y[p]) for p in parts]
    model.compile(keras.optimizers.SGD(0.0), "mse")
    seen = []
    callbacks = [
        kr.training.GradientNorms(every_batch=True),
        keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: seen.append(dict(logs))),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    history = model.fit(X, Y, 2, 2, verbose=0, shuffle=False, callbacks=callbacks)
    for logs, norms in zip(seen, expected * 2, strict=True):
        _agree({k: [v] for k, v in logs.items() if k in norms}, norms)
    mean = {name: np.mean([norms[name] for norms in expected]) for name in expected[0]}
    for epoch in range(2):
        _agree(_logged(history), mean, epoch=epoch)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[1]["gradient_norm/one"]) == history.history["gradient_norm/one"][1]


def test_loss_scaling_is_taken_off_and_skipped_steps_do_not_count():
    model = _model("mixed_float16")
    expected = _by_hand(model)
    inner = keras.optimizers.SGD(0.0)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**40)
    model.compile(optimizer, "mse")
    history = model.fit(X, Y, epochs=30, verbose=0, callbacks=[kr.training.GradientNorms()])
    logged = _logged(history)
    assert np.isnan(logged["gradient_norm"][0])
    assert float(optimizer.dynamic_scale) < 2.0**40
    _agree(logged, expected, tolerance=3e-2, epoch=-1)


def test_training_goes_the_same_way_and_is_traced_once():
    traces, weights, models = [], [], []

    def loss(y, p):
        traces.append(1)
        return keras.losses.mean_squared_error(y, p)

    for callbacks in ([], [kr.training.GradientNorms()]):
        keras.utils.set_random_seed(3)
        model = _small()
        model.compile("adam", loss, steps_per_execution=2)
        counts = []
        counter = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda *_, c=counts: c.append(len(traces))
        )
        model.fit(X, Y, 2, 3, verbose=0, shuffle=False, callbacks=[*callbacks, counter])
        assert counts[0] == counts[-1]
        weights.append(model.get_weights())
        models.append(model)
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
    model = models[1]
    assert "apply" not in vars(model.optimizer)
    names = [[v.path for v in m.optimizer.variables] for m in models]
    assert len(names[0]) == len(names[1])


def test_files_written_during_fit(tmp_path):
    model = _small()
    model.compile("adam", "mse")
    path = tmp_path / "model.keras"
    callbacks = [kr.training.GradientNorms(), keras.callbacks.ModelCheckpoint(path)]
    model.fit(X, Y, verbose=0, callbacks=callbacks)
    loaded = keras.models.load_model(path)
    assert type(loaded.optimizer) is keras.optimizers.Adam
    assert len(loaded.optimizer.variables) == len(model.optimizer.variables)
    history = loaded.fit(X, Y, verbose=0, callbacks=[kr.training.GradientNorms()])
    assert len(_logged(history)) == 3


def test_a_second_fit_with_and_without():
    model = _small()
    model.compile(keras.optimizers.SGD(0.0), "mse")
    assert not _logged(model.fit(X, Y, verbose=0))
    expected = _by_hand(model)
    callback = kr.training.GradientNorms()
    for _ in range(2):
        _agree(_logged(model.fit(X, Y, verbose=0, callbacks=[callback])), expected)
    assert not _logged(model.fit(X, Y, verbose=0))


def test_after_an_interrupted_fit():
    model = _small()
    model.compile(keras.optimizers.SGD(0.0), "mse")

    def stop(batch, logs=None):
        raise KeyboardInterrupt

    stopper = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, verbose=0, callbacks=[kr.training.GradientNorms(), stopper])
    callbacks = [kr.training.GradientNorms() for _ in range(2)]
    history = model.fit(X, Y, verbose=0, callbacks=callbacks)
    _agree(_logged(history), _by_hand(model))
    for callback in callbacks:
        assert callback._steps.numpy() == 1
    assert "apply" not in vars(model.optimizer)


def test_an_apply_of_your_own_stays():
    model = _small()
    optimizer = keras.optimizers.SGD(0.0)
    model.compile(optimizer, "mse")
    inner, seen = optimizer.apply, []

    def mine(grads, trainable_variables=None):
        seen.append(len(grads))
        return inner(grads, trainable_variables)

    optimizer.apply = mine
    _agree(
        _logged(model.fit(X, Y, verbose=0, callbacks=[kr.training.GradientNorms()])),
        _by_hand(model),
    )
    assert seen
    assert optimizer.apply is mine


def test_variables_outside_the_model_count_together():
    class Shifted(keras.Model):
        def __init__(self, shift):
            super().__init__()
            self.layer = keras.layers.Dense(2, name="out")
            self.shift = shift

        def call(self, x):
            return self.layer(x[:, 0])

        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x) + self.shift() - y) ** 2)
            variables = [*self.trainable_variables, shift]
            gradients = tape.gradient(loss, [v.value for v in variables])
            self.optimizer.apply(gradients, variables)
            return {"loss": loss}

    shift = keras.Variable(np.zeros(2, "float32"))
    model = Shifted(lambda: shift.value)
    model.compile(keras.optimizers.SGD(0.0))
    error = np.mean(model(X).numpy() - Y, 0)  # the gradient of the mean over rows and two outputs
    model.optimizer.build([*model.trainable_variables, shift])
    logged = _logged(model.fit(X, Y, verbose=0, callbacks=[kr.training.GradientNorms()]))
    assert list(logged) == [
        "gradient_norm",
        "gradient_norm/out",
        "gradient_norm/outside_the_model",
    ]
    outside = logged["gradient_norm/outside_the_model"][0]
    np.testing.assert_allclose(outside, np.linalg.norm(error), rtol=1e-5)


def test_embeddings_with_rows_read_twice():
    """Their gradients are slices, several for one row."""
    model = _model(embed=True)
    ids = np.array([[1, 1, 2, 1, 0]] * 6)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(ids) - Y) ** 2)
    table = model.layers[0].embeddings
    expected = np.linalg.norm(tf.convert_to_tensor(tape.gradient(loss, table.value)))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    history = model.fit(ids, Y, verbose=0, callbacks=[kr.training.GradientNorms()])
    np.testing.assert_allclose(
        _logged(history)[f"gradient_norm/{model.layers[0].name}"][0], expected, rtol=1e-5
    )


def test_frozen_layers_have_no_norm():
    model = _small()
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    history = model.fit(X, Y, verbose=0, callbacks=[kr.training.GradientNorms()])
    assert list(_logged(history)) == ["gradient_norm", "gradient_norm/out"]


def test_names_inside_stacks_wrappers_and_twice():
    inner = keras.Sequential([keras.Input((5, 3)), keras.layers.Dense(3, name="same")])
    model = keras.Sequential(
        [
            keras.Input((5, 3)),
            inner,
            keras.layers.Dense(3, name="same"),
            keras.layers.TimeDistributed(keras.layers.Dense(3, name="each")),
            kr.Stack(
                [kr.GRU(2, return_sequences=True, name="low"), kr.RNN(kr.LSTMCell(2), name="high")]
            ),
        ]
    )
    names = list(dict.fromkeys(owners_of(model).values()))
    assert len(names) == 5
    assert names[2:] == ["each", "low", "high"]
    assert all(name.endswith("same") for name in names[:2])


def test_needs_an_optimizer():
    with pytest.raises(ValueError, match="every_batch"):
        kr.training.GradientNorms(every_batch=3)
    model = _model()
    callback = kr.training.GradientNorms()
    callback.set_model(model)
    with pytest.raises(ValueError, match="compiled with an optimizer"):
        callback.on_train_begin()
