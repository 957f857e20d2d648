"""The contestants of the export benchmark, all with the weights of one Keras layer and its input."""

import contextlib
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import keras_recurrent as kr
from benchmarks import export_onnx
from benchmarks.export_plan import (
    ONNX,
    OUR_EXPORT,
    STOCK,
    STOCK_DYNAMIC,
    STOCK_EXPORT,
    TORCH,
    Shape,
    ours,
    suite_of,
)
from keras_recurrent import export


@dataclass(frozen=True)
class Entry:
    """A contestant that is ready to be called.

    Attributes:
        call: One call on the input that was set before; the outputs stay where they are.
        outputs: `(1, T, units)`, of a first call.
        bytes: Of its file; None without one.
        seconds: Of making the file, verification included where there is one.
    """

    call: Callable[[], object]
    outputs: np.ndarray
    bytes: int | None = None
    seconds: float | None = None


class Workshop:
    """Makes the contestants of one kind of layer and shape, their files in `folder`."""

    def __init__(self, kind: str, shape: Shape, folder: Path):
        timesteps, features, units = self.shape = shape
        self.kind, self.folder, self.suite = kind, folder, suite_of(shape)
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(1, timesteps, features)).astype("float32")
        self.samples = rng.normal(size=(8, max(timesteps, 32), features)).astype("float32")
        keras.utils.set_random_seed(0)
        self.layer = getattr(keras.layers, kind)(
            units, return_sequences=True, bias_initializer="uniform"
        )
        self.reference = keras.ops.convert_to_numpy(self.layer(self.x))
        self.weights = [keras.ops.convert_to_numpy(weight) for weight in self.layer.weights]

    @property
    def weight_bytes(self) -> int:
        return sum(weight.nbytes for weight in self.weights)

    def make(self, name: str) -> Entry:
        """A contestant by its name; raises whatever keeps it from running."""
        if name == ONNX:
            return self._onnx()
        if name == TORCH:
            return self._torch()
        path = self.folder / f"{name.replace(' ', '-')}.tflite"
        start = time.perf_counter()
        if name in (STOCK_EXPORT, OUR_EXPORT):
            self._export_by_keras(path, keras.layers if name == STOCK_EXPORT else kr)
        elif name in (STOCK, STOCK_DYNAMIC):
            self._convert_stock(path, dynamic=name == STOCK_DYNAMIC)
        elif name in ours(self.shape):
            self._export(path, ours(self.shape)[name])
        else:
            raise ValueError(f"There is no contestant {name!r}.")
        seconds = time.perf_counter() - start
        call, outputs = _tflite(path, self.x)
        return Entry(call, outputs, path.stat().st_size, seconds)

    def _model(self, library, timesteps: int | None) -> keras.Model:
        layer = getattr(library, self.kind)(self.shape[2], return_sequences=True)
        model = keras.Sequential([keras.Input((timesteps, self.shape[1])), layer])
        model.set_weights(self.weights)
        return model

    def _convert_stock(self, path: Path, dynamic: bool) -> None:
        """The best that a user gets of stock layers: fixed sizes, built-in operations only."""
        model = self._model(keras.layers, self.shape[0])
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(
            "serve",
            lambda x: model(x, training=False),
            input_signature=[tf.TensorSpec(self.x.shape, tf.float32)],
        )
        saved = self.folder / path.stem
        archive.write_out(str(saved), verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(saved), signature_keys=["serving_default"]
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if dynamic:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        path.write_bytes(converter.convert())

    def _export_by_keras(self, path: Path, library) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self._model(library, self.shape[0]).export(path, format="litert", verbose=False)

    def _export(self, path: Path, arguments: dict) -> None:
        if self.suite == "step":
            arguments = {**arguments, "streaming": True, "form": "step"}
        if arguments.get("quantize") in ("int8", "int16x8"):
            arguments = {**arguments, "representative_data": self.samples}
        timesteps = None if self.suite == "step" else self.shape[0]
        report = export.to_tflite(self._model(kr, timesteps), path, **arguments)
        _check_promise(report, arguments, self.suite)

    def _onnx(self) -> Entry:
        start = time.perf_counter()
        content = export_onnx.model(self.kind, self.weights, self.shape, states=self._with_states)
        seconds = time.perf_counter() - start
        call, outputs = export_onnx.session(content, self.x, self.shape[2])
        return Entry(call, outputs, len(content), seconds)

    @property
    def _with_states(self) -> bool:
        return self.suite == "step"

    def _torch(self) -> Entry:
        import torch

        torch.set_num_threads(1)
        features, units = self.shape[1:]
        layer = (
            getattr(torch.nn, self.kind)(features, units, batch_first=True)
            .eval()
            .requires_grad_(False)
        )
        kernel, recurrent, bias = (torch.from_numpy(w) for w in _torch_order(self.weights))
        both = bias if bias.ndim == 2 else torch.stack([bias, torch.zeros_like(bias)])
        for parameter, values in zip(
            layer.parameters(), (kernel.T, recurrent.T, *both), strict=True
        ):
            parameter.copy_(values)
        state = [torch.zeros(1, 1, units)] * (2 if self.kind == "LSTM" else 1)
        inputs = [torch.from_numpy(self.x)]
        if self._with_states:
            inputs.append(tuple(state) if self.kind == "LSTM" else state[0])
        return Entry(lambda: layer(*inputs), layer(*inputs)[0].numpy())


def _check_promise(report, arguments: dict, suite: str) -> None:
    """A time counts for the form and the quantisation that were asked for, or not at all."""
    asked = arguments.get("quantize")
    integers = asked in ("int8", "int16x8")
    if (integers and report.quantize in (None, "dynamic")) or (
        suite == "step" and not report.states
    ):
        raise ValueError(
            f"Asked for {arguments['form']} with quantize={asked!r}, the file holds quantize="
            f"{report.quantize!r} and the states {[state.name for state in report.states]}."
        )


def _torch_order(weights: list[np.ndarray]) -> list[np.ndarray]:
    """Keras's z, r, h of a GRU as r, z, h; an LSTM's gates are in the same order."""
    units = weights[1].shape[0]
    if weights[1].shape[1] == 4 * units:
        return weights
    places = np.r_[units : 2 * units, :units, 2 * units : 3 * units]
    return [weight[..., places] for weight in weights]


def _tflite(path: Path, x: np.ndarray) -> tuple[Callable, np.ndarray]:
    """`invoke` on one thread, and the first outputs; states start at zeros."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    details = interpreter.get_input_details()
    (sequences,) = [d for d in details if len(d["shape"]) == 3]
    if tuple(sequences["shape"]) != x.shape:
        interpreter.resize_tensor_input(sequences["index"], x.shape)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        values = x if detail["index"] == sequences["index"] else np.zeros(detail["shape"])
        interpreter.set_tensor(detail["index"], _stored(values, detail))
    interpreter.invoke()
    (outputs,) = [d for d in interpreter.get_output_details() if len(d["shape"]) == 3]
    return interpreter.invoke, _real(interpreter.get_tensor(outputs["index"]), outputs)


def _stored(values: np.ndarray, detail: dict) -> np.ndarray:
    dtype, (scale, zero) = detail["dtype"], detail["quantization"]
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.round(values / scale) + zero, limits.min, limits.max).astype(dtype)


def _real(values: np.ndarray, detail: dict) -> np.ndarray:
    scale, zero = detail["quantization"]
    is_integer = np.issubdtype(values.dtype, np.integer)
    return (values.astype("float32") - zero) * scale if is_integer else values
