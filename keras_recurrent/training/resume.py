"""Exact resumption of an interrupted `fit`."""

import json
import os
import shutil
from pathlib import Path

import keras
import numpy as np

from keras_recurrent.training.chief import several_workers
from keras_recurrent.training.truncated_bptt import kept_states

_WEIGHTS, _NOTE = "latest.weights.h5", "training_metadata.json"  # what Keras's callback reads


class BackupAndRestore(keras.callbacks.BackupAndRestore):
    """Keras's BackupAndRestore and what it leaves out: a resumed `fit` ends like an uninterrupted one.

    Keras's callback keeps weights, optimizer and epoch. It forgets the seed generators, so that dropout
    starts anew with the masks of the first epoch, and the states of stateful layers. Both are kept
    here, beside Keras's files. Noise drawn without a seed generator of a layer is not.

    A backup is made at the end of an epoch. One that is interrupted leaves that of the epoch before,
    where Keras's leaves a file with some of the weights, which it reads without an error.

    The data must be the same in every epoch: when it resumes, `fit` starts a dataset from its
    beginning, and shuffled arrays (`shuffle=True`) and `dataset.shuffle` come in another order than
    they would have. With `steps_per_epoch` and a dataset that goes on over the epochs, skip what has
    been seen: `dataset.skip(steps_per_epoch * epochs_done)`. Other callbacks that count, EarlyStopping
    say, start to count anew.

    On several workers, wrap it: `kr.training.ChiefOnly(kr.training.BackupAndRestore(folder))`. Seeds
    then reach all workers. The states of stateful layers, of each worker's own rows, do not: let epochs
    start with documents, as those of `kr.training.windows` without `steps_per_epoch` do.

    Args:
        backup_dir: Folder for the backup; one for each training.
        double_checkpoint: As in Keras.
        delete_checkpoint: As in Keras: whether a finished `fit` deletes the folder.

    Raises:
        ValueError: For a backup of another model; on several workers without `ChiefOnly`.
    """

    on_chief_alone = False

    def __init__(self, backup_dir, double_checkpoint: bool = False, delete_checkpoint: bool = True):
        super().__init__(
            os.fspath(backup_dir),
            save_freq="epoch",
            double_checkpoint=double_checkpoint,
            delete_checkpoint=delete_checkpoint,
        )

    def set_model(self, model):
        super().set_model(model)
        if several_workers(model.distribute_strategy) and not self.on_chief_alone:
            raise ValueError(
                "On several workers the chief alone writes the backup, and all go on from it: wrap it "
                "in ChiefOnly, kr.training.ChiefOnly(kr.training.BackupAndRestore(folder)). Received: "
                f"BackupAndRestore({self.backup_dir!r}) by itself"
            )

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        metadata = Path(self.backup_dir, _NOTE)
        if not metadata.exists():
            return
        named = json.loads(metadata.read_text())["epoch"]
        epoch = self._epoch_of_weights(named)
        if epoch != named:  # the process died after Keras wrote the weights, before the epoch
            metadata.write_text(json.dumps({"epoch": epoch, "batch": 0}))
            super().on_train_begin(logs)
        self._restore(epoch)

    def on_epoch_end(self, epoch, logs=None):
        folder = Path(self.backup_dir)
        folder.mkdir(parents=True, exist_ok=True)
        self._write_run_state(epoch + 1)  # first: what the epoch of the weights needs is there
        if self.double_checkpoint:
            for file in filter(Path.exists, (folder / _WEIGHTS, folder / _NOTE)):
                shutil.copyfile(file, f"{file}.bkp")
        partial = folder / f"partial_{_WEIGHTS}"
        self.model.save_weights(partial, overwrite=True)
        partial.replace(folder / _WEIGHTS)
        partial = folder / f"partial_{_NOTE}"
        partial.write_text(json.dumps({"epoch": epoch + 1, "batch": 0}))
        partial.replace(folder / _NOTE)
        keep = {self._path(epoch + 1), self._path(epoch)}
        for old in set(folder.glob("run_state_*.npz")) - keep:
            old.unlink()

    def _write_run_state(self, epoch: int) -> None:
        path = self._path(epoch)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            values = map(keras.ops.convert_to_numpy, run_variables(self.model))
            np.savez(file, *values, iterations=self._iterations())
        partial.replace(path)

    def _path(self, epoch: int) -> Path:
        return Path(self.backup_dir, f"run_state_{epoch}.npz")

    def _iterations(self) -> int:
        return int(self.model.optimizer.iterations.numpy())  # a mirrored one is no number

    def _epoch_of_weights(self, named: int) -> int:
        """The epoch whose backup has as many optimizer steps as the weights that were loaded."""
        for epoch in (named, named + 1, named - 1):
            if self._path(epoch).exists():
                with np.load(self._path(epoch)) as file:
                    if int(file["iterations"]) == self._iterations():
                        return epoch
        return named

    def _restore(self, epoch: int) -> None:
        path, variables = self._path(epoch), run_variables(self.model)
        if not path.exists():
            raise ValueError(
                f"The backup in {self.backup_dir!r} holds no seeds and states of epoch {epoch}: it was "
                "made by another callback. Delete the folder, or go on with that callback."
            )
        with np.load(path) as file:
            values = [file[name] for name in file.files if name != "iterations"]
        shapes = [tuple(value.shape) for value in values]
        expected = [tuple(variable.shape) for variable in variables]
        if shapes != expected:
            raise ValueError(
                f"The backup in {self.backup_dir!r} belongs to another model. Expected seeds and states "
                f"of shapes {expected}. Received: {shapes}"
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def run_variables(model) -> list:
    """What a training changes and no weights file holds: seeds of the noise, states of the layers."""
    saved = {id(variable) for variable in [*model.weights, *model.metrics_variables]}
    seeds = [variable for variable in model.variables if id(variable) not in saved]
    return [*seeds, *kept_states(model)]
