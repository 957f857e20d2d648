"""Checkpoints between us and the original, bilm-tf, which runs in a child process."""

import json

import h5py
import numpy as np
import pytest
from elmo.checkpoint_kit import VARIANTS, activations, random_bilm, some_ids
from elmo.originals import run_original

from keras_recurrent.elmo import BiLM, checkpoints
from keras_recurrent.elmo.characters import word_to_ids
from keras_recurrent.elmo.checkpoints.stored_weights import read_model

READ = ["tight clips", "no projection at all", "token ids"]
WRITTEN = ["published", "one layer", "forward", "token ids"]


def pytest_generate_tests(metafunc):
    """`make conformance` adds all other layouts; bilm builds a graph for each, which takes seconds."""
    full = metafunc.config.getoption("--full")
    if "read" in metafunc.fixturenames:
        metafunc.parametrize("read", _readable() if full else READ)
    if "written" in metafunc.fixturenames:
        metafunc.parametrize("written", VARIANTS if full else WRITTEN)


def _readable() -> list[str]:
    """bilm's reader builds two directions."""
    return [name for name, settings in VARIANTS.items() if "directions" not in settings]


PROGRAM = """
import contextlib, io, os
from bilm.model import BidirectionalLanguageModel
from bilm.training import LanguageModel, dump_weights

def read(name, job):
    characters = job["shape"][2:]
    ids = tf.placeholder("int32", [None, None, *characters])
    weights = os.path.join(job["folder"], "lm_weights.hdf5")
    table = {} if characters else {
        "use_character_inputs": False, "embedding_weight_file": weights}
    options = os.path.join(job["folder"], "options.json")
    model = BidirectionalLanguageModel(options, weights, max_batch_size=4, **table)
    ops = model(ids)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        results["read:" + name] = session.run(
            ops["lm_embeddings"], {ids: np.reshape(job["ids"], job["shape"])})

def old_name(name):
    parts = [("/rnn/", "/RNN/"), ("multi_rnn_cell/cell_", "MultiRNNCell/Cell"),
             ("lstm_cell/projection/kernel", "LSTMCell/W_P_0"),
             ("lstm_cell/kernel", "LSTMCell/W_0"), ("lstm_cell/bias", "LSTMCell/B")]
    for new, old in parts:
        name = name.replace(new, old)
    return name

def write(name, job):
    folder, options = job["folder"], job["options"]
    with open(os.path.join(folder, "options.json"), "w") as file:
        json.dump(options, file)
    with tf.variable_scope("lm"):
        model = LanguageModel(options, False)
    variables = tf.trainable_variables()
    if name == "published":  # an optimiser's slots, which are no weights, come with a checkpoint
        tf.train.AdagradOptimizer(0.2).minimize(model.total_loss)
    rng = np.random.RandomState(len(name))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for variable in variables:
            session.run(variable.assign(rng.normal(0, 0.5, variable.shape.as_list())))
        tf.train.Saver(tf.global_variables()).save(session, os.path.join(folder, "model.ckpt"))
        old = {old_name(v.op.name): v for v in variables}
        tf.train.Saver(old).save(
            session, os.path.join(folder, "old.ckpt"), latest_filename="old_state")
        ids = np.reshape(job["ids"], job["shape"])
        words = hasattr(model, "token_ids")
        inputs = {model.token_ids if words else model.tokens_characters: ids}
        if options["bidirectional"]:
            inputs[model.token_ids_reverse if words else model.tokens_characters_reverse] = (
                ids[:, ::-1])
        tops = [tf.stack(steps, 1) for steps in tf.get_collection("lstm_output_embeddings")]
        for side, top in zip(("forward", "backward"), session.run(tops, inputs)):
            results[side + ":" + name] = top
        softmax = session.run([model.softmax_W, model.softmax_b])
        results["softmax W:" + name], results["softmax b:" + name] = softmax
    with tf.Graph().as_default():
        dump_weights(folder, os.path.join(folder, "lm_weights.hdf5"))

with contextlib.redirect_stdout(io.StringIO()):
    for job, run in (("read", read), ("write", write)):
        for name, what in arguments[job].items():
            with tf.Graph().as_default():
                run(name, what)
"""


def _options_of_training(options_file, variant) -> dict:
    """What bilm's training program reads for a model of ours."""
    options = json.loads(options_file.read_text())
    if "char_cnn" in options:
        options["char_cnn"]["n_characters"] = 261
    options |= {"batch_size": 2, "unroll_steps": 5, "dropout": 0.1}
    if variant == "token ids":
        options["share_embedding_softmax"] = True
    return {"n_tokens_vocab": 7, **options}


