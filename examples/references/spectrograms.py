"""Sounds as a picture: how loud each frequency is over time."""

from pathlib import Path

import matplotlib
import numpy as np

from examples.references.dtln import FRAME, RATE, SHIFT

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FLOOR, CEILING = -70, 10  # dB


def draw_spectrograms(sounds: dict[str, np.ndarray], path: Path) -> None:
    """One above the other as a PNG, on the same scale, named by their keys."""
    figure, rows = plt.subplots(
        len(sounds),
        figsize=(9, 2.2 * len(sounds)),
        sharex=True,
        layout="constrained",
        facecolor="white",
        squeeze=False,
    )
    for axes, (name, samples) in zip(rows[:, 0], sounds.items(), strict=True):
        picture = axes.imshow(
            _decibels(samples).T,
            origin="lower",
            aspect="auto",
            extent=(0, len(samples) / RATE, 0, RATE / 2000),
            cmap="magma",
            vmin=FLOOR,
            vmax=CEILING,
        )
        axes.set_title(name, loc="left")
        axes.set_ylabel("kHz")
    rows[-1, 0].set_xlabel("seconds")
    figure.colorbar(picture, ax=rows, label="dB")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _decibels(samples: np.ndarray) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::SHIFT]
    return 20 * np.log10(np.abs(np.fft.rfft(frames * np.hanning(FRAME))) + 1e-9)
