"""Weights and softmax files that are wrong, cut off or hostile: nothing of them is loaded."""

import json
import os
import re

import h5py
import numpy as np
import pytest
import tensorflow as tf
from elmo.checkpoint_kit import random_bilm

from keras_recurrent.elmo import BiLM, checkpoints
from keras_recurrent.elmo.checkpoints import CheckpointError
from keras_recurrent.elmo.checkpoints.stored_weights import read_model
from keras_recurrent.elmo.checkpoints.transfer import settings_from

CELL = "RNN_0/RNN/MultiRNNCell/Cell0/LSTMCell"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    random_bilm("published").save_checkpoint(folder)
    return folder


@pytest.fixture(scope="module")
def model():
    """Loads everything that is refused here; see `refused`."""
    return random_bilm("published", seed=1)


@pytest.fixture
def refused(model):
    """A function: the file is refused with these words, and no weight has changed."""

    def check(path, *words, error=CheckpointError):
        before = [weight.numpy() for weight in model.weights]
        with pytest.raises(error) as caught:
            checkpoints.load(model, path)
        for word in words:
            assert word in str(caught.value)
        for old, weight in zip(before, model.weights, strict=True):
            np.testing.assert_array_equal(weight, old)

    return check


@pytest.fixture
def changed(published, tmp_path):
    """A function: a copy of the weights with one dataset replaced by what `make(file, name)` does."""

    def change(name, make=None):
        path = tmp_path / "changed.hdf5"
        path.write_bytes((published / "lm_weights.hdf5").read_bytes())
        with h5py.File(path, "r+") as file:
            if name in file:
                del file[name]
            if make is not None:
                make(file, name)
        return path

    return change


def _value(value):
    def make(file, name):
        file[name] = value

    return make


def _dataset(*args, **kwargs):
    def make(file, name):
        file.create_dataset(name, *args, **kwargs)

    return make


# ---------------------------------------------------------------- datasets


def test_a_missing_dataset(refused, changed):
    refused(changed("char_embed"), "'char_embed' of shape (261, 3)", "Nothing was loaded")


def test_a_dataset_of_another_shape(refused, changed):
    path = changed(f"{CELL}/W_0", _value(np.zeros((10, 44), np.float32)))
    refused(path, f"{CELL}/W_0' must have shape (10, 40), it has (10, 44)")


def test_a_table_that_has_the_padding_row_already(refused, changed):
    path = changed("char_embed", _value(np.zeros((262, 3), np.float32)))
    refused(path, "'char_embed' must have shape (261, 3), it has (262, 3)")


@pytest.mark.parametrize(
    "name", ["CNN_high_2/W_carry", "RNN_0/RNN/MultiRNNCell/Cell2/LSTMCell/B", "embedding", "x"]
)
def test_a_dataset_that_the_options_do_not_tell_of(refused, changed, name):
    refused(
        changed(name, _value(np.zeros(3, np.float32))), f"{name!r} of shape (3,) is in no place"
    )


def test_many_problems_are_not_all_listed(refused, tmp_path):
    random_bilm("token ids").save_checkpoint(tmp_path)
    refused(tmp_path / "lm_weights.hdf5", "and 14 more of this kind", "'embedding' of shape (9, 5)")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite(refused, changed, bad):
    bias = np.zeros(40, np.float32)
    bias[7] = bad
    refused(
        changed(f"{CELL}/B", _value(bias)), f"{CELL}/B' of shape (40,) holds 1", "(7,)", str(bad)
    )


def test_values_beyond_float32(refused, changed):
    refused(changed(f"{CELL}/B", _value(np.full(40, 1e300))), "holds 40 values", "1e+300")


@pytest.mark.parametrize(
    "kind",
    [np.int32, np.complex64, np.uint8, "S8", h5py.string_dtype(), h5py.ref_dtype, np.longdouble],
)
def test_other_things_than_floats(refused, changed, kind):
    path = changed(f"{CELL}/B", _dataset(shape=(40,), dtype=kind))
    refused(path, f"{CELL}/B' of shape (40,) must hold float32 numbers")


def test_a_group_in_place_of_a_dataset_and_the_reverse(refused, changed):
    refused(changed("char_embed", lambda file, name: file.create_group(name)), "'char_embed'")
    refused(changed("CNN", _value(np.zeros(1, np.float32))), "'CNN/W_cnn_0' of shape (1, 1, 3, 4)")


def test_no_shape_at_all(refused, changed):
    refused(
        changed("char_embed", _value(h5py.Empty("f4"))), "must have shape (261, 3), it has None"
    )


def test_a_named_type_is_no_dataset(refused, changed):
    refused(changed("char_embed", _value(np.dtype("f4"))), "'char_embed' is a Datatype")


# ---------------------------------------------------------------- other files, and bombs


