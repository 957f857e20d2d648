"""What `gradient_flow` returns."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class LayerFlow:
    """The gradient at every time step of one layer; arrays `(T,)` unless said otherwise.

    Attributes:
        hidden: |∂L/∂h_t|; of several cells in one layer all their h together.
        states: |∂L/∂s_t| for every part s of the state, by name: h, and c of an LSTM; numbers for parts
            that a cell of Keras does not name.
        shares: |∂L/∂W|_(t)|, the size of the share of step t in the gradient of all weights.
        weights: The same for each trainable weight, by name.
        gradient: |∂L/∂W|, the size of the sum of the shares.
        kept: The shares themselves, `(T, *shape)` by name, if they were asked for.
    """

    hidden: np.ndarray
    states: dict[str, np.ndarray]
    shares: np.ndarray
    weights: dict[str, np.ndarray]
    gradient: float
    kept: dict[str, np.ndarray] | None = None

    @property
    def timesteps(self) -> int:
        return len(self.hidden)

    @property
    def ratio(self) -> float:
        """|∂L/∂h_1| / |∂L/∂h_T|: below 1 the gradient vanishes on its way back, above it grows."""
        first, last = self.hidden[0], self.hidden[-1]
        return float(first / last) if last else float("nan")


_COLUMNS = ("layer", "steps", "|∂L/∂h_1|", "|∂L/∂h_T|", "ratio", "|∂L/∂W|")


@dataclass(frozen=True, eq=False)
class GradientFlow:
    """How the gradient of one batch flows back through time; prints as a table.

    Attributes:
        loss: L.
        layers: A `LayerFlow` for each call of a recurrent layer, by the layer's name, in order.
    """

    loss: float
    layers: dict[str, LayerFlow]

    def plot(self, axes=None):
        """Draw |∂L/∂h_t| and the shares |∂L/∂W|_(t)| over the time steps, a line a layer.

        Args:
            axes: Two of matplotlib's axes to draw on; a new figure by default. Colours are those of
                the style in force.

        Returns:
            The matplotlib `Figure`.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        from keras_recurrent.training.flow_plot import draw_flow

        return draw_flow(self, axes)

    def __str__(self) -> str:
        rows = [_COLUMNS]
        for name, flow in self.layers.items():
            sizes = (flow.hidden[0], flow.hidden[-1], flow.ratio, flow.gradient)
            rows.append((name, str(flow.timesteps), *(f"{size:.3g}" for size in sizes)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in rows
        ]
        return "\n".join([f"Gradient flow of a loss of {self.loss:.4g}", *lines])