def _with_boundaries(variant, ids):
    """<S> before every sentence, </S> behind it: here it is bilm's caller who puts them."""
    batch, words, *characters = ids.shape
    first, last = 1, 2
    if characters:
        first, last = (word_to_ids(word, *characters) for word in ("<S>", "</S>"))
    framed = np.zeros((batch, words + 2, *characters), np.int32)
    framed[:, 0], framed[:, 1:-1] = first, ids
    for row, length in enumerate((ids.reshape(batch, words, -1) > 0).any(-1).sum(1)):
        framed[row, length + 1] = last
    return framed


def _job(folder, ids, **more) -> dict:
    return {"folder": str(folder), "ids": ids.ravel().tolist(), "shape": ids.shape, **more}


@pytest.fixture(scope="module")
def meeting(tmp_path_factory, request):
    """The folder, and what bilm made of our files and gave for those that it wrote."""
    root, full = tmp_path_factory.mktemp("bilm"), request.config.getoption("--full")
    to_read, to_write = (_readable(), list(VARIANTS)) if full else (READ, WRITTEN)
    read, write = {}, {}
    for variant in dict.fromkeys(to_read + to_write):
        ours, theirs = root / f"ours {variant}", root / f"theirs {variant}"
        random_bilm(variant).save_checkpoint(ours)
        if variant in to_read:
            read[variant] = _job(ours, _with_boundaries(variant, some_ids(variant)))
        if variant in to_write:
            theirs.mkdir()
            whole = _with_boundaries(variant, some_ids(variant, padded=False))
            options = _options_of_training(ours / "options.json", variant)
            write[variant] = _job(theirs, whole - 1, options=options)
    return root, run_original(PROGRAM, {"read": read, "write": write}, root)


def test_bilm_reads_what_we_write(meeting, read):
    _, results = meeting
    ids = some_ids(read)
    ours = np.stack(activations(random_bilm(read), ids), 1)
    there = (ids.reshape(2, 3, -1) > 0).any(-1)[:, None, :, None]
    np.testing.assert_allclose(ours, results["read:" + read] * there, rtol=1e-5, atol=2e-6)


def test_we_read_what_bilm_dumps(meeting, written):
    root, results = meeting
    folder = root / f"theirs {written}"
    bilm = BiLM.from_checkpoint(folder / "options.json", folder / "lm_weights.hdf5")
    top = activations(bilm, some_ids(written, padded=False))[-1]
    forward = results["forward:" + written][:, 1:-1]
    np.testing.assert_allclose(top[..., : bilm.width], forward, rtol=1e-5, atol=2e-6)
    if bilm.directions == ("forward", "backward"):
        backward = results["backward:" + written][:, -2:0:-1]
        np.testing.assert_allclose(top[..., bilm.width :], backward, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("checkpoint", ["", "model.ckpt", "old.ckpt"])
def test_we_read_the_checkpoint_before_it_is_dumped(meeting, written, checkpoint):
    """By its folder, by its prefix, and with the names of TensorFlow before version 1."""
    root, _ = meeting
    folder = root / f"theirs {written}"
    settings = checkpoints.read_settings(folder / "options.json")
    dumped = read_model(settings, folder / "lm_weights.hdf5")
    trained = read_model(settings, folder / checkpoint)
    assert trained.settings == dumped.settings
    assert trained.weights.keys() == dumped.weights.keys()
    for place, weight in trained.weights.items():
        np.testing.assert_array_equal(weight, dumped.weights[place], err_msg=place)


@pytest.mark.parametrize("variant", ["published", "token ids"])
def test_the_softmax_of_a_training_run(meeting, variant):
    """A model of token ids may share its table with the softmax, as this one does."""
    root, results = meeting
    softmax = checkpoints.load_softmax(root / f"theirs {variant}", width=5)
    np.testing.assert_array_equal(softmax.kernel, results["softmax W:" + variant])
    np.testing.assert_array_equal(softmax.bias, results["softmax b:" + variant])


def test_bilm_dumps_the_names_that_we_write(meeting):
    root, _ = meeting
    names = []
    for side in ("ours", "theirs"):
        names.append([])
        with h5py.File(root / f"{side} published" / "lm_weights.hdf5") as file:
            file.visit(names[-1].append)
    assert names[0] == names[1]
