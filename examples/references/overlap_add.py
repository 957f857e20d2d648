"""Samples in, samples out: DTLN's two stages between overlapping frames."""

from collections.abc import Callable

import numpy as np

from examples.references.dtln import FRAME, SHIFT

LATENCY = FRAME - SHIFT  # samples by which the output is late

# Frames (T, n) to frames of the same shape. One that keeps its states may be called again and again.
Stage = Callable[[np.ndarray], np.ndarray]


class Denoiser:
    """Denoises what is pushed, a multiple of 128 samples at a time; the output is 384 samples late.

    With stages that keep their states a stream can be pushed in parts of any such length; others
    need the whole signal at once.
    """

    def __init__(self, mask: Stage, waveform: Stage):
        self._mask, self._waveform = mask, waveform
        self._past = np.zeros(LATENCY, np.float32)  # input that later frames begin with
        self._sum = np.zeros(LATENCY, np.float32)  # output that later frames still add to

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Samples `(N,)` to samples `(N,)`."""
        if samples.ndim != 1 or not len(samples) or len(samples) % SHIFT:
            raise ValueError(
                f"Push a multiple of {SHIFT} samples, as one axis. Received: shape {samples.shape}"
            )
        signal = np.concatenate([self._past, samples.astype(np.float32)])
        frames = np.lib.stride_tricks.sliding_window_view(signal, FRAME)[::SHIFT]
        spectra = np.fft.rfft(frames)
        masks = self._mask(np.abs(spectra).astype(np.float32))
        cleaner = np.fft.irfft(masks * spectra, FRAME).astype(np.float32)
        total = np.concatenate([self._sum, np.zeros(len(samples), np.float32)])
        for place, frame in enumerate(self._waveform(cleaner)):
            total[place * SHIFT : place * SHIFT + FRAME] += frame
        self._past, self._sum = signal[-LATENCY:], total[-LATENCY:]
        return total[: len(samples)]


def denoise(samples: np.ndarray, mask: Stage, waveform: Stage, part: int | None = None):
    """A whole signal `(N,)`, the latency taken out; `part` samples at a time if given."""
    padded = np.pad(samples, (0, LATENCY + -len(samples) % SHIFT))
    denoiser = Denoiser(mask, waveform)
    parts = range(0, len(padded), part or len(padded))
    outputs = [denoiser.push(padded[start:][: part or len(padded)]) for start in parts]
    return np.concatenate(outputs)[LATENCY:][: len(samples)]
