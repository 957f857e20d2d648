"""The names that the weights of the cells have had, and which of them a file uses.

A training program of bilm-tf called them as the TensorFlow of its day did; its dump renames most of
them into the published ones. A model of one layer has no "Cell0", one of one direction no "RNN_0".
TensorFlow's own names come with `lm/` before them, which is taken off before it gets here.
"""

from collections.abc import Collection, Mapping
from itertools import product
from typing import Any

from keras_recurrent.elmo.checkpoints.layout import CellNames

_BOTH_RUNS = ("RNN_{run}/RNN/", "RNN_{run}/rnn/")
_ONE_RUN = ("rnn/", "RNN/")
_IN_STACK = ("MultiRNNCell/Cell{layer}/LSTMCell/", "multi_rnn_cell/cell_{layer}/lstm_cell/")
_ALONE = ("LSTMCell/", "lstm_cell/")
_PARTS = (
    ("W_0", "B", "W_P_0"),
    ("kernel", "bias", "projection/kernel"),
    ("weights", "biases", "projection/weights"),
)

PUBLISHED = CellNames(_BOTH_RUNS[0] + _IN_STACK[0], *_PARTS[0])
PUBLISHED_FORWARD = CellNames(_ONE_RUN[0] + _IN_STACK[0], *_PARTS[1])


def names_to_write(settings: Mapping[str, Any]) -> CellNames:
    """Of both directions what bilm-tf's reader looks for (with Cell0 for one layer too)."""
    return PUBLISHED if len(settings["directions"]) == 2 else PUBLISHED_FORWARD


def names_used(settings: Mapping[str, Any], found: Collection[str]) -> CellNames:
    """The names among which the first cell's kernel is in the file; the published ones if none is."""
    for names in _all_names(len(settings["directions"]) == 2, settings["num_layers"] == 1):
        if names.name("kernel", "forward", 0) in found:
            return names
    return names_to_write(settings)


def runs_forward_only(found: Collection[str]) -> bool:
    """Whether a file's names are those of a model of one direction."""
    return any(name.startswith(_ONE_RUN) for name in found)


def _all_names(both: bool, single: bool) -> list[CellNames]:
    runs = _BOTH_RUNS if both else _ONE_RUN
    cells = (*_IN_STACK, *_ALONE) if single else _IN_STACK
    return [CellNames(run + cell, *parts) for run, cell, parts in product(runs, cells, _PARTS)]
