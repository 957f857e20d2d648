"""What is drawn of the gradient's flow, and the callback that records it during fit."""

import sys

import keras
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr
from keras_recurrent.training import GradientFlowRecorder, gradient_flow

T, D = 6, 3
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(4, T, D)).astype("float32"), RNG.normal(size=(4, 1)).astype("float32")


def _model(dropout=0.0):
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((T, D)),
            kr.GRU(3, return_sequences=True, dropout=dropout, name="low"),
            kr.Bidirectional(kr.SimpleRNN(2, name="high")),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    return model


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A recorder and its model after four epochs, the flow then, and the folder of images."""
    folder, model, fourth = tmp_path_factory.mktemp("logs"), _model(), []
    recorder = GradientFlowRecorder(X, Y, every=2, log_dir=folder)

    def look(epoch, logs):
        if epoch == 3:
            fourth.append(gradient_flow(model, X, Y))

    looking = keras.callbacks.LambdaCallback(on_epoch_end=look)
    model.fit(X, Y, epochs=4, verbose=0, callbacks=[recorder, looking])
    return recorder, model, fourth[0], folder


NAMES = ["low", "forward_high", "backward_high"]


def test_records_after_every_second_epoch(recorded):
    recorder, _, fourth, _ = recorded
    assert recorder.epochs == [2, 4]
    assert list(recorder.history) == NAMES
    for name, layer in recorder.history.items():
        assert layer.hidden.shape == layer.shares.shape == (2, T)
        np.testing.assert_allclose(layer.hidden[1], fourth.layers[name].hidden, rtol=1e-6)
        np.testing.assert_allclose(layer.shares[1], fourth.layers[name].shares, rtol=1e-6)
        assert not np.allclose(layer.hidden[0], layer.hidden[1], rtol=1e-3)
    assert recorder.flows[1].loss == pytest.approx(fourth.loss)


def test_images_for_tensorboard(recorded):
    *_, folder = recorded
    (file,) = folder.iterdir()
    found = {}
    for record in tf.data.TFRecordDataset(str(file)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "images"
            width, height, png = tf.make_ndarray(value.tensor)
            image = tf.io.decode_png(png).numpy()
            assert image.shape[:2] == (int(height), int(width))
            found[value.tag, event.step] = image
    tags = "gradient_flow", "gradient_flow_history"
    assert set(found) == {(tags[0], 1), (tags[0], 3), (tags[1], 3)}
    assert all(image.std() > 10 for image in found.values())
    assert np.any(found[tags[0], 1] != found[tags[0], 3])


def test_the_training_is_the_same_with_and_without():
    weights = []
    for callbacks in ([], [GradientFlowRecorder(X, Y, training=True)]):
        model = _model(dropout=0.4)
        model.fit(X, Y, epochs=2, verbose=0, callbacks=callbacks)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_training_that_diverges_goes_on():
    model = _model()
    recorder = GradientFlowRecorder(X, Y * np.nan)
    model.fit(X, Y, verbose=0, callbacks=[recorder])
    assert np.all(np.isnan(recorder.history["low"].hidden))
    with matplotlib.rc_context({"axes.unicode_minus": False}):
        recorder.plot().canvas.draw()


def test_bad_arguments():
    for every in (0, 1.5, True):
        with pytest.raises(ValueError, match=f"every={every}"):
            GradientFlowRecorder(X, Y, every=every)
    recorder = GradientFlowRecorder(X, Y)
    with pytest.raises(ValueError, match="Nothing is recorded yet"):
        recorder.plot()
    model = keras.Sequential([keras.Input((D,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Only recurrent layers can be looked into"):
        model.fit(X[:, 0], Y, verbose=0, callbacks=[recorder])


def test_the_plot_shows_the_arrays_in_the_style_in_force(recorded):
    *_, flow, _ = recorded
    colours = ["#123456", "#654321", "#abcdef"]
    with matplotlib.rc_context(
        {"axes.prop_cycle": plt.cycler(color=colours), "figure.facecolor": "#010203"}
    ):
        figure = flow.plot()
    assert figure.get_facecolor()[:3] == pytest.approx(np.array([1, 2, 3]) / 255)
    for axis, part in zip(figure.axes, ("hidden", "shares"), strict=True):
        assert axis.get_yscale() == "log"
        assert axis.get_xlabel() == "time step $t$"
        assert "(unit of the loss)" in axis.get_ylabel()
        lines = dict(zip(NAMES, axis.lines, strict=True))
        for (name, line), colour in zip(lines.items(), colours, strict=True):
            assert line.get_color() == colour
            np.testing.assert_array_equal(line.get_xdata(), np.arange(1, T + 1))
            drawn, values = line.get_ydata(), getattr(flow.layers[name], part)
            np.testing.assert_array_equal(np.nan_to_num(drawn), values)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == NAMES
    figure.canvas.draw()
    own = plt.figure()
    axes = own.subplots(1, 2)
    assert flow.plot(axes) is own
    assert len(axes[0].lines) == 3
    with pytest.raises(ValueError, match=r"two axes. Received: 1"):
        flow.plot(axes[:1])
    plt.close(own)


def test_the_heat_maps_show_the_arrays(recorded):
    recorder, *_ = recorded
    figure = recorder.plot()
    maps = [axis for axis in figure.axes if axis.get_xlabel() == "time step $t$"]
    assert len(maps) == 6
    drawn = maps[0].collections[0].get_array()
    np.testing.assert_allclose(drawn, np.log10(recorder.history["low"].hidden))
    assert maps[0].get_title().startswith("low: ")
    figure.canvas.draw()


def test_the_table(recorded):
    *_, flow, _ = recorded
    title, head, *rows = str(flow).splitlines()
    assert title == f"Gradient flow of a loss of {flow.loss:.4g}"
    assert head.split()[:2] == ["layer", "steps"]
    assert [row.split()[0] for row in rows] == NAMES
    low = flow.layers["low"]
    sizes = [float(value) for value in rows[0].split()[1:]]
    expected = [T, low.hidden[0], low.hidden[-1], low.ratio, low.gradient]
    np.testing.assert_allclose(sizes, expected, rtol=6e-3)


def test_without_matplotlib(recorded, monkeypatch):
    *_, flow, folder = recorded
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="Plots need matplotlib"):
        flow.plot()
    with pytest.raises(ImportError, match="Plots need matplotlib"):
        GradientFlowRecorder(X, Y, log_dir=folder)
