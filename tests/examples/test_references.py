"""Published weights in our layers: the numbers of the packages' own models, exported too."""

import json
import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from examples import denoise, pronounce
from examples.datasets.packages import read_package_file
from examples.datasets.pronunciations.cmudict import read_dictionary
from examples.error_rates import phoneme_error_rate
from examples.references import dtln, g2p, speech
from examples.references.overlap_add import LATENCY, Denoiser
from examples.tflite_files import open_tflite
from keras_recurrent import export

CLOSE = 1e-5
FRAMES = 250  # two seconds
WORDS = [
    *("recurrent", "gradient", "activationist", "strengths", "a", "lstm", "o'clock", "naïve"),
    *("supercalifragilisticexpialidocious", "qwertyuiop", "xylophone", "thoroughly", "zzz"),
]


def read_or_skip(read, *arguments):
    """Without a network and with an empty cache: a failure in CI (CI=true), a skip elsewhere."""
    try:
        return read(*arguments)
    except (ConnectionError, TimeoutError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error).splitlines()[0])


@pytest.fixture(scope="module")
def noisy():
    clean = read_or_skip(speech.telephone_talk, 2)
    return speech.mix(clean, speech.pink_noise(len(clean)), 5)


@pytest.fixture(scope="module")
def published():
    return read_or_skip(dtln.published_stages)


@pytest.fixture(scope="module")
def stages(noisy, published):
    """For each stage: our model, the frames it reads, what onnxruntime makes of them, its states."""
    seen = []

    def record(stage):
        def call(frames):
            seen.append((frames, stage(frames)))
            return seen[-1][1]

        return call

    for stage in published:
        stage.reset()
    denoise.denoise(noisy, *map(record, published))
    models = dtln.mask_model(), dtln.waveform_model()
    states = [stage.states[0] for stage in published]  # (layer, units, h or c)
    return [(model, *pair, s) for model, pair, s in zip(models, seen, states, strict=True)]


STAGES = pytest.mark.parametrize("number", [0, 1], ids=["mask", "waveform"])


