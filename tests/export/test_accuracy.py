"""The metric before and after the export."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export.accuracy import task_accuracy
from keras_recurrent.export.plan import FROM_THE_MODEL
from keras_recurrent.export.signature import signature_of

X = np.random.default_rng(0).standard_normal((10, 3, 2)).astype("float32")


def classifier(units=3, activation="softmax", sequences=False):
    x = keras.Input((3, 2), name="x")
    y = kr.SimpleRNN(4, return_sequences=sequences)(x)
    return keras.Model(x, keras.layers.Dense(units, activation=activation)(y))


def of(model, test_data, metric=None, run=None, batch=None, **kwargs):
    signature = signature_of(model).pinned(batch, FROM_THE_MODEL)
    run = run or (lambda inputs: {"output_0": model(inputs["x"]).numpy()})
    return task_accuracy(model, signature, run, test_data, metric, **kwargs)


def labels_of(model):
    return model(X).numpy().argmax(-1)


def test_a_worse_file_is_reported_not_refused():
    model = classifier()
    y = labels_of(model)

    def shifted(inputs):
        return {"output_0": np.roll(model(inputs["x"]).numpy(), 1, -1)}

    result = of(model, (X, y), run=shifted)
    assert (result.metric, result.samples) == ("sparse_categorical_accuracy", 10)
    assert (result.keras, result.exported) == (1.0, 0.0)


def one_hot(y, width=3):
    return np.eye(width)[y]


@pytest.mark.parametrize(
    ("model", "labels", "picked"),
    [
        (classifier(), lambda y: y, "sparse_categorical_accuracy"),
        (classifier(), lambda y: y[..., None], "sparse_categorical_accuracy"),
        (classifier(sequences=True), lambda y: y, "sparse_categorical_accuracy"),
        (classifier(activation=None), lambda y: y, "sparse_categorical_accuracy"),
        (classifier(), one_hot, "categorical_accuracy"),
        (classifier(activation="sigmoid"), one_hot, "binary_accuracy"),
        (classifier(1, "sigmoid"), lambda y: y > 0, "binary_accuracy"),
        (classifier(1, None), lambda y: y + 0.5, "mean_absolute_error"),
        (classifier(2, None), lambda y: one_hot(y * 0, 2) * 7, "mean_absolute_error"),
    ],
)
def test_picked_metric(model, labels, picked):
    y = labels(labels_of(model))
    result = of(model, (X, y))
    assert result.metric == picked
    assert result.keras == result.exported
    predicted = model(X).numpy()
    if picked == "binary_accuracy":
        expected = ((predicted > 0.5) == y.reshape(predicted.shape)).mean()
    elif picked == "mean_absolute_error":
        expected = np.abs(predicted - y.reshape(len(y), -1)).mean()
    else:
        expected = 1.0
    np.testing.assert_allclose(result.keras, expected, rtol=1e-5)


def test_given_metrics():
    model = classifier()
    y = labels_of(model)

    def share_of_first(true, predicted):
        return (predicted.argmax(-1) == 0).mean()

    assert of(model, (X, y), share_of_first).keras == (y == 0).mean()
    assert of(model, (X, y), "sparse_top_k_categorical_accuracy").keras == 1.0
    metric = keras.metrics.SparseCategoricalAccuracy(name="mine")
    metric.update_state([0, 0], [[0.0, 1, 0]] * 2)
    result = of(model, (X, y), metric)
    assert (result.metric, result.keras) == ("mine", 1.0)
    assert float(metric.result()) == 0.0  # what it had counted is still there
    with pytest.raises(ValueError, match=r"no metric of this name.*'nonsense'"):
        of(model, (X, y), "nonsense")
    with pytest.raises(ValueError, match="must give one number"):
        of(model, (X, y), lambda true, predicted: predicted)
    with pytest.raises(ValueError, match="gives nan"):
        of(model, (X, y), lambda true, predicted: np.nan)
    with pytest.raises(ValueError, match="metric=3"):
        of(model, (X, y), 3)


@pytest.mark.parametrize(
    ("model", "labels", "picked"),
    [
        (classifier(), lambda y: y, "sparse_categorical_accuracy"),
        (classifier(), lambda y: y.astype("float32"), "sparse_categorical_accuracy"),
        (classifier(), lambda y: y.tolist(), "sparse_categorical_accuracy"),
        (classifier(), one_hot, "categorical_accuracy"),
        (classifier(1, "sigmoid"), lambda y: y > 0, "binary_accuracy"),
    ],
)
def test_accuracy_is_the_one_that_fits_the_labels(model, labels, picked):
    result = of(model, (X, labels(labels_of(model))), "accuracy")
    assert result == of(model, (X, labels(labels_of(model))))
    assert result.metric == picked


def test_labels_that_a_metric_does_not_take():
    model = classifier()
    with pytest.raises(ValueError, match=r"needs labels of classes.*float64 \(10, 3\)"):
        of(model, (X, np.full((10, 3), 7.5)), "accuracy")
    with pytest.raises(ValueError, match=r"'mean_squared_error' does not take.*\(10, 7\)"):
        of(model, (X, np.zeros((10, 7))), "mean_squared_error")
    with pytest.raises(ValueError, match="never ends"):
        of(model, tf.data.Dataset.from_tensor_slices((X, labels_of(model))).repeat())


def test_wrong_data_and_metrics_are_refused_before_the_export(tmp_path, monkeypatch):
    monkeypatch.setattr(export.converter, "convert", lambda *_: pytest.fail("converted first"))
    model, path = classifier(), tmp_path / "m.tflite"
    with pytest.raises(ValueError, match="do not fit the exported input"):
        export.to_tflite(model, path, test_data=(X[:, :, :1], X[:, 0, 0]))
    with pytest.raises(ValueError, match="no metric of this name"):
        export.to_tflite(model, path, test_data=(X, labels_of(model)), metric="nonsense")
    streamed = classifier(sequences=True)
    with pytest.raises(ValueError, match=r"blocks of 2 time steps: cut.*\[3\] time steps"):
        export.to_tflite(
            streamed, path, streaming=True, block=2, test_data=(X, labels_of(streamed))
        )
    with pytest.raises(ValueError, match="give both, or none"):
        export.to_tflite(model, path, metric="mae")


def test_fixed_batch_is_reset_before_each_part():
    model = classifier()
    calls = []

    class Run:
        def reset(self):
            calls.append("reset")

        def __call__(self, inputs):
            calls.append(inputs["x"].shape)
            return {"output_0": model(inputs["x"]).numpy()}

    result = of(model, (X, labels_of(model)), run=Run(), batch=4)
    assert calls == ["reset", (4, 3, 2)] * 3
    assert (result.exported, result.samples) == (1.0, 10)


def test_data_sets():
    model = classifier()
    dataset = tf.data.Dataset.from_tensor_slices((X, labels_of(model)))
    for data in (dataset, dataset.batch(4), dataset.map(lambda x, y: (x, y, 1.0)).batch(3)):
        assert of(model, data, batch_size=3).keras == 1.0
        assert of(model, data).samples == 10


def two_outputs():
    x = keras.Input((3, 2), name="x")
    y = kr.GRU(3)(x)
    return keras.Model(x, {"a": y, "b": keras.layers.Dense(2, activation="softmax")(y)})


def test_several_outputs():
    model = two_outputs()

    def run(inputs):
        return {name: value.numpy() for name, value in model(inputs["x"]).items()}

    y = model(X)["b"].numpy().argmax(-1)
    assert of(model, (X, {"b": y}), run=run).exported == 1.0
    for labels in (y, {"a": y, "b": y}):
        with pytest.raises(ValueError, match=r"outputs \['a', 'b'\].*for one of them"):
            of(model, (X, labels), run=run)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X, "a pair"),
        ((X,), "a pair"),
        ((X, np.zeros(3)), "same number of rows"),
        ((X[:0], np.zeros(0)), "at least one"),
        ((X[..., :1], np.zeros(10)), r"do not fit the exported input .*\(10, 3, 1\)"),
        (tf.data.Dataset.from_tensor_slices(X), "an element of ndarray"),
        (None, "a pair"),
    ],
)
def test_bad_data(data, message):
    with pytest.raises(ValueError, match=message):
        of(classifier(), data)
