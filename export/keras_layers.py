"""Questions about a Keras model that several exports ask."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from keras_recurrent.elmo import CharacterIds
from keras_recurrent.keras_hooks import all_layers

_SCOPE = re.compile(r"[A-Za-z0-9_.\\/>-]*")  # what tf.name_scope takes


def check_exportable(model, streaming: bool = False) -> None:
    """Refuse what cannot be exported: no model, not built, stateful layers, NaN in a weight."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"An export takes a built keras.Model. Received: {_short(model)}")
    if not model.built:
        raise ValueError(
            f"Model {model.name!r} is not built, it has no weights yet. Give it a keras.Input, or "
            "call it once on a batch."
        )
    unnameable = [
        layer.name
        for layer in all_layers(model)
        if not isinstance(layer, keras.layers.InputLayer) and not _SCOPE.fullmatch(layer.name)
    ]
    if unnameable:
        raise ValueError(
            "In TensorFlow's graphs layers have names of A to Z, digits and _ . - only. Rename these: "
            f"layer.name = '...'. Received: layers {unnameable}"
        )
    stateful = [layer.name for layer in all_layers(model) if getattr(layer, "stateful", False)]
    if stateful and not streaming:
        raise ValueError(
            "Layers with stateful=True go on from the last call, which an export of whole "
            "sequences does not. Use streaming=True, or build the model with stateful=False and copy "
            "the weights. "
            f"Received: stateful layers {stateful}"
        )
    for variable in model.variables:
        values = variable.value.numpy()
        if np.issubdtype(values.dtype, np.floating) or values.dtype.kind == "V":  # V: bfloat16
            missing = int(np.isnan(values.astype(np.float32)).sum())
            if missing:
                raise ValueError(
                    f"The weight {variable.path!r} holds NaN in {missing} of {values.size} places. "
                    "Export the model from before its training diverged."
                )


def check_single_precision(model) -> None:
    """Refuse 16-bit and 64-bit arithmetic, for which TFLite has no kernels."""
    for layer in all_layers(model):
        dtype = keras.backend.standardize_dtype(layer.compute_dtype or "float32")
        if dtype in ("float16", "bfloat16", "float64"):
            raise ValueError(
                "TFLite computes in float32. Build the same model with dtype='float32', or after "
                "keras.config.set_dtype_policy('float32'), and give it the weights: "
                "new.set_weights(model.get_weights()); quantize='float16' stores them in 16 bits. "
                f"Received: layer {layer.name!r} computing in {dtype}"
            )


def check_reads_ids(model, inputs) -> None:
    """Refuse words as text where they are to be spelled, for which TFLite has no operations."""
    layers = all_layers(model)
    spells = any(isinstance(layer, CharacterIds) for layer in layers)
    looks_up = any(hasattr(layer, "get_vocabulary") for layer in layers)
    texts = [str(tensor) for tensor in inputs if tensor.dtype == "string"]
    if texts and spells and not looks_up:
        raise ValueError(
            "TFLite cannot spell words that come as text. Let the model begin with their ids, "
            "keras.Input((timesteps, characters), dtype='int32'), and make these with "
            "kr.elmo.batch_to_ids; or use to_saved_model, which takes text. Received: inputs "
            f"{', '.join(texts)}"
        )


def shown(layer) -> str:
    """A layer as its user knows it: its class, or the one that a class of an export stands for."""
    names = (
        base.__name__
        for base in type(layer).__mro__
        if not base.__module__.startswith("keras_recurrent.export.")
    )
    return f"{next(names)} {layer.name!r}"


@contextmanager
def plain_errors() -> Iterator[None]:
    """Let errors pass through Keras's layers as they are, without lists of all arguments."""
    filtered = keras.config.is_traceback_filtering_enabled()
    keras.config.disable_traceback_filtering()
    try:
        yield
    finally:
        if filtered:
            keras.config.enable_traceback_filtering()


def _short(value) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"an object of {type(value).__name__}"
