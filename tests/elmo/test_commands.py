"""`keras-recurrent elmo train` and `embed`: what they write, how it goes on, what they refuse."""

import re

import h5py
import numpy as np
import pytest
import tensorflow as tf
from elmo import language_kit as kit
from typer.testing import CliRunner

import keras_recurrent as kr
import keras_recurrent_cli as cli
from keras_recurrent.elmo import train_command

SMALL = "--units 12 --projection 6 --filters 1x4,2x6,3x8 --batch-size 20 --window 5 --samples 8"
FILES = {"options.json", "lm_weights.hdf5", "lm_softmax_weights.hdf5", "vocab.txt"}


@pytest.fixture(autouse=True)
def _eagerly():
    """Tracing would take longer than the training."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return kit.write_text(tmp_path_factory.mktemp("text"))


def run(*arguments, status=0, command="train") -> str:
    words = [word for part in arguments for word in str(part).split()]
    done = CliRunner().invoke(cli.app, ["elmo", command, *words])
    assert done.exit_code == status, (done.output, done.exception)
    return re.sub(r"[\s│]+", " ", done.output)


def weights(folder):
    model = kr.elmo.BiLM.from_checkpoint(folder / "options.json", folder / "lm_weights.hdf5")
    softmax = kr.elmo.checkpoints.load_softmax(folder / "lm_softmax_weights.hdf5")
    return [*model.get_weights(), *softmax]


def test_trains_and_goes_on_from_a_checkpoint(text, tmp_path):
    said = run(text, "--out", tmp_path / "a", SMALL, "--epochs 2 --validation", text)
    assert {p.name for p in (tmp_path / "a").iterdir()} == FILES
    assert "words in 7 documents; 26 to predict" in said
    measured = dict(re.findall(r"(\w+)? ?perplexity on the validation text: ([\d.]+)", said))
    assert {"forward", "backward"} < set(measured)
    assert max(map(float, measured.values())) < 30
    model = kr.elmo.BiLM.from_checkpoint(
        tmp_path / "a/options.json", tmp_path / "a/lm_weights.hdf5"
    )
    assert (model.units, model.projection_units, model.dropout) == (12, 6, 0.1)
    same = "--batch-size 20 --window 5 --samples 8 --epochs 1 --learning-rate 0.001"
    said = run(text, "--from", tmp_path / "a", "--out", tmp_path / "b", same)
    assert "softmax included" in said
    for before, after in zip(weights(tmp_path / "a"), weights(tmp_path / "b"), strict=True):
        np.testing.assert_allclose(after, before, atol=0.01)
    assert not np.array_equal(weights(tmp_path / "a")[0], weights(tmp_path / "b")[0])
    words = tmp_path / "words.txt"
    kr.elmo.Vocabulary(
        ["<S>", "</S>", "<UNK>", "ba", "ken", "gist", "foo", "da", "den", "boo"]
    ).write(words)
    said = run(text, "--from", tmp_path / "a", "--out", tmp_path / "c", same, "--vocabulary", words)
    assert "softmax has 26 words, the vocabulary 10: a new one" in said
    said = run(text, "--from", tmp_path / "a", "--out", tmp_path / "d", "--units 4", status=1)
    assert "sizes are those of the checkpoint" in said
    before = (tmp_path / "a/vocab.txt").read_bytes()
    said = run(text, "--out", tmp_path / "a", SMALL, "--min-count 9", status=1)
    assert "A model lies in" in said
    assert (tmp_path / "a/vocab.txt").read_bytes() == before


def test_the_softmax_of_a_checkpoint_is_that_of_its_words(tmp_path):
    words = kr.elmo.Vocabulary(["<S>", "</S>", "<UNK>", "ba", "ken"])
    kit.language_model(words, compiled=False).save_checkpoint(tmp_path, words)
    for order, said in ((1, "softmax included"), (-1, "one over other words")):
        turned = kr.elmo.Vocabulary(words.words[::order])
        model = kit.language_model(turned, compiled=False)
        model.softmax.bias.assign([9.0] * 5)
        assert said in train_command._softmax_from(tmp_path, model, turned)
        assert model.softmax.bias.numpy().tolist() == [0.0 if order == 1 else 9.0] * 5


def test_an_interrupted_training_goes_on(text, tmp_path, monkeypatch):
    options = f"{SMALL} --epochs 2 --seed 3"
    run(text, "--out", tmp_path / "whole", options)

    def end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_command._Checkpoint, "on_epoch_end", end)
        said = run(text, "--out", tmp_path / "cut", options, status=130)
    assert "Stopped. The same command with --resume goes on" in said
    said = run(text, "--out", tmp_path / "cut", options, status=1)
    assert "Go on with it by --resume" in said
    said = run(text, "--out", tmp_path / "cut", options, "--resume --dropout 0.2", status=1)
    assert "had other settings. Expected dropout=0.1. Received: 0.2" in said
    run(text, "--out", tmp_path / "cut", options, "--resume")
    for a, b in zip(weights(tmp_path / "cut"), weights(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(a, b)
    assert {p.name for p in (tmp_path / "cut").iterdir()} == FILES
    said = run(text, "--out", tmp_path / "cut", options, "--resume", status=1)
    assert "There is no unfinished training" in said


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ("nothing.txt --out {out}", 1, "There is no file 'nothing.txt'"),
        ("{text} --out {out} --batch-size 500", 1, "does not fill one batch of 500 rows"),
        (
            "{text} --out {out} {small} --validation {short}",
            1,
            "Received: Corpus(1 documents, 1 sent",
        ),
        ("{text} --out {out} {small} --learning-rate -1", 1, "Received: learning_rate=-1.0"),
        ("{text} --out {out} --filters 3", 2, "pairs WIDTHxNUMBER"),
        ("{text} --out {out} --shuffle rows", 2, "'rows' is not one of"),
        ("{text} --out {out} --from {out}", 1, "options.json and lm_weights.hdf5 is needed"),
        ("{text}", 2, "Missing option '--out'"),
    ],
)
def test_refuses_before_anything_is_written(text, tmp_path, arguments, status, said):
    out = tmp_path / "out"
    short = tmp_path / "short.txt"
    short.write_text("ba ken\n")
    given = {"text": text, "out": out, "small": SMALL, "short": short}
    assert said in run(arguments.format(**given), status=status)
    assert not out.exists()


def test_embed_writes_a_dataset_a_line(tmp_path):
    bilm = kr.elmo.BiLM(**kit.SIZES)
    bilm.save_checkpoint(tmp_path / "model")
    text = tmp_path / "text.txt"
    text.write_text("ba zoë ken\n\nfoo\n", encoding="utf-8")
    out = tmp_path / "vectors.hdf5"
    said = run(text, "--out", out, "--model", tmp_path / "model", command="embed")
    assert "Vectors of 3 sentences written" in said
    expected = bilm(kr.elmo.batch_to_ids([["ba", "zoë", "ken"]])).activations
    with h5py.File(out) as file:
        assert set(file) == {"0", "1", "2", "sentence_to_index"}
        assert [file[name].shape for name in "012"] == [(3, 3, 12), (3, 0, 12), (3, 1, 12)]
        np.testing.assert_allclose(file["0"], np.stack(expected)[:, 0], rtol=1e-5, atol=1e-6)
    more = "--layers 1 --mean --numbers float16"
    run(text, "--out", out, "--model", tmp_path / "model", more, command="embed")
    with h5py.File(out) as file:
        assert (file["0"].shape, file["0"].dtype) == ((12,), np.float16)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ("{text} --out {out} --model {folder}", 1, "options.json and lm_weights.hdf5 is needed"),
        ("nothing.txt --out {out} --model {folder}", 1, "There is no file 'nothing.txt'"),
        ("{text} --out {text} --model {folder}", 1, "take the place of the text itself"),
        ("{text} --out {out} --model {folder} --layers best", 2, "all, top, average or a layer's"),
    ],
)
def test_embed_refuses(text, tmp_path, arguments, status, said):
    names = {"text": text, "out": tmp_path / "v.hdf5", "folder": tmp_path}
    assert said in run(arguments.format(**names), status=status, command="embed")
    assert not list(tmp_path.iterdir())
