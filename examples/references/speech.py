"""Speech to try a denoiser on: wave files, a published recording, noise, and how much of it is left."""

import io
import wave
from pathlib import Path

import numpy as np

from examples.datasets.packages import Package, read_package_file
from examples.references.dtln import RATE

PYANNOTE = Package(
    name="pyannote_audio",
    version="3.3.2",
    sha256="23e0dcedda920cb2e154e146bcd9663289ee7942d0e012663dad76f2e571ebeb",
)
START = 6.6  # seconds; before, nobody speaks


def telephone_talk(seconds: float) -> np.ndarray:
    """Two people talking, from the sample that pyannote.audio carries: at most 23 s."""
    recording = read_wave(
        io.BytesIO(read_package_file(PYANNOTE, "pyannote/audio/sample/sample.wav"))
    )
    return recording[int(START * RATE) :][: int(seconds * RATE)]


def pink_noise(count: int, seed: int = 0) -> np.ndarray:
    """Noise with equal power in every octave, as of a fan or of traffic; standard deviation 1."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, count)
    return (noise / noise.std()).astype(np.float32)


def mix(speech: np.ndarray, noise: np.ndarray, decibels: float) -> np.ndarray:
    """Speech with noise `decibels` weaker than it."""
    loudness = speech.std() / noise.std() * 10 ** (-decibels / 20)
    return (speech + loudness * noise).astype(np.float32)


def signal_to_noise(estimate: np.ndarray, speech: np.ndarray) -> float:
    """Scale-invariant: in dB, the part of the estimate along the speech over the rest of it."""
    estimate, speech = (np.asarray(s, float) - np.mean(s) for s in (estimate, speech))
    along = (estimate @ speech) / (speech @ speech) * speech
    rest = estimate - along
    return float(10 * np.log10((along @ along) / (rest @ rest)))


def read_wave(file) -> np.ndarray:
    """Samples `(N,)` in -1..1 of a 16 kHz, 16-bit wave file; channels are averaged.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is of another kind.
    """
    name = str(file) if isinstance(file, str | Path) else "the recording"
    try:
        with wave.open(str(file) if isinstance(file, Path) else file) as reader:
            layout, count = reader.getparams(), reader.getnframes()
            content = reader.readframes(count)
    except (wave.Error, EOFError) as error:
        raise ValueError(f"Not a wave file of plain samples: {name} ({error})") from None
    if layout.sampwidth != 2 or layout.framerate != RATE or not count:
        raise ValueError(
            f"A wave file of 16-bit samples at {RATE} Hz is needed: convert it first, for example "
            f"with `ffmpeg -i IN -ar {RATE} -sample_fmt s16 OUT.wav`. Received: {name} with "
            f"{8 * layout.sampwidth} bits at {layout.framerate} Hz, {count} samples"
        )
    samples = np.frombuffer(content, "<i2").reshape(-1, layout.nchannels)
    return samples.mean(1).astype(np.float32) / 32768


def write_wave(path: Path, samples: np.ndarray) -> None:
    """A 16 kHz, 16-bit wave file of one channel."""
    content = np.rint(np.clip(samples * 32768, -32768, 32767)).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as writer:
        writer.setparams((1, 2, RATE, 0, "NONE", ""))
        writer.writeframes(content)
