"""What is not written, and what then becomes of the folder."""

import json
import re

import numpy as np
import pytest
from elmo.checkpoint_kit import VARIANTS, random_bilm

from keras_recurrent.elmo import BiLM


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"directions": ("backward",)}, "directions=('backward',)"),
        ({"units": 5, "projection_units": 5}, "projection_units=5"),
        ({"units": 4, "projection_units": 5}, "at most lstm.dim = 4"),
    ],
)
def test_models_that_the_layout_has_no_words_for(tmp_path, changes, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        BiLM(**VARIANTS["published"] | changes).save_checkpoint(tmp_path / "made")
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_are_not_written(tmp_path):
    bilm = random_bilm("published")
    bilm.save_checkpoint(tmp_path / "made")
    before = (tmp_path / "made/lm_weights.hdf5").read_bytes()
    bilm.cells["forward"][0].projection_kernel.assign(np.full((10, 5), np.nan))
    with pytest.raises(ValueError, match=r"cells.forward.0.projection_kernel.*holds 50 values"):
        bilm.save_checkpoint(tmp_path / "made")
    assert (tmp_path / "made/lm_weights.hdf5").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("shapes", [((7, 4), (7,)), ((7, 5), (6,)), ((35,), (7,))])
def test_a_softmax_that_does_not_fit_is_not_written(tmp_path, shapes):
    softmax = [np.zeros(shape) for shape in shapes]
    with pytest.raises(ValueError, match=re.escape(f"{shapes[0]} and {shapes[1]}")):
        random_bilm("token ids").save_checkpoint(tmp_path / "made", softmax)
    assert not list(tmp_path.iterdir())


def test_a_failure_while_writing_leaves_the_old_files(tmp_path, monkeypatch):
    bilm = random_bilm("token ids")
    bilm.save_checkpoint(tmp_path / "made")
    before = {file.name: file.read_bytes() for file in (tmp_path / "made").iterdir()}

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(json, "dumps", fail)  # behind the weights
    with pytest.raises(OSError, match="disk full"):
        random_bilm("token ids", seed=5).save_checkpoint(tmp_path / "made")
    assert {file.name: file.read_bytes() for file in (tmp_path / "made").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_folders_that_cannot_be(tmp_path):
    bilm = random_bilm("token ids")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="this is a file"):
        bilm.save_checkpoint(tmp_path / "file")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        bilm.save_checkpoint(tmp_path / "missing" / "made")
    (tmp_path / "made" / "options.json").mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match=r"options\.json"):
        bilm.save_checkpoint(tmp_path / "made")
