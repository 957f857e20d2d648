"""Pictures of the gradient's flow through time."""

import numpy as np

from keras_recurrent.training.figures import new_figure


def draw_flow(flow, axes=None):
    """Two panels, |∂L/∂h_t| and the shares of ∂L/∂W, over time; see `GradientFlow.plot`."""
    if axes is None:
        axes = new_figure(10, 4).subplots(1, 2)
    axes = np.ravel(axes)
    if len(axes) != 2:
        raise ValueError(f"`axes` must be two axes. Received: {len(axes)}")
    titles = "$|\\partial L/\\partial h_t|$", "share of step $t$ in $|\\partial L/\\partial W|$"
    for axis, title, part in zip(axes, titles, ("hidden", "shares"), strict=True):
        for name, layer in flow.layers.items():
            values = getattr(layer, part)
            steps = np.arange(1, len(values) + 1)
            shown = np.where(values > 0, values, np.nan)  # no logarithm: masked, or unreached
            marker = "o" if len(values) < 3 else None
            axis.plot(steps, shown, label=name, marker=marker)
        axis.set_yscale("log")
        axis.set_xlabel("time step $t$")
        axis.set_ylabel(f"{title} (unit of the loss)")
    axes[0].legend()
    return axes[0].figure


def draw_history(history, epochs, figure=None):
    """Heat maps over time and epochs, a row a layer; see `GradientFlowRecorder.plot`."""
    figure = figure or new_figure(10, 1 + 2.6 * len(history))
    panels = figure.subplots(len(history), 2, squeeze=False)
    for row, (name, layer) in zip(panels, history.items(), strict=True):
        parts = (
            (layer.hidden, "$|\\partial L/\\partial h_t|$"),
            (
                layer.shares,
                "share of $|\\partial L/\\partial W|$",
            ),
        )
        for axis, (values, title) in zip(row, parts, strict=True):
            _heat_map(axis, values, epochs, f"{name}: {title}")
    return figure


def _heat_map(axis, values, epochs, title) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log10(np.where(values > 0, values, np.nan))
    steps = np.arange(1, values.shape[1] + 1)
    drawn = axis.pcolormesh(steps, epochs, logs, shading="nearest")
    axis.set_xlabel("time step $t$")
    axis.set_ylabel("epoch")
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.set_title(title)
    axis.figure.colorbar(drawn, ax=axis, label="$\\log_{10}$, unit of the loss")