@pytest.mark.parametrize("link", [h5py.SoftLink("/char"), h5py.ExternalLink("other.hdf5", "/x")])
def test_links(refused, changed, link):
    refused(changed("char_embed", _value(link)), "'char_embed' is a link", type(link).__name__)


def test_a_link_anywhere_in_the_file(refused, changed):
    refused(changed("notes", _value(h5py.SoftLink("/"))), "'notes' is a link")


def test_virtual_datasets(refused, changed, published):
    def make(file, name):
        layout = h5py.VirtualLayout((261, 3), np.float32)
        layout[...] = h5py.VirtualSource(published / "lm_weights.hdf5", name, (261, 3))
        file.create_virtual_dataset(name, layout)

    refused(changed("char_embed", make), "'char_embed' is virtual")


def test_values_kept_in_another_file(refused, changed, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 261 * 3 * 4)
    make = _dataset(shape=(261, 3), dtype="f4", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
    refused(changed("char_embed", make), "'char_embed' keeps its values in another file")


def test_a_group_inside_itself(refused, changed):
    def make(file, name):
        group = file.create_group(name)
        group["again"] = group

    refused(changed("loop", make), "a group inside itself")


def test_filters_that_need_a_plugin(refused, changed):
    def make(file, name):
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((261, 3))
        creation.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((261, 3))
        h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F32LE, space, creation)

    refused(changed("char_embed", make), "'char_embed' is stored through filters [32015]")


def test_values_that_were_never_written(refused, changed):
    make = _dataset(shape=(261, 3), dtype="f4")
    refused(changed("char_embed", make), "declares 3132 bytes and stores 0")


def test_a_chunk_that_unpacks_to_something_absurd(refused, changed):
    def make(file, name):
        wide = {"chunks": (1 << 22, 3), "maxshape": (None, 3), "compression": "gzip"}
        file.create_dataset(name, data=np.zeros((261, 3), np.float32), **wide)

    refused(changed("char_embed", make), "unpacks to something absurd")


def test_absurd_sizes_in_both_files(published, tmp_path):
    """A few bytes that ask for terabytes, and agree with each other."""
    options = json.loads((published / "options.json").read_text())
    del options["char_cnn"]
    options["lstm"] |= {"dim": 10**6, "projection_dim": 10**6, "n_layers": 1}
    (tmp_path / "options.json").write_text(json.dumps(options | {"n_tokens_vocab": 3}))
    with h5py.File(tmp_path / "weights.hdf5", "w") as file:
        packed = {"dtype": "f4", "chunks": True, "compression": "gzip"}
        file.create_dataset("embedding", (3, 10**6), **packed)
        for run in (0, 1):
            group = f"RNN_{run}/RNN/MultiRNNCell/Cell0/LSTMCell"
            file.create_dataset(f"{group}/W_0", (2 * 10**6, 4 * 10**6), **packed)
            file.create_dataset(f"{group}/B", (4 * 10**6,), **packed)
    with pytest.raises(CheckpointError, match=r"'embedding' of shape .* declares 12000000 bytes"):
        BiLM.from_checkpoint(tmp_path / "options.json", tmp_path / "weights.hdf5")


# ---------------------------------------------------------------- whole files


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_a_file_that_is_cut_off(refused, published, tmp_path, share):
    whole = (published / "lm_weights.hdf5").read_bytes()
    (tmp_path / "cut.hdf5").write_bytes(whole[: int(len(whole) * share)])
    refused(tmp_path / "cut.hdf5", "cut.hdf5")


def test_damaged_bytes_are_an_error_or_other_numbers(model, published, tmp_path):
    settings, whole = settings_from(model), (published / "lm_weights.hdf5").read_bytes()
    errors = 0
    for place in np.random.default_rng(0).integers(0, 6000, 60):  # where most of the structure lies
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        (tmp_path / "damaged.hdf5").write_bytes(damaged)
        try:
            stored = read_model(settings, tmp_path / "damaged.hdf5")
        except CheckpointError as error:
            assert "damaged.hdf5" in str(error)  # noqa: PT017
            errors += 1
        else:
            assert all(np.isfinite(weight).all() for weight in stored.weights.values())
    assert 0 < errors < 60


def test_files_of_another_kind(refused, tmp_path):
    (tmp_path / "text").write_text("weights")
    refused(tmp_path / "text", "neither an HDF5 file nor belongs to a checkpoint of TensorFlow 1")
    refused(tmp_path / "missing", "There is no file", error=FileNotFoundError)
    refused(tmp_path, "There is no file", error=FileNotFoundError)  # a folder without a checkpoint


def test_a_pickle_is_not_opened(refused, tmp_path):
    (tmp_path / "weights.npz").write_bytes(b"\x80\x04cos\nsystem\n(S'touch opened'\ntR.")
    refused(tmp_path / "weights.npz", "neither an HDF5 file")
    assert not os.path.exists("opened")


