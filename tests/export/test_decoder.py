"""Decoders as files: the ids of the Keras model, where there is neither TensorFlow nor this package."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
from applications.decoding_kit import next_log_p, shaken
from scipy import stats

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export import decoder as decoder_file
from keras_recurrent.export import decoder_files

SOURCE = np.array([[1, 2, 3, 0], [4, 5, 0, 0], [6, 6, 6, 6], [2, 1, 4, 3], [3, 0, 0, 0]], "int32")
STEPS = 6


class Exported(NamedTuple):
    model: keras.Model
    folder: Path
    report: export.DecoderReport
    graph: kr.applications.Decoder
    files: export.Decoder


def exported(model, folder, seed, **how):
    report = export.to_tflite_decoder(shaken(model, 1.3, seed), folder, **how)
    return Exported(model, folder, report, kr.applications.Decoder(model), export.Decoder(folder))


@pytest.fixture(scope="module")
def attentive(tmp_path_factory):
    """Sources of any length, any number of rows."""
    model = kr.applications.sequence_to_sequence(
        6, source_vocabulary=7, units=4, bidirectional=False, output_activation=None
    )
    return exported(model, tmp_path_factory.mktemp("attentive") / "d", 44)


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    """Two rows of a call, sources padded to 5, a step without a loop, and 16 bits."""
    model = kr.applications.sequence_to_sequence(
        6, source_vocabulary=7, units=4, bidirectional=False, attention="additive", cell="gru"
    )
    how = {"quantize": "float16", "source_length": 5, "batch_size": 2}
    return exported(model, tmp_path_factory.mktemp("fixed") / "d", 81, **how)


@pytest.fixture(scope="module")
def free(tmp_path_factory):
    """Unconditioned, 8-bit weights where matrices are large enough."""
    model = kr.applications.one_to_many(vocabulary_size=6, units=20, embedding_dim=30)
    how = {"quantize": "dynamic", "batch_size": 1}
    return exported(model, tmp_path_factory.mktemp("free") / "d", 5, **how)


def same(decoded, expected, atol=1e-5):
    for name in ("ids", "lengths", "finished"):
        np.testing.assert_array_equal(getattr(decoded, name), getattr(expected, name))
        assert getattr(decoded, name).dtype == getattr(expected, name).dtype
    np.testing.assert_allclose(decoded.log_probabilities, expected.log_probabilities, atol=atol)


@pytest.mark.parametrize(("which", "atol"), [("attentive", 1e-5), ("fixed", 0.02)])
def test_the_ids_of_the_graph(which, atol, request):
    _, _, report, graph, files = request.getfixturevalue(which)
    assert (report.sources, report.same) == (8, 8)
    same(files.greedy(SOURCE, STEPS), graph.greedy(SOURCE, STEPS), atol)
    for beams, alpha in ((1, 0.6), (3, 0.0), (4, 1.0)):
        expected = graph.beam_search(SOURCE, STEPS, beams, alpha)
        same(files.beam_search(SOURCE, STEPS, beams, alpha), expected, atol)
        assert len({tuple(ids) for ids in expected.ids[:, 0].tolist()}) > 1


def test_more_beams_than_sequences(attentive):
    expected = attentive.graph.beam_search(SOURCE[:2], 2, beams=20)
    assert (expected.log_probabilities == -np.inf).any()
    same(attentive.files.beam_search(SOURCE[:2], 2, beams=20), expected)


def test_without_an_encoder(free):
    assert free.report.encoder is None
    assert free.report.decoder.quantize == "dynamic"
    assert [path.name for path in free.folder.iterdir()] == ["decoder.tflite"]
    same(free.files.greedy(rows=2, max_steps=3), free.graph.greedy(rows=2, max_steps=3), 0.1)


def test_the_report(fixed, attentive):
    report = fixed.report
    assert report.path == str(fixed.folder)
    assert report.encoder.path == str(fixed.folder / "encoder.tflite")
    assert report.encoder.largest_difference <= report.encoder.tolerance
    assert "WHILE" not in report.decoder.ops
    shapes = {tensor.name: tensor.shape for tensor in report.decoder.outputs}
    assert shapes["probabilities"] == (2, 1, 6)
    assert "Greedy decoding of 8 made-up sources: the same ids for 8" in str(report)
    assert "logits" in [tensor.name for tensor in attentive.report.decoder.outputs]


# ---------------------------------------------------------------- sampling


def test_sampling_of_one_id_is_greedy_and_seeds_count(attentive):
    decoder = attentive.files
    greedy = decoder.greedy(SOURCE, STEPS)
    for how in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}):
        same(decoder.sample(SOURCE, STEPS, **how), greedy)
    first = decoder.sample(SOURCE, STEPS, temperature=2.0, seed=4)
    same(decoder.sample(SOURCE, STEPS, temperature=2.0, seed=4), first, 0)
    assert any(
        decoder.sample(SOURCE, STEPS, temperature=2.0, seed=seed).ids.tolist() != first.ids.tolist()
        for seed in (5, 6)
    )


def test_ids_come_as_often_as_the_model_says(attentive):
    rows = np.repeat(SOURCE[:1], 3000, 0)
    first = attentive.files.sample(rows, 1, temperature=1.5, seed=2)
    p = np.exp(next_log_p(attentive.model, {"source": SOURCE[:1]}, 1, logits=True)([]) / 1.5)
    p /= p.sum()
    seen = np.where(first.finished, 2, first.ids[:, 0])
    counts = np.bincount(seen, minlength=6)
    assert not counts[p == 0].any()
    assert stats.chisquare(counts[p > 0], 3000 * p[p > 0]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, [0.4, 0.3, 0.2, 0.1]),
        ({"top_k": 2}, [4 / 7, 3 / 7, 0, 0]),
        ({"top_p": 0.65}, [4 / 7, 3 / 7, 0, 0]),
        ({"top_p": 0.75}, [4 / 9, 3 / 9, 2 / 9, 0]),
        ({"top_k": 3, "top_p": 0.75}, [4 / 7, 3 / 7, 0, 0]),
        ({"top_p": 0.01}, [1, 0, 0, 0]),
        ({"top_p": 1.0, "top_k": 9}, [0.4, 0.3, 0.2, 0.1]),
        ({"temperature": 0.5, "top_k": 2}, [16 / 25, 9 / 25, 0, 0]),
    ],
)
def test_what_is_drawn_from(how, expected):
    log_p = np.log(np.array([[0.1, 0.4, 0.2, 0.3]]))
    ids, q = decoder_file.candidates(log_p, **{"temperature": 1.0, **how})
    assert ids.tolist() == [[1, 3, 2, 0]]
    np.testing.assert_allclose(q, [expected], atol=1e-12)


# ---------------------------------------------------------------- files and folders


def test_a_stream_runs_the_step(fixed):
    """Without masked steps: the decoder over three ids at once, and one after the other."""
    encoder, decoder = kr.applications.parts_of(fixed.model)
    given = dict(encoder(keras.ops.convert_to_tensor(np.pad(SOURCE[:2], [(0, 0), (0, 1)]))))
    ids = np.array([[1, 3, 4], [1, 5, 3]], "int32")
    run = export.Stream(fixed.folder / "decoder.tflite", constants=("memory", "memory_mask"))
    run.reset({name: np.asarray(given[name]) for name in given if name.startswith("state_")})
    constants = {name: np.asarray(given[name]) for name in ("memory", "memory_mask")}
    expected = decoder({"previous": keras.ops.convert_to_tensor(ids), **given})["output"]
    np.testing.assert_allclose(run.push(ids, **constants), expected, atol=5e-3)


def test_without_tensorflow_or_this_package(attentive, tmp_path):
    shutil.copytree(attentive.folder, tmp_path, dirs_exist_ok=True)
    assert export.Decoder.copy_to(tmp_path) == tmp_path / "decoder.py"
    np.save(tmp_path / "x.npy", SOURCE)
    code = """
        import sys

        class Refuse:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in ("tensorflow", "keras", "keras_recurrent", "jax", "torch"):
                    raise ModuleNotFoundError(name)

        sys.meta_path.insert(0, Refuse())
        import numpy as np
        from decoder import Decoder

        np.save("y.npy", Decoder(".").beam_search(np.load("x.npy"), 6, beams=3).ids)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    subprocess.run(command, cwd=tmp_path, check=True, env={"PATH": ""}, timeout=60)
    expected = attentive.graph.beam_search(SOURCE, 6, beams=3).ids
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)


