"""Reading SavedModel folders."""

from collections import Counter
from pathlib import Path

import tensorflow as tf

from keras_recurrent.export.report import Report, Tensor

SIGNATURE = "serving_default"


def load(folder: Path):
    """The loaded SavedModel and its serving function: `serving_default` or the only one."""
    try:
        loaded = tf.saved_model.load(str(folder))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise ValueError(f"The SavedModel {str(folder)!r} cannot be read: {error}") from error
    names = sorted(loaded.signatures)
    if SIGNATURE not in names and len(names) != 1:
        raise ValueError(
            f"The SavedModel {str(folder)!r} has no signature {SIGNATURE!r}, and not a single one "
            "that could be meant: its inputs and outputs are unknown. Write it with "
            "tf.saved_model.save(..., signatures=function), or to_saved_model(model, folder). "
            f"Received: signatures {names}"
        )
    return loaded, loaded.signatures[SIGNATURE if SIGNATURE in names else names[0]]


def signature_runner(folder: Path, name: str):
    """A signature as a function from arrays by name to arrays by name."""
    loaded, _ = load(folder)
    function = loaded.signatures[name]

    def run(inputs: dict) -> dict:
        outputs = function(**{key: tf.constant(value) for key, value in inputs.items()})
        return {key: value.numpy() for key, value in outputs.items()}

    run.loaded = loaded  # the function alone does not hold its variables
    return run


def describe(folder: Path) -> Report:
    """What a SavedModel holds."""
    loaded, function = load(folder)
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    files = [file for file in folder.rglob("*") if file.is_file()]
    inputs = function.structured_input_signature[1]
    return Report(
        path=str(folder),
        kind="saved_model",
        bytes=sum(file.stat().st_size for file in files),
        ops=dict(Counter(node.op for node in nodes).most_common()),
        inputs=tuple(_tensor(name, inputs[name]) for name in sorted(inputs)),
        outputs=tuple(_tensor(n, t) for n, t in sorted(function.structured_outputs.items())),
        signatures=tuple(sorted(loaded.signatures)),
    )


def _tensor(name: str, spec) -> Tensor:
    shape = () if spec.shape.rank is None else tuple(spec.shape)
    return Tensor(name, shape, spec.dtype.name)
