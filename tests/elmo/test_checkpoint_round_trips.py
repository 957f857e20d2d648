"""Published files to models and back, in every layout, without the original."""

import warnings

import h5py
import numpy as np
import pytest
from elmo.checkpoint_kit import VARIANTS, activations, random_bilm, some_ids

from keras_recurrent.elmo import BiLM, checkpoints
from keras_recurrent.elmo.characters import word_to_ids

FILES = ["lm_weights.hdf5", "options.json"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_saved_model_comes_back(tmp_path, variant):
    bilm = random_bilm(variant, dropout=0.2)
    bilm.save_checkpoint(tmp_path / "made")
    assert sorted(file.name for file in (tmp_path / "made").iterdir()) == FILES
    back = BiLM.from_checkpoint(tmp_path / "made/options.json", tmp_path / "made/lm_weights.hdf5")
    leave_out = {"name", "trainable", "dtype"}
    ours, theirs = (
        {k: v for k, v in model.get_config().items() if k not in leave_out}
        for model in (bilm, back)
    )
    assert ours == theirs
    for before, after in zip(bilm.weights, back.weights, strict=True):
        # A forget bias loses its last digits to the 1 that is taken off and added again.
        np.testing.assert_allclose(after, before, rtol=0, atol=1.2e-7, err_msg=before.path)


def test_weights_that_come_back_give_the_same_vectors(tmp_path):
    bilm, ids = random_bilm("published"), some_ids("published")
    bilm.save_checkpoint(tmp_path)
    back = BiLM.from_checkpoint(tmp_path / "options.json", tmp_path / "lm_weights.hdf5")
    for before, after in zip(activations(bilm, ids), activations(back, ids), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=2e-6)


def test_a_model_of_ones_own_takes_the_weights(tmp_path):
    bilm = random_bilm("published")
    bilm.save_checkpoint(tmp_path)
    other = BiLM(**VARIANTS["published"])  # not built yet
    checkpoints.load(other, tmp_path / "lm_weights.hdf5")
    np.testing.assert_array_equal(
        other.cells["backward"][1].projection_kernel, bilm.cells["backward"][1].projection_kernel
    )


def test_arguments_that_files_do_not_tell(tmp_path):
    random_bilm("published", dropout=0.2).save_checkpoint(tmp_path)
    files = tmp_path / "options.json", tmp_path / "lm_weights.hdf5"
    bilm = BiLM.from_checkpoint(*files, stateful=True, dropout=0.5, name="mine", trainable=False)
    assert (bilm.stateful, bilm.dropout, bilm.name, bilm.trainable) == (True, 0.5, "mine", False)
    assert BiLM.from_checkpoint(*files, initial_state="warm").initial_state == "warm"
    with pytest.raises(TypeError, match=r"'units' is told by the options file.*units=4"):
        BiLM.from_checkpoint(*files, units=4)


def test_the_softmax_lies_beside_and_is_optional(tmp_path):
    bilm, rng = random_bilm("published"), np.random.default_rng(0)
    kernel, bias = rng.normal(size=(7, 5)), rng.normal(size=7)
    bilm.save_checkpoint(tmp_path, softmax=(kernel, bias))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lm_softmax_weights.hdf5", *FILES]
    softmax = checkpoints.load_softmax(tmp_path / "lm_softmax_weights.hdf5", width=5)
    np.testing.assert_allclose(softmax.kernel, kernel, rtol=1e-6)
    np.testing.assert_allclose(softmax.bias, bias, rtol=1e-6)
    with pytest.raises(checkpoints.CheckpointError, match=r"no softmax .*_softmax_weights\.hdf5"):
        checkpoints.load_softmax(tmp_path / "lm_weights.hdf5")


def test_a_table_of_vectors_instead_of_characters(tmp_path):
    """As bilm-tf's `dump_token_embeddings` writes it for a fixed vocabulary."""
    bilm, ids = random_bilm("published"), some_ids("published")[:1]
    bilm.save_checkpoint(tmp_path)
    boundaries = [word_to_ids(word, ids.shape[-1]) for word in ("<S>", "</S>")]
    words = np.stack([*boundaries, *ids[0]])
    with h5py.File(tmp_path / "table.hdf5", "w") as file:
        file["embedding"] = np.asarray(bilm.token_encoder(words))
    files = tmp_path / "options.json", tmp_path / "lm_weights.hdf5"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fast = BiLM.from_checkpoint(*files, embedding_file=tmp_path / "table.hdf5")
    assert fast.vocabulary_size == 5
    numbers = np.arange(3, 6, dtype=np.int32)[None]
    for slow, quick in zip(activations(bilm, ids), activations(fast, numbers), strict=True):
        np.testing.assert_allclose(quick, slow, rtol=1e-5, atol=2e-6)


def test_a_table_that_begins_with_other_words_than_the_boundaries(tmp_path):
    bilm, ids = random_bilm("published"), some_ids("published")[0]
    bilm.save_checkpoint(tmp_path)
    with h5py.File(tmp_path / "table.hdf5", "w") as file:
        file["embedding"] = np.asarray(bilm.token_encoder(ids))
    files = tmp_path / "options.json", tmp_path / "lm_weights.hdf5"
    with pytest.warns(UserWarning, match="first two rows .* '<S>' and '</S>'"):
        BiLM.from_checkpoint(*files, embedding_file=tmp_path / "table.hdf5")


@pytest.mark.parametrize(
    ("kinds", "close"),
    [
        ({"dtype": "float64"}, 1.2e-7),
        ({"dtype": ">f4"}, 1.2e-7),
        ({"compression": "gzip"}, 1.2e-7),
        ({"dtype": "float16"}, 2.0**-10),  # half of its last digit, for |x| < 4
    ],
)
def test_other_ways_to_store_the_same_numbers(tmp_path, kinds, close):
    bilm = random_bilm("published")
    bilm.save_checkpoint(tmp_path)
    with (
        h5py.File(tmp_path / "lm_weights.hdf5") as file,
        h5py.File(tmp_path / "other.hdf5", "w") as other,
    ):

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                other.create_dataset(name, data=item[...], **kinds)

        file.visititems(copy)
    back = BiLM.from_checkpoint(tmp_path / "options.json", tmp_path / "other.hdf5")
    for before, after in zip(bilm.weights, back.weights, strict=True):
        np.testing.assert_allclose(after, before, rtol=0, atol=close, err_msg=before.path)


@pytest.mark.parametrize("dtype", ["float64", "mixed_bfloat16"])
def test_models_of_other_dtypes(tmp_path, dtype):
    bilm = random_bilm("published", dtype=dtype)
    bilm.save_checkpoint(tmp_path)
    files = tmp_path / "options.json", tmp_path / "lm_weights.hdf5"
    back = BiLM.from_checkpoint(*files, dtype=dtype)
    for before, after in zip(bilm.weights, back.weights, strict=True):
        np.testing.assert_allclose(after, before, rtol=0, atol=1.2e-7, err_msg=before.path)


def test_a_folder_is_replaced_as_a_whole_and_strangers_stay(tmp_path):
    first, second = random_bilm("published"), random_bilm("token ids")
    (tmp_path / "vocabulary.txt").write_text("<S>\n")
    first.save_checkpoint(tmp_path, softmax=(np.zeros((7, 5)), np.zeros(7)))
    second.save_checkpoint(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [*FILES, "vocabulary.txt"]
    assert checkpoints.read_settings(tmp_path / "options.json")["vocabulary_size"] == 9


def test_a_checkpoint_is_readable_by_others(tmp_path):
    """With the permissions that files get here, not those of a temporary folder."""
    (tmp_path / "usual").mkdir()
    random_bilm("token ids").save_checkpoint(tmp_path / "made")
    assert (tmp_path / "made").stat().st_mode == (tmp_path / "usual").stat().st_mode
