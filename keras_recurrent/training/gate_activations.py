"""What the gates of a model's recurrent layers do over time, and what its cells hold."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from keras_recurrent.cells import StackedCells
from keras_recurrent.engines import unroll
from keras_recurrent.engines.watching import watched_by
from keras_recurrent.training import looking
from keras_recurrent.training.steps_seen import StepsSeen


@dataclass(frozen=True)
class LayerActivations:
    """One layer's gates and states, all in the order of time.

    Attributes:
        gates: By name `(batch, T, units)`; NaN at masked steps, which no gate decides about.
        states: "h" and "c" (or the names of the cell's own state) after each step, `(batch, T, width)`;
            masked steps hold what the step before left.
        mask: Booleans `(batch, T)`, False at masked steps.
    """

    gates: dict[str, np.ndarray]
    states: dict[str, np.ndarray]
    mask: np.ndarray


@dataclass(frozen=True)
class GateActivations:
    """What `kr.training.gate_activations` gives.

    Attributes:
        layers: A `LayerActivations` for every recurrent layer by its name, in the order of the calls.
    """

    layers: dict[str, LayerActivations]

    def plot(
        self,
        row: int = 0,
        tokens: Sequence[str] | None = None,
        layer: str | Sequence[str] | None = None,
        gates: Sequence[str] | None = None,
    ):
        """Heat maps, units by time, one below the other: gates from 0 to 1, c̃, c and h around zero.

        Masked steps are hatched. Colours fit the background of matplotlib's style in force, and gates
        have its `image.cmap`.

        Args:
            row: Which sequence of the batch.
            tokens: What was read at each of the T steps, or at each valid one; numbers by default.
            layer: Which layer, or layers side by side; all of them by default.
            gates: Names of gates and states to show, such as `["forget", "c"]`; all by default.

        Returns:
            A matplotlib `Figure`; a notebook shows it, `figure.savefig(path)` writes it.

        Raises:
            ImportError: matplotlib is not installed.
            ValueError: There is no such row, layer or gate, or too few or too many tokens.
        """
        from keras_recurrent.training.gate_picture import draw

        return draw(self.layers, row, tokens, layer, gates)


def gate_activations(model, x) -> GateActivations:
    """The gate values of all recurrent layers over time, by name, for some input.

    Γ(t) = σ(W [h(t-1), x(t)] + b): "update" Γu, "relevance" Γr, "forget" Γf and "output" Γo, as far as
    a cell has them, and its "candidate" c̃. Γu is the share of the new: i of an LSTM, 1 - z of a GRU
    (z of Keras keeps the old), f of the minimal gated unit, whose one gate stands for Γr too. With
    coupled gates Γf = 1 - Γu is among them. Cells without gates and those that do not name theirs
    (see `kr.GatedCell`) show their states alone.

    The model is called once in inference, its layers step by step whatever their engine; stateful ones
    go on from their states, and keep them as they were. Layers that go backwards are turned into the
    order of the input.

    Args:
        model: A Keras model or layer with recurrent layers of this package at any depth.
        x: As for a call: `(batch, T, ...)`, or several inputs in a list or a dictionary. Every step of
            every row is kept: give a few rows.

    Returns:
        `GateActivations`: `.layers[name]` has `.gates[name]` and `.states[name]` `(batch, T, units)` and
        `.mask`. A layer inside a layer has its own name, `forward_lstm` and `backward_lstm` for one; a
        further call of a shared layer counts as `lstm/call_2`, each cell of `kr.RNN([...])` as `rnn/1`,
        `rnn/2`.

    Raises:
        TypeError: `model` is neither a model nor a layer.
        ValueError: It has no recurrent layers of this package or did not call any, `x` holds no time
            steps, or layers are called where nobody can look (inside `tf.while_loop`).

    Example:
        ```python
        seen = kr.training.gate_activations(model, x)
        seen.layers["lstm"].gates["forget"][0]  # (T, units)
        seen.plot(tokens=["not", "bad", "at", "all"], gates=["forget", "c"])
        ```
    """
    names = {id(layer): name for name, layer in looking.recurrent_layers(model).items()}
    looking.check_not_empty(x)
    recorder = _Recorder(names)
    with looking.states_kept(model), watched_by(recorder):
        model(x, training=False)
    if not recorder.layers:
        raise ValueError(
            f"{model.name!r} called none of its recurrent layers for this input. Received: a model with "
            f"{sorted(names.values())}"
        )
    return GateActivations(recorder.layers)


class _Recorder:
    """Runs each layer step by step and keeps what its cells name."""

    def __init__(self, names: dict[int, str]):
        self.layers: dict[str, LayerActivations] = {}
        self._names = names
        self._calls: Counter[str] = Counter()

    def run(self, layer, cell, inputs, states, noise, mask, *arguments, **options):
        steps = StepsSeen(cell)
        result = unroll.run(steps, inputs, states, noise, mask, *arguments, **options)
        steps.finish(result.states, mask)
        name = self._names.get(id(layer), layer.name)
        self._calls[name] += 1
        if self._calls[name] > 1:
            name = f"{name}/call_{self._calls[name]}"
        for suffix, part, of in _parts(cell):
            seen = LayerActivations(steps.gates(part), steps.states(part, of), steps.valid)
            self.layers[name + suffix] = _turned(seen) if layer.go_backwards else seen
        return result


def _parts(cell) -> list[tuple]:
    """The cells of one step: what their names end with, and where their states are."""
    if not isinstance(cell, StackedCells):
        return [("", cell, lambda states: states)]
    return [(f"/{n + 1}", part, itemgetter(n)) for n, part in enumerate(cell.cells)]


def _turned(seen: LayerActivations) -> LayerActivations:
    gates, states = ({n: v[:, ::-1] for n, v in part.items()} for part in (seen.gates, seen.states))
    return LayerActivations(gates, states, seen.mask[:, ::-1])
