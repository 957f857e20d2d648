"""A Keras model, traced for inference into a SavedModel with a signature of our own.

Keras's own export drops a fixed batch size, and counts the seeds of dropout layers among the
variables.
"""

from pathlib import Path

import keras
import tensorflow as tf

from keras_recurrent.engines import lowering
from keras_recurrent.export.signature import Signature, name_outputs
from keras_recurrent.keras_hooks import all_layers


def trace(
    model, signature: Signature, form: str, folder: Path, compact: bool = False
) -> tuple[str, ...]:
    """Write `model`, its recurrent layers in the given form, as a SavedModel into `folder`.

    Returns:
        A line a recurrent layer: what became of it, and why.
    """
    layers = ()

    def serve(*tensors):
        nonlocal layers
        with lowering(form, compact) as told:
            outputs = model(signature.pack(tensors), training=False)
        layers = tuple(f"{name}: {choice.engine}, {choice.reason}" for name, choice in told.choices)
        return name_outputs(outputs)

    archive = keras.export.ExportArchive()
    # Variables are found through the function; lookup tables are not. What was never called has none.
    for layer in all_layers(model):
        if layer.built and not layer.variables:
            archive.track(layer)
    archive.add_endpoint(
        "serve",
        serve,
        input_signature=[tf.TensorSpec(t.shape, t.dtype, t.name) for t in signature.inputs],
    )
    archive.write_out(str(folder), verbose=False)
    return layers
