"""Input names: the user's own, else stable ones, whatever the process built before."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export.signature import signature_of


def names(model):
    return [tensor.name for tensor in signature_of(model).inputs]


def three_inputs():
    x, h, offset = keras.Input((4, 3)), keras.Input((2,), name="my h"), keras.Input((2,))
    return keras.Model([x, h, offset], kr.GRU(2)(x, initial_state=h) + offset)


def rebuilt(model, how, folder):
    if how == "saved":
        model.save(folder / "m.keras")
        return keras.models.load_model(folder / "m.keras")
    copy = keras.models.clone_model(model) if how == "cloned" else three_inputs()
    copy.set_weights(model.get_weights())
    return copy


@pytest.mark.parametrize("how", ["saved", "cloned", "built again"])
def test_names_stay(how, tmp_path):
    model = three_inputs()
    path = tmp_path / "m.tflite"
    report = export.to_tflite(model, path)
    assert {t.name for t in report.inputs} == {"input", "my_h", "input_3"}
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(3, *shape)) for shape in ((4, 3), (2,), (2,))]
    copy = rebuilt(model, how, tmp_path)
    assert names(copy) == names(model) == ["input", "my_h", "input_3"]
    assert export.verify(copy, path, data).largest_difference < 1e-5


def test_names_of_other_kinds_of_models():
    gru = layers.GRU(2)
    deferred = keras.Sequential([gru])
    deferred.build((None, 4, 3))
    assert names(deferred) == ["input"]
    assert names(keras.Sequential([keras.Input((4, 3)), gru])) == ["input"]
    assert names(keras.Sequential([layers.InputLayer((4, 3), name="given"), gru])) == ["given"]
    x, y = keras.Input((4, 3), name="x"), keras.Input((4, 3))
    assert names(keras.Model({"a": x, "b": y}, gru(x + y))) == ["a", "b"]
    taken, unnamed = keras.Input((4, 3), name="input_2"), keras.Input((4, 3))
    assert names(keras.Model([taken, unnamed], gru(taken + unnamed))) == ["input_2", "input_2_2"]


def pair(first, second, state=2):
    x, h = keras.Input((4, 3), name=first), keras.Input((state,), name=second)
    return keras.Model([x, h], kr.GRU(state)(x, initial_state=h))


@pytest.mark.parametrize("kind", ["tflite", "saved_model"])
def test_other_names_but_one_way_to_fit(kind, tmp_path):
    """The file sorts its inputs by name: shapes say which is which, places do not."""
    model, renamed = pair("sound", "past"), pair("a", "b")
    renamed.set_weights(model.get_weights())
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(3, 4, 3)), rng.normal(size=(3, 2))]
    write = export.to_tflite if kind == "tflite" else export.to_saved_model
    path = tmp_path / "m.tflite"
    write(model, path)
    report = export.verify(renamed, path, data)
    assert report.largest_difference < 1e-5
    assert "sound (" in report.checked[0]


def two_states(first, second):
    x = keras.Input((4, 3), name="x")
    states = [keras.Input((2,), name=name) for name in (first, second)]
    return keras.Model([x, *states], kr.LSTM(2)(x, initial_state=states))


@pytest.mark.parametrize(
    ("other", "data"),
    [
        (lambda: two_states("a", "b"), [(4, 3), (2,), (2,)]),  # two ways to fit
        (lambda: pair("x", "h"), [(4, 3), (2,)]),  # another count
        (lambda: pair("x", "h", state=3), [(4, 3), (3,)]),
    ],
)
def test_other_names_that_do_not_fit(other, data, tmp_path):
    path = tmp_path / "m.tflite"
    export.to_tflite(two_states("h", "c"), path)
    message = r"The file reads .*c float32 \(1, 2\).*no export of this model.*name="
    with pytest.raises(ValueError, match=message):
        export.verify(other(), path, [np.zeros((2, *shape)) for shape in data])


def test_other_dtype_does_not_fit(tmp_path):
    def numbers(name, dtype):
        x = keras.Input((4,), name=name, dtype=dtype)
        return keras.Model(x, kr.GRU(2)(layers.Embedding(5, 3)(x)))

    path = tmp_path / "m.tflite"
    export.to_tflite(numbers("a", "int32"), path)
    with pytest.raises(ValueError, match="no export of this model"):
        export.verify(numbers("b", "int64"), path, np.ones((2, 4)))
