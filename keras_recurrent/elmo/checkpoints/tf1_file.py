"""Weights in a checkpoint of TensorFlow 1: what a training run of bilm-tf leaves, and can go on from."""

import glob
import math
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_recurrent.elmo.checkpoints.errors import CheckpointError

SCOPE = "lm/"
_SUFFIXES = (".index", ".meta", ".data-00000-of-00001")
_FLOATS = (tf.float16, tf.float32, tf.float64)
_FAILURES = (tf.errors.OpError, ValueError, RuntimeError, OSError, LookupError)


class Tf1Weights:
    """The variables of the language model, without `lm/` and without the optimiser's slots."""

    def __init__(self, prefix: Path):
        self.source = str(prefix)
        try:
            self._reader = tf.train.load_checkpoint(self.source)
            shapes = self._reader.get_variable_to_shape_map()
            self._types = self._reader.get_variable_to_dtype_map()
        except _FAILURES as error:
            raise CheckpointError(
                f"{prefix} is no checkpoint of TensorFlow that can be read: {error}"
            ) from None
        files = prefix.parent.glob(glob.escape(prefix.name) + ".data-*")
        self._stored = sum(file.stat().st_size for file in files)
        if not any(name.startswith(SCOPE) for name in shapes):
            raise CheckpointError(
                f"{prefix}: bilm-tf keeps a language model under {SCOPE!r}, and no variable has that. "
                f"It has: {sorted(shapes)[:10]}"
            )
        self.shapes = {
            name.removeprefix(SCOPE): tuple(shape)
            for name, shape in shapes.items()
            if name.startswith(SCOPE) and name.rpartition("/")[0] not in shapes  # X/Adagrad of X
        }

    def read(self, name: str) -> np.ndarray:
        """The values; the caller has compared the shape with what is expected."""
        dtype, shape = self._types[SCOPE + name], self.shapes[name]
        if dtype not in _FLOATS:
            raise CheckpointError(
                f"{self.source}: variable {name!r} of shape {shape} must hold float32 numbers. "
                f"Received: {dtype.name}"
            )
        declared = math.prod(shape) * dtype.size
        if declared > self._stored:
            raise CheckpointError(
                f"{self.source}: variable {name!r} of shape {shape} declares {declared} bytes, and the "
                f"data files have {self._stored}: they are cut off, or not this checkpoint's"
            )
        try:
            values = self._reader.get_tensor(SCOPE + name)
        except _FAILURES as error:
            raise CheckpointError(
                f"{self.source}: variable {name!r} of shape {shape} is damaged: {error}"
            ) from None
        return values.astype(np.promote_types(values.dtype, np.float32), copy=False)


def tf1_prefix(path: Path) -> Path | None:
    """The checkpoint that a path means: its prefix, one of its files, or a training run's folder."""
    if path.is_dir():
        state = tf.train.get_checkpoint_state(str(path))
        if state is None:
            return None
        # The folder may have been moved since: only the name in the state file counts.
        path = path / Path(state.model_checkpoint_path).name
    for suffix in _SUFFIXES:
        if path.name.endswith(suffix):
            path = path.with_name(path.name.removesuffix(suffix))
    return path if path.with_name(path.name + ".index").is_file() else None
