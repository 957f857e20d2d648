"""Pictures of the study of vanishing gradients."""

import numpy as np


def draw_flows(seen: dict, titles: dict[str, str], figure, colours) -> None:
    """|∂L/∂s_t| over the time steps, beside that at the last one, before and after training."""
    panels = figure.subplots(1, 2, sharey=True)
    for place, (axis, when) in enumerate(zip(panels, ("untrained", "trained"), strict=True)):
        for (kind, pair), colour in zip(seen.items(), colours.cycle, strict=False):
            hidden = pair[place]
            steps = np.arange(1, len(hidden) + 1)
            shown = np.where(hidden > 0, hidden, np.nan) / hidden[-1]
            axis.plot(steps, shown, color=colour, label=titles[kind], linewidth=1.6)
        axis.set_yscale("log")
        axis.set_title(f"adding problem, $T = {len(hidden)}$, {when}")
        axis.set_xlabel("time step $t$")
        axis.grid(axis="y", linewidth=0.5)
    panels[0].set_ylabel("$|\\partial L/\\partial s_t|\\;/\\;|\\partial L/\\partial s_T|$")
    panels[1].legend(loc="lower right", fontsize=8)


def draw_learning(runs: list, titles: dict[str, str], figure, colours) -> None:
    """Errors on the adding problem by length, and the loss over training of the copy memory."""
    left, right = figure.subplots(1, 2)
    length = min(run.length for run in runs if run.task == "copying")
    for (kind, title), colour in zip(titles.items(), colours.cycle, strict=False):
        mine = [run for run in runs if run.kind == kind]
        points = sorted((run.length, run.loss) for run in mine if run.task == "adding")
        if not mine:
            continue
        left.plot(*np.reshape(points, (-1, 2)).T, "o-", color=colour, label=title, markersize=4)
        for run in mine:
            if (run.task, run.length) == ("copying", length):
                every = run.steps // len(run.curve)
                steps = every * np.arange(1, len(run.curve) + 1)
                right.plot(steps, run.curve, color=colour, linewidth=1.4)
    lengths = sorted({run.length for run in runs if run.task == "adding"})
    chances = {run.task: run.chance for run in runs if run.task == "adding" or run.length == length}
    for axis, task in ((left, "adding"), (right, "copying")):
        axis.axhline(chances[task], color=colours.ink, linestyle=":", linewidth=1)
        axis.annotate(
            "chance",
            (1, chances[task]),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 3),
            textcoords="offset points",
            ha="right",
            fontsize=8,
        )
    left.set_xscale("log")
    left.set_xticks(lengths, map(str, lengths))
    left.minorticks_off()
    left.set_yscale("log")
    left.set_title("adding problem, after training")
    left.set_xlabel("length $T$ (time steps)")
    left.set_ylabel("mean squared error")
    left.legend(fontsize=8, loc="center right", bbox_to_anchor=(1, 0.55))
    right.set_title(f"copy memory, $T = {length}$")
    right.set_xlabel("training steps (32 sequences each)")
    right.set_ylabel("loss (nats a time step)")
    right.set_ylim(0, 2 * chances["copying"])
