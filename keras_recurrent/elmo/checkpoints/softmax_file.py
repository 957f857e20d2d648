"""The softmax over the vocabulary: a file of its own beside published weights."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_recurrent.elmo.checkpoints.errors import CheckpointError
from keras_recurrent.elmo.checkpoints.hdf5_file import write_hdf5
from keras_recurrent.elmo.checkpoints.layout import Entry
from keras_recurrent.elmo.checkpoints.weight_files import Weights, open_weights, read_entries

KERNEL, BIAS, SHARED = "softmax/W", "softmax/b", "embedding"


class SoftmaxWeights(NamedTuple):
    """Both directions' softmax: logits = h kernelᵀ + bias."""

    kernel: np.ndarray  # (V, P)
    bias: np.ndarray  # (V,)


def load_softmax(
    weights_file, *, width: int | None = None, vocabulary_size: int | None = None
) -> SoftmaxWeights:
    """Read a softmax.

    Args:
        weights_file: The published `..._softmax_weights.hdf5`, or a checkpoint of TensorFlow 1. Where
            a model of token ids was trained with `share_embedding_softmax`, its table is the kernel.
        width: P that the model needs; None takes the file's.
        vocabulary_size: V that the vocabulary has; None takes the file's.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: There is no softmax in it (the published weights of the layers hold none), or
            it does not fit. The message names dataset and shapes.
    """
    with open_weights(weights_file) as file:
        name = SHARED if KERNEL not in file.shapes and SHARED in file.shapes else KERNEL
        kernel, bias = file.shapes.get(name), file.shapes.get(BIAS)
        if kernel is None or bias is None:
            raise CheckpointError(
                f"{file.source} holds no softmax ({KERNEL!r} and {BIAS!r}). Published weights keep it "
                f"in a file of its own, '..._softmax_weights.hdf5'. It has: {sorted(file.shapes)[:10]}"
            )
        rows = vocabulary_size or (bias[0] if bias else 0)
        columns = width or (kernel[-1] if kernel else 0)
        entries = [_entry(name, (rows, columns)), _entry(BIAS, (rows,))]
        arrays = read_entries(file, entries, _groups(file))
    return SoftmaxWeights(arrays[name], arrays[BIAS])


def write_softmax(path: Path, softmax: SoftmaxWeights) -> None:
    write_hdf5(path, {KERNEL: softmax.kernel, BIAS: softmax.bias})


def check_softmax(softmax, width: int) -> SoftmaxWeights:
    """A pair (kernel, bias) as arrays, if it fits a model of this width."""
    kernel, bias = (np.asarray(part, np.float32) for part in softmax)
    if kernel.ndim != 2 or kernel.shape[1] != width or bias.shape != kernel.shape[:1]:
        raise ValueError(
            f"A softmax is a pair of a kernel (V, {width}) and a bias (V,). "
            f"Received shapes: {kernel.shape} and {bias.shape}"
        )
    for name, part in ((KERNEL, kernel), (BIAS, bias)):
        if not np.isfinite(part).all():
            raise ValueError(f"{name!r} of shape {part.shape} holds infinite values or NaN")
    return SoftmaxWeights(kernel, bias)


def _groups(file: Weights) -> set[str]:
    """Anything may lie beside a softmax."""
    return {name.partition("/")[0] for name in file.shapes}


def _entry(name: str, shape: tuple[int, ...]) -> Entry:
    return Entry(name, shape, (name,), lambda array: (array,), lambda array: array)
