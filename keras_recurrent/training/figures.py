"""Pictures of what was seen inside: matplotlib, imported when one is asked for."""


def new_figure(width: float, height: float):
    """An empty figure of so many inches, in the style in force; it belongs to no window.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib, which is not installed: pip install 'keras-recurrent[plot]'. The "
            "values themselves are there without it."
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def around_zero():
    """A colour map for both sides of zero, which itself has the colour of the background in force."""
    import matplotlib
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    background = to_rgb(matplotlib.rcParams["axes.facecolor"])
    dark = sum(background) / 3 < 0.5
    below, above = ("#5aa9ff", "#ff9a57") if dark else ("#0b4f9c", "#b34205")
    return LinearSegmentedColormap.from_list("around_zero", [below, background, above])
