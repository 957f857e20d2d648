"""TruncatedBPTT under fit against loops written by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from training import kit

import keras_recurrent as kr


def _layers(kind):
    keep = {"stateful": True, "return_sequences": True, "dtype": "float64"}
    if kind == "lstm":
        return [kr.LSTM(4, **keep)]
    if kind == "stack":
        return [kr.Stack([kr.GRU(4, **keep), kr.LSTM(4, **keep)], residual=True, dtype="float64")]
    if kind == "cells":
        return [kr.RNN([kr.GRUCell(4, dtype="float64"), kr.LSTMCell(3, dtype="float64")], **keep)]
    if kind == "stock":
        return [keras.layers.GRU(4, **keep)]
    cell = kr.Residual(kr.Zoneout(kr.SimpleRNNCell(kit.FEATURES, dtype="float64"), 0.0))
    return [kr.RNN(cell, **keep)]


KINDS = ["lstm", "stack", "cells", "stock", "wrapped"]


def _by_hand(model, dataset, epochs, rate=0.125):
    """Gradients of each window alone; every document's state is an array of numbers between them."""
    layers = [layer for layer in _flat(model) if isinstance(layer, keras.layers.RNN)]
    losses = []
    for _ in range(epochs):
        for x, y, w in dataset:
            for layer in layers:
                for state in tf.nest.flatten(layer.states):
                    value = state.numpy()
                    value[x["reset"].numpy() == 1] = 0
                    state.assign(value)
            with tf.GradientTape() as tape:
                error = tf.reduce_mean((model(x["inputs"], training=True) - y) ** 2, -1)
                loss = tf.reduce_sum(error * tf.cast(w, error.dtype)) / error.shape[0]
            variables = model.trainable_weights
            gradients = tape.gradient(loss, [v.value for v in variables])
            for variable, gradient in zip(variables, gradients, strict=True):
                variable.assign_sub(rate * gradient)
            losses.append(float(loss))
    return losses


def _flat(layer):
    inside = getattr(layer, "layers", [])
    return [layer, *(part for child in inside for part in _flat(child))]


class _Losses(keras.callbacks.Callback):
    """The loss of every batch."""

    def __init__(self):
        super().__init__()
        self.found = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        self.found.append(logs["loss"])


def _twin(model, kind=None):
    """With the same weights, in the engine that starts fastest."""
    twin = kit.model(*_layers(kind) if kind else ())
    for layer in _flat(twin):
        if isinstance(layer, kr.RNN):
            layer.engine = "loop"
    twin.set_weights(model.get_weights())
    return twin


@pytest.mark.parametrize("kind", KINDS)
def test_equals_a_loop_by_hand(kind):
    model = kit.model(*_layers(kind))
    twin = _twin(model, kind)
    expected = _by_hand(twin, kit.dataset(), epochs=2)
    trainer = kr.training.TruncatedBPTT(model)
    trainer.compile(keras.optimizers.SGD(0.125), kit.squares())
    losses = _Losses()
    trainer.fit(kit.dataset(), epochs=2, callbacks=[losses], verbose=0)
    np.testing.assert_allclose(losses.found, expected, rtol=1e-6)
    kit.close(kit.weights(model), kit.weights(twin))


@pytest.mark.parametrize(
    "options",
    [{"steps_per_execution": 3}, {"steps_per_execution": 100}, {"jit_compile": True}],
    ids=str,
)
def test_documents_end_inside_the_graph(options):
    model = kit.model(engine="auto")
    twin = _twin(model)
    _by_hand(twin, kit.dataset(), epochs=2)
    trainer = kr.training.TruncatedBPTT(model)
    trainer.compile(keras.optimizers.SGD(0.125), kit.squares(), **options)
    trainer.fit(kit.dataset(), epochs=2, verbose=0)
    kit.close(kit.weights(model), kit.weights(twin))


def _gradients(model, dataset):
    """The sum of the gradients of an epoch that moves no weights."""
    before = kit.weights(model)
    trainer = kr.training.TruncatedBPTT(model)
    steps = int(dataset.cardinality())
    sums = keras.optimizers.SGD(1.0, gradient_accumulation_steps=steps) if steps > 1 else None
    trainer.compile(sums or keras.optimizers.SGD(1.0), kit.squares())
    trainer.fit(dataset, verbose=0)
    return [steps * (a - b) for a, b in zip(before, kit.weights(model), strict=True)]


def _whole_gradients(model, x, y):
    """The sum over documents of the gradient of each, run by itself in full length."""
    free = kit.model(stateful=False, window=None)
    free.set_weights(model.get_weights())
    with tf.GradientTape() as tape:
        losses = [tf.reduce_sum((free(a[None]) - b) ** 2) / kit.OUTPUTS for a, b in zip(x, y)]  # noqa: B905
        loss = tf.add_n(losses) / kit.BATCH
    return tape.gradient(loss, [v.value for v in free.trainable_weights])


