"""A folder that holds a model in the published layout, as the commands read it."""

from pathlib import Path

from keras_recurrent.elmo.bilm import BiLM
from keras_recurrent.elmo.vocabulary import Vocabulary

VOCABULARY = "vocab.txt"
_SOFTMAX = "*softmax_weights.hdf5"


def bilm_in(folder: Path, **arguments) -> BiLM:
    """The model of `*options.json` and `*weights.hdf5`, or of a training run of bilm-tf.

    Args:
        folder: The folder.
        arguments: Of `BiLM.from_checkpoint`.

    Raises:
        ValueError: For a folder without options, or with several.
    """
    options = _one_of(folder, "*options.json")
    if options is None:
        raise ValueError(
            f"A folder with options.json and lm_weights.hdf5 is needed. Received: {str(folder)!r}"
        )
    return BiLM.from_checkpoint(options, _weights(folder) or folder, **arguments)


def softmax_file(folder: Path) -> Path | None:
    """What holds the softmax beside the weights; None where there is none."""
    found = _one_of(folder, _SOFTMAX)
    return found or (folder if _weights(folder) is None else None)


def vocabulary_in(folder: Path) -> Vocabulary | None:
    """The words of `vocab.txt`, if there is one."""
    file = folder / VOCABULARY
    return Vocabulary.read(file) if file.exists() else None


def _weights(folder: Path) -> Path | None:
    return _one_of(folder, "*weights.hdf5", besides=_SOFTMAX)


def _one_of(folder: Path, pattern: str, besides: str | None = None) -> Path | None:
    found = [p for p in sorted(folder.glob(pattern)) if besides is None or not p.match(besides)]
    if len(found) > 1:
        raise ValueError(
            f"One file {pattern} is expected in {str(folder)!r}. Received: {[p.name for p in found]}"
        )
    return found[0] if found else None