# ---------------------------------------------------------------- checkpoints of TensorFlow 1


@pytest.fixture
def tf1(tmp_path):
    """A function: writes variables as TensorFlow 1 does, returns the prefix."""

    def write(**variables):
        prefix = str(tmp_path / "model.ckpt-7")
        names = [name.replace("__", "/") for name in variables]
        values = [tf.constant(value) for value in variables.values()]
        tf.raw_ops.SaveV2(
            prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=values
        )
        return prefix

    return write


def test_a_checkpoint_without_a_language_model(refused, tf1):
    refused(tf1(dense__kernel=np.zeros(3)), "'lm/'", "dense/kernel")


def test_variables_that_do_not_fit(refused, tf1):
    wrong = np.zeros((2, 3), np.float32)
    refused(tf1(lm__char_embed=wrong), "'char_embed' must have shape (261, 3), it has (2, 3)")


def test_slots_of_an_optimiser_are_no_strangers(tf1):
    kernel, bias = np.ones((7, 5), np.float32), np.zeros(7, np.float32)
    prefix = tf1(
        lm__softmax__W=kernel, lm__softmax__b=bias, lm__softmax__W__Adagrad=kernel, global_step=1
    )
    np.testing.assert_array_equal(checkpoints.load_softmax(prefix).kernel, kernel)


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_a_checkpoint_that_is_cut_off(tf1, suffix):
    prefix = tf1(lm__softmax__W=np.ones((70, 50), np.float32), lm__softmax__b=np.zeros(70, "f4"))
    with open(prefix + suffix, "r+b") as file:
        file.truncate(40)
    with pytest.raises(CheckpointError, match=re.escape(prefix)):
        checkpoints.load_softmax(prefix)


def test_variables_of_another_kind(tf1):
    prefix = tf1(lm__softmax__W=np.ones((7, 5), np.int32), lm__softmax__b=np.zeros(7, "f4"))
    with pytest.raises(CheckpointError, match=r"'softmax/W' of shape .* Received: int32"):
        checkpoints.load_softmax(prefix)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((10**9, 10**6), "declares 4000000000000000 bytes, and the data files have"),
        ((7, 5), "'softmax/W' of shape (7, 5) is damaged"),
    ],
)
def test_a_variable_of_which_a_corner_is_stored(tmp_path, shape, words):
    rows, columns = shape
    prefix = str(tmp_path / "model.ckpt")
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=["lm/softmax/W", "lm/softmax/b", "lm/padding"],
        shape_and_slices=[f"{rows} {columns} 0,1:0,1", f"{rows} 0,1", ""],
        tensors=[np.ones((1, 1), "f4"), np.ones(1, "f4"), np.zeros(99, "f4")],
    )
    with pytest.raises(CheckpointError, match=re.escape(words)):
        checkpoints.load_softmax(prefix)


@pytest.mark.parametrize("state", ['model_checkpoint_path: "/gone/since/model.ckpt-7"', "nonsense"])
def test_the_folder_of_a_run_that_was_moved(tf1, tmp_path, state):
    tf1(lm__softmax__W=np.ones((7, 5), "f4"), lm__softmax__b=np.zeros(7, "f4"))
    (tmp_path / "checkpoint").write_text(state)
    if state == "nonsense":
        with pytest.raises(FileNotFoundError, match="nor a checkpoint of TensorFlow 1"):
            checkpoints.load_softmax(tmp_path)
    else:
        assert checkpoints.load_softmax(tmp_path).kernel.shape == (7, 5)


# ---------------------------------------------------------------- softmax


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"width": 6}, "'softmax/W' must have shape (7, 6), it has (7, 5)"),
        ({"vocabulary_size": 8}, "'softmax/W' must have shape (8, 5), it has (7, 5)"),
    ],
)
def test_a_softmax_that_does_not_fit(tmp_path, sizes, words):
    with h5py.File(tmp_path / "softmax.hdf5", "w") as file:
        file["softmax/W"], file["softmax/b"] = np.zeros((7, 5), "f4"), np.zeros(7, "f4")
    with pytest.raises(CheckpointError, match=re.escape(words)):
        checkpoints.load_softmax(tmp_path / "softmax.hdf5", **sizes)


def test_a_softmax_of_two_sizes(tmp_path):
    with h5py.File(tmp_path / "softmax.hdf5", "w") as file:
        file["softmax/W"], file["softmax/b"] = np.zeros((7, 5), "f4"), np.zeros(6, "f4")
    with pytest.raises(CheckpointError, match=r"must have shape \(6, 5\), it has \(7, 5\)"):
        checkpoints.load_softmax(tmp_path / "softmax.hdf5")
