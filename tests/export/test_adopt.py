"""Models of stock Keras layers: exported with this package's layers, their numbers kept."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export.adopt import adopt


def sequences(batch=3, timesteps=5, width=4):
    x = np.random.default_rng(0).normal(size=(batch, timesteps, width)).astype("float32")
    x[0, 3:], x[1, :2], x[2] = 0, 0, 0  # masked on the right, on the left, everywhere
    return x


def agree(model, data):
    """The copy's outputs are the model's; returns the copy."""
    copy = adopt(model)
    assert copy is not model
    for ours, theirs in zip(
        keras.tree.flatten(copy(data)), keras.tree.flatten(model(data)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    return copy


def kinds(model):
    return [type(layer) for layer in model.layers]


def test_own_layers_are_used_as_they_are():
    model = keras.Sequential([keras.Input((5, 4)), kr.LSTM(3), layers.Dense(2)])
    assert adopt(model) is model


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.LSTM(3, return_sequences=True, unit_forget_bias=False),
        lambda: layers.GRU(3, reset_after=False, go_backwards=True),
        lambda: layers.GRU(3, return_sequences=True, activation="relu"),
        lambda: layers.SimpleRNN(3, use_bias=False),
        lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)]),
        lambda: layers.RNN(layers.SimpleRNNCell(3), return_sequences=True),
        lambda: layers.RNN(kr.MinimalGRUCell(3)),
        lambda: kr.RNN(layers.LSTMCell(3)),
        lambda: layers.Bidirectional(layers.LSTM(3, return_sequences=True), merge_mode="sum"),
        lambda: layers.Bidirectional(
            layers.GRU(3), backward_layer=layers.LSTM(3, go_backwards=True)
        ),
        lambda: kr.Bidirectional(layers.LSTM(3)),
        lambda: layers.TimeDistributed(keras.Sequential([layers.Reshape((2, 2)), layers.GRU(3)])),
    ],
)
def test_stock_layer(layer):
    model = keras.Sequential([keras.Input((5, 4)), layers.Masking(), layer()])
    copy = agree(model, sequences())
    inner = copy.layers[-1]
    assert "keras.src" not in type(getattr(inner, "cell", kr.GRUCell(1))).__module__
    assert "keras.src" not in type(getattr(inner, "forward_layer", kr.GRU(1))).__module__


def test_given_model_stays_untouched(tmp_path):
    model = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3), layers.Dense(2)])
    model.compile("adam", lambda a, b: (a - b) ** 2)
    weights, classes = model.get_weights(), kinds(model)
    output = model.layers[-1].output
    report = export.to_tflite(model, tmp_path / "m.tflite")
    assert report.largest_difference < 1e-5
    assert kinds(model) == classes
    assert model.layers[-1].output is output
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_nested_and_shared_layers():
    shared = layers.LSTM(4, return_sequences=True)
    inner = keras.Sequential([keras.Input((5, 4)), layers.GRU(4, return_sequences=True)])
    x = keras.Input((5, 4))
    y = inner(shared(shared(x)))
    y = layers.Lambda(lambda t: np.float32(2) * t)(y) + keras.ops.tanh(inner(x))
    model = keras.Model({"x": x}, {"last": layers.SimpleRNN(2)(y), "all": y})
    copy = agree(model, {"x": sequences()})
    assert len(copy.weights) == len(model.weights)
    assert copy.output.keys() == model.output.keys()


def stock_with_state(bidirectional):
    """Masked sequences and an initial state: stock layers then ignore the mask."""
    x, h = keras.Input((5, 4), name="x"), keras.Input((3,), name="h")
    masked = layers.Masking()(x)
    first = layers.GRU(3, return_sequences=True)
    if bidirectional:
        first, states = layers.Bidirectional(first), [h, h]
    else:
        states = h
    y = first(masked, initial_state=states)
    return keras.Model([x, h], [y, layers.LSTM(2)(y)])  # the mask goes on to the second layer


@pytest.mark.parametrize("bidirectional", [False, True])
def test_mask_beside_a_state_is_ignored_as_in_keras(bidirectional, tmp_path):
    data = [sequences(), np.full((3, 3), 0.5, "float32")]
    model = stock_with_state(bidirectional)
    agree(model, data)
    path = tmp_path / "m.tflite"
    assert export.to_tflite(model, path).largest_difference < 1e-5
    assert export.verify(model, path, data).largest_difference < 1e-5


def test_mask_beside_a_state_matters():
    """The test above would not see a difference if there were none to see."""
    x, h = keras.Input((5, 4)), keras.Input((3,))
    stock, ours = layers.GRU(3), kr.GRU(3)
    masked = layers.Masking()(x)
    model = keras.Model([x, h], [stock(masked, initial_state=h), ours(masked, initial_state=h)])
    ours.set_weights(stock.get_weights())
    theirs, honest = model([sequences(), np.full((3, 3), 0.5, "float32")])
    assert np.abs(theirs - honest).max() > 1e-2


def test_the_mask_of_a_backward_layer_stays_as_in_keras():
    chain = [layers.Masking(), layers.LSTM(3, return_sequences=True, go_backwards=True)]
    model = keras.Sequential([keras.Input((5, 4)), *chain, layers.GRU(2)])
    agree(model, sequences())


def test_explicit_mask_beside_a_state_holds():
    x, h = keras.Input((5, 4)), keras.Input((3,))
    mask = keras.Input((5,), dtype="bool")
    model = keras.Model([x, h, mask], layers.GRU(3)(x, initial_state=h, mask=mask))
    agree(model, [sequences(), np.ones((3, 3), "float32"), sequences()[..., 0] != 0])


def test_layers_of_others_stay():
    """A user's own kind of layer or cell has its own maths; a fixed batch exports it as it is."""

    class Own(layers.LSTM):
        def call(self, sequences, initial_state=None, mask=None, training=False):
            return 2 * super().call(sequences, initial_state, mask, training)

    model = keras.Sequential([keras.Input((5, 4)), Own(3), layers.RepeatVector(2), layers.GRU(2)])
    copy = agree(model, sequences())
    assert type(copy.layers[1]) is Own
    assert isinstance(copy.layers[-1], kr.GRU)


def test_layer_without_a_config():
    class Scale(layers.Layer):
        def __init__(self, factor):
            super().__init__(name="scale")
            self.factor = factor

        def call(self, x):
            return x * self.factor

    model = keras.Sequential([keras.Input((5, 4)), layers.GRU(3), Scale(2.0)])
    with pytest.raises(ValueError, match=r"Scale 'scale' cannot be made anew from its get_config"):
        adopt(model)


@pytest.mark.parametrize("nested", [False, True])
def test_subclassed_model_of_stock_layers(nested, tmp_path):
    class Stock(keras.Model):
        def __init__(self):
            super().__init__(name="mine")
            self.recurrent = layers.LSTM(3, name="inside")

        def call(self, x):
            return self.recurrent(x)

    model = Stock()
    model(sequences())
    if nested:
        x = keras.Input((5, 4))
        model = keras.Model(x, model(x))
    message = r"Stock 'mine'.*kr\.LSTM for keras\.layers\.LSTM.*\['inside'\]"
    with pytest.raises(ValueError, match=message):
        export.to_tflite(model, tmp_path / "m.tflite")
    with pytest.raises(ValueError, match=message):
        export.to_saved_model(model, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_adapted_normalization():
    """Keras computes with what adapt() left beside the weights."""
    data = sequences() + 3
    normalization = layers.Normalization()
    normalization.adapt(data)
    agree(keras.Sequential([keras.Input((5, 4)), normalization, layers.GRU(3)]), data)