class TestDTLN:
    @STAGES
    def test_model_gives_the_published_numbers(self, stages, number):
        model, frames, expected, _ = stages[number]
        assert len(frames) >= FRAMES
        assert np.std(expected) > 0.01
        np.testing.assert_allclose(model(frames[None])[0], expected, atol=CLOSE)

    def test_compiled_engine(self, stages):
        model, frames, expected, _ = stages[0]
        np.testing.assert_allclose(model.predict(frames[None], verbose=0)[0], expected, atol=CLOSE)

    def test_silence_and_quiet_sounds(self, stages, published):
        model, frames, *_ = stages[1]  # the normalisation divides by their deviation
        for quiet in (np.zeros_like(frames[:20]), 1e-5 * frames[:120]):
            published[1].reset()
            expected = published[1](quiet)
            largest = max(np.abs(expected).max(), 1e-9)
            outputs = model(quiet[None])[0]
            np.testing.assert_allclose(outputs / largest, expected / largest, atol=CLOSE)

    @STAGES
    def test_whole_sequences_in_tflite(self, stages, number, tmp_path):
        model, frames, expected, _ = stages[number]
        report = export.to_tflite(model, tmp_path / "whole.tflite", timesteps=None)
        run = open_tflite(tmp_path / "whole.tflite")
        for count in (len(frames), 120):
            outputs = run(**{report.inputs[0].name: frames[None, :count]})["output_0"][0]
            np.testing.assert_allclose(outputs, expected[:count], atol=CLOSE)

    @STAGES
    def test_fused_operation(self, stages, number, tmp_path):
        """Its own clip, 10, would show: the published cells reach 100."""
        model, frames, expected, states = stages[number]
        path = tmp_path / "fused.tflite"
        report = export.to_tflite(model, path, form="fused", timesteps=len(frames))
        assert report.ops["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 2
        assert np.abs(states).max() > 20
        outputs = open_tflite(path)(**{report.inputs[0].name: frames[None]})["output_0"][0]
        np.testing.assert_allclose(outputs, expected, atol=CLOSE)

    @STAGES
    def test_frame_by_frame_in_tflite(self, stages, published, number, tmp_path):
        model, frames, expected, states = stages[number]
        path = tmp_path / "step.tflite"
        export.to_tflite(model, path, streaming=True, target="mobile")
        assert path.stat().st_size < published[number].size * 1.01
        stream = export.Stream(path)
        for _ in range(2):
            outputs = [stream.push(frame[None, None]) for frame in frames]
            np.testing.assert_allclose(np.concatenate(outputs)[:, 0], expected, atol=CLOSE)
            for layer in (0, 1):
                for place, part in enumerate("hc"):
                    theirs = states[layer, :, place]
                    scale = max(1, np.abs(theirs).max())  # published cells grow beyond 100
                    ours = stream.states[f"state_lstm_{layer + 1}_{part}"][0]
                    np.testing.assert_allclose(ours / scale, theirs / scale, atol=CLOSE)
            stream.reset()

    def test_denoises_a_wave_file(self, noisy, tmp_path):
        source, target = tmp_path / "in.wav", tmp_path / "out.wav"
        speech.write_wave(source, noisy[:-50])  # no whole number of frames
        clean = speech.telephone_talk(2)[:-50]
        assert denoise.main([str(source), str(target), "--out", str(tmp_path)]) == 0
        result = speech.read_wave(target)
        assert result.shape == clean.shape
        gain = speech.signal_to_noise(result, clean) - speech.signal_to_noise(noisy[:-50], clean)
        assert gain > 7
        expected = denoise.of_onnxruntime()(speech.read_wave(source))
        np.testing.assert_allclose(result, expected, atol=1 / 32768)


class TestOverlapAdd:
    def test_parts_of_any_length(self, noisy, published):
        outputs = []
        for part in (128, 512, len(noisy)):
            for stage in published:
                stage.reset()
            denoiser = Denoiser(*published)
            pushed = [denoiser.push(noisy[at : at + part]) for at in range(0, 128 * 200, part)]
            outputs.append(np.concatenate(pushed)[: 128 * 200])
        np.testing.assert_array_equal(outputs[1], outputs[0])
        np.testing.assert_array_equal(outputs[2], outputs[0])

    def test_latency(self):
        samples = np.random.default_rng(0).normal(size=1280).astype(np.float32)
        through = Denoiser(np.ones_like, lambda frames: frames / 4)  # four frames hold each sample
        outputs = through.push(samples)
        np.testing.assert_allclose(outputs[LATENCY:], samples[:-LATENCY], atol=1e-6)

    @pytest.mark.parametrize("shape", [(0,), (100,), (1, 128)])
    def test_bad_parts(self, shape):
        with pytest.raises(ValueError, match="multiple of 128 samples"):
            Denoiser(np.ones_like, np.copy).push(np.zeros(shape))


class TestWaveFiles:
    def test_another_rate(self, tmp_path):
        with wave.open(str(tmp_path / "x.wav"), "wb") as writer:
            writer.setparams((1, 2, 44_100, 0, "NONE", ""))
            writer.writeframes(b"\0\0" * 10)
        with pytest.raises(ValueError, match="16 bits at 44100 Hz, 10 samples"):
            speech.read_wave(tmp_path / "x.wav")

    def test_no_wave_file(self, tmp_path):
        (tmp_path / "x.wav").write_bytes(b"ID3 or whatever it may be")
        with pytest.raises(ValueError, match=r"Not a wave file .*x\.wav"):
            speech.read_wave(tmp_path / "x.wav")

    def test_two_channels(self, tmp_path):
        with wave.open(str(tmp_path / "x.wav"), "wb") as writer:
            writer.setparams((2, 2, 16_000, 0, "NONE", ""))
            writer.writeframes(np.array([[100, 300], [-8, 0]], "<i2").tobytes())
        np.testing.assert_allclose(speech.read_wave(tmp_path / "x.wav") * 32768, [200, -4])


@pytest.fixture(scope="module")
def package_answers(tmp_path_factory):
    """What the package's own NumPy code says: phonemes of WORDS, and the encoder's states."""
    folder = tmp_path_factory.mktemp("package")
    for name in ("g2p.py", "checkpoint20.npz"):
        content = read_or_skip(read_package_file, g2p.PACKAGE, f"g2p_en/{name}")
        (folder / name).write_bytes(content)
    script = Path(__file__).with_name("g2p_package.py")
    words = json.dumps([word.lower() for word in WORDS])
    command = [sys.executable, str(script), str(folder)]
    run = subprocess.run(command, input=words, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout), np.load(folder / "states.npy")


class TestG2P:
    def test_keras(self, package_answers):
        phonemes, states = package_answers
        speaker = pronounce.of_keras(g2p.encoder(), g2p.decoder())
        ours = speaker.encode(g2p.letter_numbers(WORDS))
        np.testing.assert_allclose(ours, states, atol=CLOSE)
        assert g2p.pronounce(WORDS, speaker.encode, speaker.decode) == phonemes
        assert phonemes[0] == ["R", "IH0", "K", "ER1", "AH0", "N", "T"]

    def test_tflite(self, package_answers, tmp_path):
        phonemes, states = package_answers
        speaker = pronounce.export_speaker(tmp_path)
        ours = speaker.encode(g2p.letter_numbers(WORDS))
        np.testing.assert_allclose(ours, states, atol=CLOSE)
        assert g2p.pronounce(WORDS, speaker.encode, speaker.decode) == phonemes
        for word, expected in zip(WORDS, phonemes, strict=True):
            assert g2p.pronounce([word], speaker.encode, speaker.decode) == [expected]

    def test_scores_on_the_dictionary(self):
        dictionary = read_or_skip(read_dictionary)
        words = np.random.default_rng(1).choice(sorted(dictionary), 100, replace=False).tolist()
        speaker = pronounce.of_keras(g2p.encoder(), g2p.decoder())
        spoken = g2p.pronounce(words, speaker.encode, speaker.decode)
        assert phoneme_error_rate(spoken, [dictionary[word] for word in words]) < 0.14
