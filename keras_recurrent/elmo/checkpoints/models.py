"""A `BiLM` from files, and files from a `BiLM`."""

import json
from pathlib import Path

from keras_recurrent.elmo.checkpoints.boundary_rows import warn_of_other_words
from keras_recurrent.elmo.checkpoints.cell_names import names_to_write
from keras_recurrent.elmo.checkpoints.errors import CheckpointError
from keras_recurrent.elmo.checkpoints.folder import replaced_files
from keras_recurrent.elmo.checkpoints.hdf5_file import write_hdf5
from keras_recurrent.elmo.checkpoints.layout import arrays_from_weights, layout
from keras_recurrent.elmo.checkpoints.options_file import (
    options_from,
    read_options,
    settings_of,
)
from keras_recurrent.elmo.checkpoints.softmax_file import check_softmax, write_softmax
from keras_recurrent.elmo.checkpoints.stored_weights import read_model
from keras_recurrent.elmo.checkpoints.transfer import (
    CHARACTER_SETTINGS,
    SETTINGS,
    put,
    settings_from,
    take,
)

OPTIONS, WEIGHTS, SOFTMAX = "options.json", "lm_weights.hdf5", "lm_softmax_weights.hdf5"
FREE = {"dropout"}  # of the settings: it changes nothing of what the weights mean


def from_checkpoint(bilm_class, options_file, weights_file, *, embedding_file=None, **kwargs):
    """`BiLM.from_checkpoint`, which tells of the arguments."""
    fixed = {*SETTINGS, *CHARACTER_SETTINGS} - FREE
    given = sorted(fixed & set(kwargs))
    if given:
        raise TypeError(
            f"{given[0]!r} is told by the options file and the weights, and cannot be given. "
            f"Received: {given[0]}={kwargs[given[0]]!r}"
        )
    options = read_options(options_file)
    settings = settings_of(options, str(options_file), characters=embedding_file is None)
    stored = read_model(settings, weights_file, embedding_file)
    if embedding_file is not None and "char_cnn" in options:
        characters = {**settings_of(options, str(options_file)), "vocabulary_size": None}
        warn_of_other_words(characters, weights_file, stored.weights["embedding"])
    bilm = bilm_class(**{**stored.settings, **kwargs})
    bilm.build()
    put(bilm, stored.weights)
    return bilm


def load(bilm, weights_file, *, embedding_file=None) -> None:
    """Give an existing `BiLM` the weights in a file, or leave it as it is.

    Args:
        bilm: The model; its arguments say which datasets there must be.
        weights_file: HDF5 file in the published layout, or a checkpoint of TensorFlow 1 (its prefix or
            the folder of a training run of bilm-tf).
        embedding_file: As in `BiLM.from_checkpoint`.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: The file is damaged, refers to other files, or does not fit the model.
    """
    stored = read_model(settings_from(bilm), weights_file, embedding_file)
    if not bilm.built:
        bilm.build()
    put(bilm, stored.weights)


def save(bilm, folder, softmax=None) -> None:
    """`BiLM.save_checkpoint`, which tells of the arguments."""
    if not bilm.built:
        bilm.build()
    settings = settings_from(bilm)
    if softmax is not None:
        softmax = check_softmax(softmax, bilm.width)
    options = options_from(settings, None if softmax is None else len(softmax.bias))
    _check_expressible(settings, options)
    entries = layout(settings, names_to_write(settings))
    weights = take(bilm, [place for entry in entries for place in entry.weights])
    _check_finite(weights)
    with replaced_files(folder, (WEIGHTS, SOFTMAX, OPTIONS)) as made:
        write_hdf5(made / WEIGHTS, arrays_from_weights(entries, weights))
        if softmax is not None:
            write_softmax(made / SOFTMAX, softmax)
        text = json.dumps(options, indent=2, allow_nan=False) + "\n"
        Path(made / OPTIONS).write_text(text, encoding="utf-8")


def _check_expressible(settings, options) -> None:
    """Refuse what the options file would not give back."""
    try:
        back = settings_of(options, "this model")
    except CheckpointError as error:
        raise ValueError(
            f"The published layout has no words for this model; save it as .keras: {error}"
        ) from None
    for name, value in settings.items():
        if back.get(name) != value:
            raise ValueError(
                f"The published layout cannot tell {name}={value!r} of a model with "
                f"units={settings['units']}: a reader would take it for {back.get(name)!r}. "
                "Save the model as .keras."
            )


def _check_finite(weights) -> None:
    for place, array in weights.items():
        bad = array.size - int((abs(array) < float("inf")).sum())  # False for NaN, too
        if bad:
            raise ValueError(
                f"Weight {place!r} of shape {array.shape} holds {bad} values that are infinite or NaN, "
                "which no reader could use. Nothing was written."
            )
