"""Errors of exports say which layer, as its user knows it, and what to do."""

import keras
import numpy as np
import pytest
from conformance.streams import step_in_tensorflow
from keras import layers

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export import roll_out
from keras_recurrent.export.streaming import check_streamable
from keras_recurrent.export.verification import VerificationError


def model_of(*parts, length=None):
    return keras.Sequential([keras.Input((length, 4)), *parts])


@pytest.mark.parametrize(
    ("layer", "beginning"),
    [
        (layers.Bidirectional(layers.LSTM(3), name="a"), "Bidirectional 'a' cannot stream"),
        (layers.LSTM(3, go_backwards=True, name="a"), "LSTM 'a' cannot stream"),
        (layers.Conv1D(3, 3, name="a"), "Conv1D 'a' cannot stream"),
    ],
)
def test_layers_go_by_the_names_of_their_classes_in_keras(layer, beginning):
    with pytest.raises(ValueError, match=f"^{beginning}"):
        check_streamable(model_of(layer))


def test_the_layer_that_has_not_the_form_is_named_without_a_list_of_arguments(tmp_path):
    model = model_of(layers.LSTM(3, activation="relu", name="first"), length=5)
    with pytest.raises(ValueError, match=r"^Layer 'first': .* has tanh there\. Use form='auto'"):
        export.to_tflite(model, tmp_path / "m.tflite", form="fused")
    assert keras.config.is_traceback_filtering_enabled()
    assert not list(tmp_path.iterdir())


def test_names_that_tensorflow_refuses(tmp_path):
    model = model_of(layers.LSTM(3, name="my layer"), layers.Dense(2, name="état"), length=5)
    with pytest.raises(ValueError, match=r"Rename these.*'my layer', 'état'"):
        export.to_tflite(model, tmp_path / "m.tflite")


def test_a_metric_without_data(tmp_path):
    with pytest.raises(ValueError, match="taken on `test_data`"):
        export.to_tflite(model_of(kr.GRU(3)), tmp_path / "m.tflite", metric="accuracy")


class Doubling(layers.Layer):
    """A cell that does not follow `kr.Cell`."""

    state_size = output_size = 4

    def call(self, inputs, states):
        return 2 * inputs, [inputs]


@pytest.mark.parametrize("arguments", [{"form": "fused"}, {"form": "unroll"}, {"quantize": "int8"}])
def test_layers_in_the_loop_of_keras_have_no_other_form(tmp_path, arguments):
    model = model_of(layers.RNN(Doubling(), name="own"), length=5)
    if "quantize" in arguments:
        arguments = {**arguments, "representative_data": np.arange(60.0).reshape(3, 5, 4)}
    with pytest.raises(ValueError, match=r"Keras's own loop.*\['own'\]"):
        export.to_tflite(model, tmp_path / "m.tflite", **arguments)


def test_data_on_which_the_model_itself_gives_nan():
    model = model_of(kr.GRU(3))
    streamed, signature, states, run = step_in_tensorflow(model)
    with pytest.raises(VerificationError, match="The Keras model itself gives NaN"):
        roll_out.check_roll_out(
            model, streamed, signature, run, states, np.full((1, 5, 4), np.nan), made_up=False
        )


def test_a_mean_that_grows_without_end_in_integers(tmp_path):
    model = model_of(kr.GRU(3, return_sequences=True), layers.GlobalAveragePooling1D(name="mean"))
    with pytest.raises(ValueError, match=r"a sum and a count that grow.*\['mean'\]"):
        export.to_tflite(
            model,
            tmp_path / "m.tflite",
            streaming=True,
            quantize="int8",
            representative_data=np.zeros((3, 5, 4), "float32"),
        )