def test_copies_spare_files_of_others(tmp_path):
    path = export.Decoder.copy_to(tmp_path)
    assert path.read_text() == Path(decoder_file.__file__).read_text()
    assert export.Decoder.copy_to(tmp_path) == path
    path.write_text("of someone else")
    with pytest.raises(FileExistsError, match="another file"):
        export.Decoder.copy_to(tmp_path)
    assert path.read_text() == "of someone else"


class _Wrong(export.Decoder):
    def greedy(self, *arguments, **how):
        decoded = super().greedy(*arguments, **how)
        return decoded._replace(ids=np.where(decoded.ids == 3, 5, 3) * (decoded.ids > 0))


def test_all_or_nothing(tmp_path, monkeypatch):
    model = shaken(
        kr.applications.one_to_many(vocabulary_size=6, units=3, cell="simple_rnn"), seed=3
    )
    folder = tmp_path / "d"
    with monkeypatch.context() as patched:
        patched.setattr(decoder_files, "Decoder", _Wrong)
        with pytest.raises(export.VerificationError, match=r"fall short.*8 of 8 made-up"):
            export.to_tflite_decoder(model, folder, batch_size=1)
    assert not list(tmp_path.iterdir())
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"'notes.txt'.*no part of an exported decoder"):
        export.to_tflite_decoder(model, folder)
    (folder / "notes.txt").unlink()
    export.to_tflite_decoder(model, folder, batch_size=1, verify=False)
    export.Decoder.copy_to(folder)
    (folder / "encoder.tflite").write_text("of the model before")
    report = export.to_tflite_decoder(model, folder, batch_size=2)
    assert sorted(p.name for p in folder.iterdir()) == ["decoder.py", "decoder.tflite", "stream.py"]
    assert report.decoder.inputs[0].shape[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


# ---------------------------------------------------------------- bad input


def test_unsuitable_exports(attentive, tmp_path):
    model, folder = attentive.model, tmp_path / "d"
    for how, message in (
        (
            {"quantize": "int8"},
            r"quantize None \| 'float16' \| 'dynamic'. Received: quantize='int8'",
        ),
        ({"source_length": 0}, "source_length"),
        ({"batch_size": 0}, "batch_size"),
        ({"verify": 1}, "verify"),
        ({"tolerance": -1}, "tolerance"),
        ({"begin": 9}, "begin"),
    ):
        with pytest.raises(ValueError, match=message):
            export.to_tflite_decoder(model, folder, **how)
    free = kr.applications.one_to_many(vocabulary_size=6, units=3)
    with pytest.raises(ValueError, match=r"reads nothing. Leave it out. .*=4"):
        export.to_tflite_decoder(free, folder, source_length=4)
    short = kr.applications.sequence_to_sequence(
        6, source_vocabulary=7, units=3, source_timesteps=5
    )
    with pytest.raises(ValueError, match=r"have 5 time steps\. Received: source_length=4"):
        export.to_tflite_decoder(short, folder, source_length=4)
    with pytest.raises(ValueError, match="model named 'decoder'"):
        export.to_tflite_decoder(keras.Sequential([keras.Input((2,))]), folder)
    assert not list(tmp_path.iterdir())


def test_unsuitable_arguments(attentive, fixed, free):
    decoder = attentive.files
    for call, message in (
        (lambda: decoder.greedy(SOURCE, 0), "max_steps"),
        (lambda: decoder.greedy(SOURCE, 2.5), "max_steps.*2.5"),
        (lambda: decoder.sample(SOURCE, temperature=None), "temperature.*None"),
        (lambda: decoder.sample(SOURCE, top_p="a"), "top_p.*'a'"),
        (lambda: decoder.beam_search(SOURCE, beams=2.0), "beams.*2.0"),
        (lambda: decoder.beam_search(SOURCE, length_penalty=np.nan), "length_penalty.*nan"),
        (lambda: free.files.greedy(rows=1.5), "rows=1.5"),
        (lambda: export.Decoder(free.folder, begin=1.5), "begin.*1.5"),
        (lambda: decoder.sample(SOURCE, temperature=0), "temperature"),
        (lambda: decoder.sample(SOURCE, top_p=0), "top_p"),
        (lambda: decoder.sample(SOURCE, top_k=0), "top_k"),
        (lambda: decoder.beam_search(SOURCE, beams=0), "beams"),
        (lambda: decoder.beam_search(SOURCE, length_penalty=-1), "length_penalty"),
        (lambda: decoder.greedy(SOURCE, rows=3), "rows= is for models without an encoder"),
        (lambda: decoder.greedy(SOURCE[0]), r"\(batch, any\). Received: \(4,\)"),
        (lambda: decoder.greedy(SOURCE[:, :0]), r"\(batch, any\). Received: \(5, 0\)"),
        (lambda: decoder.greedy(SOURCE / 2), "whole numbers. Received: float64"),
        (lambda: decoder.greedy(-SOURCE), "0 and more. Received: -6"),
        (lambda: decoder.greedy(SOURCE + 9), "outside its vocabulary.*from 9 to 15"),
        (lambda: decoder.greedy([[0, 0]]), "padding"),
        (lambda: decoder.greedy(), "must be one array.* NoneType"),
        (lambda: decoder.greedy([[1, 2], [3]]), "pad sequences.* list"),
        (lambda: fixed.files.greedy(np.ones((1, 6), int)), r"\(batch, 5\)"),
        (lambda: free.files.greedy(SOURCE), "no encoder: give rows="),
        (lambda: free.files.greedy(), "rows=None"),
        (lambda: export.Decoder(free.folder, begin=0), "begin"),
        (lambda: export.Decoder(free.folder, end=6), "1 to 5. Received: 6"),
        (lambda: export.Decoder(free.folder, 2, 2), "different ids"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_an_empty_batch_gives_an_empty_result(attentive, free):
    decoder = attentive.files
    for decoded in (decoder.greedy(SOURCE[:0]), free.files.sample(rows=0)):
        assert [part.shape for part in decoded] == [(0, 0), (0,), (0,), (0,)]
    assert decoder.beam_search(SOURCE[:0], beams=3).ids.shape == (0, 3, 0)


def test_folders_that_hold_no_decoder(attentive, tmp_path):
    with pytest.raises(FileNotFoundError):
        export.Decoder(tmp_path)
    shutil.copy(attentive.folder / "decoder.tflite", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"\['memory', 'memory_mask'\].*encoder.tflite"):
        export.Decoder(tmp_path)
    shutil.copy(attentive.folder / "encoder.tflite", tmp_path / "decoder.tflite")
    with pytest.raises(ValueError, match=r"not the step of a decoder.*to_tflite_decoder"):
        export.Decoder(tmp_path)


def test_a_condition_that_is_not_finite(tmp_path):
    model = kr.applications.one_to_many(vocabulary_size=6, units=3, condition_features=2)
    exported(model, tmp_path / "d", 7)
    with pytest.raises(ValueError, match="'condition' must hold finite numbers"):
        export.Decoder(tmp_path / "d").greedy([[0.5, np.nan]])


def test_unknown_categories_and_nan(tmp_path):
    model = kr.applications.one_to_many(
        vocabulary_size=6, units=3, cell="simple_rnn", condition_sizes=(2, 3)
    )
    exported(model, tmp_path / "d", 7)
    files = export.Decoder(tmp_path / "d")
    assert len(files.greedy([[1, 2]], 3).ids) == 1
    with pytest.raises(ValueError, match="outside its vocabulary"):
        files.greedy([[2, 0]], 3)
    run = files._decoder.run
    files._decoder.run = lambda inputs: {n: v * np.nan for n, v in run(inputs).items()}
    with pytest.raises(ValueError, match="gives NaN"):
        files.greedy([[1, 2]], 3)