def test_a_window_as_long_as_the_documents_gives_the_full_gradient():
    x, y = kit.documents()
    model = kit.model(window=13)
    expected = _whole_gradients(model, x, y)
    kit.close(_gradients(model, kit.dataset(window=13)), expected)


def test_truncation_is_truncation():
    x, y = kit.documents()
    model = kit.model()
    expected = _whole_gradients(model, x, y)
    found = _gradients(model, kit.dataset())
    assert any(not np.allclose(a, b, rtol=1e-3) for a, b in zip(found, expected, strict=True))


def test_documents_know_nothing_of_each_other():
    x, _ = kit.documents()
    model = kit.model()
    trainer = kr.training.TruncatedBPTT(model)
    free = kit.model(stateful=False, window=None)
    free.set_weights(model.get_weights())
    outputs = trainer.predict(kit.dataset(), verbose=0).reshape(-1, kit.BATCH, 4, kit.OUTPUTS)
    found = []
    batches = [(b["reset"].numpy(), w.numpy() > 0) for b, _, w in kit.dataset()]
    for row in range(kit.BATCH):
        for output, (reset, valid) in zip(outputs[:, row], batches, strict=True):
            if reset[row]:
                found.append([])
            found[-1].append(output[valid[row]])
    found = [np.concatenate(parts) for parts in found if sum(map(len, parts))]
    expected = [free(document[None])[0].numpy() for document in x]
    assert len(found) == len(expected)
    for output in expected:
        assert sum(o.shape == output.shape and np.allclose(o, output) for o in found) == 1


@pytest.mark.parametrize("steps_per_epoch", [None, 3])
def test_validation_leaves_the_state_of_the_training_alone(steps_per_epoch):
    """With `steps_per_epoch` the epochs, and so the validation, end within documents."""
    model = kit.model()
    twin = _twin(model)
    other = kit.dataset(lengths=(5, 8), seed=3)
    results = []
    for one, validation in ((model, other), (twin, None)):
        trainer = kr.training.TruncatedBPTT(one)
        trainer.compile(keras.optimizers.SGD(0.125), kit.squares())
        data = kit.dataset().repeat() if steps_per_epoch else kit.dataset()
        history = trainer.fit(
            data,
            epochs=4,
            steps_per_epoch=steps_per_epoch,
            validation_data=validation,
            verbose=0,
        )
        results.append((history.history, kr.training.TruncatedBPTT(one)))
    kit.close(kit.weights(model), kit.weights(twin), 0)
    kit.close(model.layers[0].states, twin.layers[0].states, 0)
    assert np.any(model.layers[0].states[0])
    (with_validation, trainer), _ = results
    trainer.compile(loss=kit.squares())
    expected = trainer.evaluate(other, verbose=0)
    assert abs(with_validation["val_loss"][-1] - expected) < 1e-9
    assert trainer.evaluate(other, verbose=0) == expected


def test_a_functional_model_with_several_inputs_and_outputs():
    keep = {"stateful": True, "return_sequences": True, "engine": "loop"}
    ids = keras.Input(batch_shape=(2, 4), dtype="int32", name="ids")
    features = keras.Input(batch_shape=(2, 4, 3), name="features")
    h = keras.layers.Embedding(5, 3)(ids)
    h = kr.LSTM(4, **keep)(keras.layers.Concatenate()([h, features]))
    inner = keras.Sequential([keras.Input(batch_shape=(2, 4, 4)), kr.GRU(3, **keep)])
    model = keras.Model([ids, features], {"a": keras.layers.Dense(2)(h), "b": inner(h)})
    rng = np.random.default_rng(0)
    x = [{"ids": rng.integers(5, size=n), "features": rng.normal(size=(n, 3))} for n in (9, 6)]
    y = [{"a": np.ones((n, 2), "float32"), "b": np.ones((n, 3), "float32")} for n in (9, 6)]
    data = kr.training.windows(x, y, batch_size=2, window=4)
    trainer = kr.training.TruncatedBPTT(model)
    trainer.compile("adam", {"a": kr.losses.SumOverTime("mse"), "b": kr.losses.SumOverTime("mse")})
    losses = trainer.fit(data, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    outputs = trainer.predict(data, verbose=0)
    first = {name: value[None].repeat(2, 0)[:, :4] for name, value in x[0].items()}
    assert not np.allclose(outputs["b"][0], model(first)["b"][0])  # which goes on from the training
    for layer in _flat(model):
        if isinstance(layer, keras.layers.RNN):
            layer.reset_state()
    np.testing.assert_allclose(outputs["b"][0], model(first)["b"][0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    model = kit.model(dtype=policy)
    trainer = kr.training.TruncatedBPTT(model)
    optimizer = keras.optimizers.Adam(0.03)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**30)
    trainer.compile(optimizer, kr.losses.SumOverTime("mse"))
    losses = trainer.fit(kit.dataset(dtype="float32"), epochs=15, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert all(state.dtype == "float32" for state in model.layers[0].states)
    if policy == "mixed_float16":
        assert float(optimizer.dynamic_scale) < 2.0**30  # infinite gradients came and were skipped
        assert np.isfinite(np.array(model.layers[0].states)).all()


def test_the_mask_of_the_model_reaches_the_loss():
    masked = keras.layers.Masking(dtype="float64")
    keep = {"stateful": True, "return_sequences": True, "engine": "loop", "dtype": "float64"}
    model = kit.model(masked, kr.LSTM(4, **keep))
    trainer = kr.training.TruncatedBPTT(model)
    trainer.compile(keras.optimizers.SGD(0.0), kit.squares())
    x, y = kit.documents(lengths=(4, 4))
    x[0][2:] = 0
    y[0][2:] = 1e6
    data = kr.training.windows(x, y, batch_size=2, window=4)
    assert trainer.fit(data, verbose=0).history["loss"][0] < 1e3


def test_saved_and_loaded(tmp_path):
    model = kit.model()
    trainer = kr.training.TruncatedBPTT(model, name="trainer")
    trainer.compile("adam", kit.squares())
    trainer.fit(kit.dataset(), verbose=0)
    trainer.save(tmp_path / "trainer.keras")
    loaded = keras.models.load_model(tmp_path / "trainer.keras")
    assert (loaded.name, type(loaded)) == ("trainer", kr.training.TruncatedBPTT)
    for one in (trainer, loaded):  # the optimizer too
        one.fit(kit.dataset(), verbose=0)
    kit.close(kit.weights(loaded), kit.weights(trainer))
    model.save(tmp_path / "model.keras")
    kit.close(kit.weights(keras.models.load_model(tmp_path / "model.keras")), kit.weights(model))


class _Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.rnn = kr.LSTM(4, stateful=True, return_sequences=True, engine="loop")
        self.out = keras.layers.Dense(kit.OUTPUTS)

    def call(self, x, training=None):
        return self.out(self.rnn(x, training=training))


def test_a_model_that_is_not_built_yet():
    net = _Net()
    trainer = kr.training.TruncatedBPTT(net)
    trainer.compile("adam", kr.losses.SumOverTime("mse"))
    trainer.evaluate(kit.dataset(dtype="float32"), verbose=0)
    assert not np.any(net.rnn.states[0])  # there were none before
    losses = trainer.fit(kit.dataset(dtype="float32"), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def _bidirectional():
    return kr.Bidirectional(kr.LSTM(2, stateful=True, return_sequences=True, dtype="float64"))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: kit.model(stateful=False), "without a stateful layer"),
        (lambda: kit.model(_bidirectional()), "backwards.*Received: the stateful layer"),
        (lambda: kit.model(go_backwards=True), "backwards.*Received: the stateful layer"),
        (lambda: "model", "Received: model='model'"),
    ],
)
def test_refuses_models(make, text):
    with pytest.raises(ValueError, match=text):
        kr.training.TruncatedBPTT(make())


def test_refuses_data_out_of_order():
    trainer = kr.training.TruncatedBPTT(kit.model())
    trainer.compile("sgd", kit.squares())
    x, y, _ = next(iter(kit.dataset()))
    arrays = {name: value.numpy() for name, value in x.items()}, y.numpy()
    for shuffle in ({}, {"shuffle": True}):
        with pytest.raises(ValueError, match="order of the batches"):
            trainer.fit(*arrays, batch_size=2, verbose=0, **shuffle)
    with pytest.raises(ValueError, match="order of the batches"):
        trainer.fit(kit.dataset(), shuffle=True)
    trainer.fit(*arrays, batch_size=2, shuffle=False, verbose=0)
    trainer.fit(*arrays, 2, 1, 0, None, 0.0, None, False)  # the ninth argument
    with pytest.raises(ValueError, match=r"Received: x=\{\}"):
        trainer.fit({})


def test_refuses_other_inputs():
    trainer = kr.training.TruncatedBPTT(kit.model())
    x = np.zeros((2, 4, kit.FEATURES))
    for inputs in (x, {"inputs": x}, {"inputs": x, "reset": np.zeros((2, 4), bool)}):
        with pytest.raises(ValueError, match="Received"):
            trainer(inputs)
    with pytest.raises(ValueError, match="2 rows"):
        trainer.predict(kit.dataset(batch=3), verbose=0)
