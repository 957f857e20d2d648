"""options.json: what is read, what is refused."""

import copy
import json

import numpy as np
import pytest
from elmo.checkpoint_kit import random_bilm

from keras_recurrent.elmo import BiLM
from keras_recurrent.elmo.checkpoints import CheckpointError, read_settings

SMALL = {  # the authors' "small" model, with keys of its training
    "lstm": {
        "use_skip_connections": True,
        "projection_dim": 128,
        "cell_clip": 3,
        "proj_clip": 3,
        "dim": 1024,
        "n_layers": 2,
    },
    "char_cnn": {
        "activation": "relu",
        "filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
        "n_highway": 1,
        "embedding": {"dim": 16},
        "n_characters": 262,
        "max_characters_per_token": 50,
    },
    "n_train_tokens": 768648884,
    "n_negative_samples_batch": 8192,
    "all_clip_norm_val": 10.0,
    "unroll_steps": "whatever",
}


@pytest.fixture
def read(tmp_path):
    """A function: the settings of options, given as text or as an object."""

    def read(options, **kwargs):
        text = options if isinstance(options, str) else json.dumps(options)
        (tmp_path / "options.json").write_text(text, encoding="utf-8")
        return read_settings(tmp_path / "options.json")

    return read


def _changed(**values):
    """SMALL with keys such as lstm__dim changed; `...` takes a key away."""
    options = copy.deepcopy(SMALL)
    for path, value in values.items():
        *groups, name = path.split("__")
        place = options
        for group in groups:
            place = place[group]
        if value is ...:
            del place[name]
        else:
            place[name] = value
    return options


def test_the_small_model_is_our_default(read):
    default, settings = BiLM(), read(SMALL)
    assert {name: getattr(default, name) for name in settings} == settings
    assert len(settings) == 11


@pytest.mark.parametrize("characters", [261, 262, ...])
def test_characters_with_and_without_padding_are_one_model(read, characters):
    assert read(_changed(char_cnn__n_characters=characters)) == read(SMALL)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"char_cnn__n_highway": ...}, {"highways": 0}),
        ({"char_cnn__n_highway": 0}, {"highways": 0}),
        ({"char_cnn__n_highway": None}, {"highways": 0}),
        ({"lstm__n_layers": ...}, {"num_layers": 1}),
        ({"lstm__use_skip_connections": ...}, {"residual": False}),
        ({"lstm__use_skip_connections": None}, {"residual": False}),
        (
            {"lstm__cell_clip": ..., "lstm__proj_clip": None},
            {"cell_clip": None, "projection_clip": None},
        ),
        ({"lstm__dim": 128}, {"units": 128, "projection_units": None}),
        ({"char_cnn__max_characters_per_token": 10}, {"max_characters_per_token": 10}),
        ({"dropout": 0.25}, {"dropout": 0.25}),
        ({"bidirectional": False}, {"directions": ("forward",)}),
        ({"bidirectional": True}, {"directions": ("forward", "backward")}),
        ({"n_tokens_vocab": 793471}, {}),  # the softmax's
    ],
)
def test_keys_that_differ_or_are_absent(read, changes, told):
    assert read(_changed(**changes)) == read(SMALL) | told


def test_a_model_of_token_ids(read):
    settings = read(_changed(char_cnn=..., n_tokens_vocab=7))
    assert settings["vocabulary_size"] == 7
    assert "filters" not in settings
    assert "vocabulary_size" not in read(_changed(char_cnn=...))  # the weights tell


def test_a_byte_order_mark(read):
    assert read("\ufeff" + json.dumps(SMALL)) == read(SMALL)


HUGE = 10**400


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lstm": ...}, "has no 'lstm', of which 'lstm.dim' is read"),
        ({"lstm__dim": ...}, "has no 'lstm.dim'"),
        ({"lstm": [1]}, "'lstm' must be an object"),
        ({"char_cnn": None}, "'char_cnn' must be an object. Received: None"),
        ({"char_cnn__embedding": 16}, "'char_cnn.embedding' must be an object"),
        ({"lstm__dim": 0}, "'lstm.dim' must be a whole number from 1 to 1000000. Received: 0"),
        ({"lstm__dim": -1024}, "Received: -1024"),
        ({"lstm__dim": 1024.5}, "Received: 1024.5"),
        ({"lstm__dim": True}, "Received: True"),
        ({"lstm__dim": "1024"}, "Received: '1024'"),
        ({"lstm__dim": 10**12}, "'lstm.dim' must be"),
        ({"lstm__dim": HUGE}, "Received: 1000"),
        ({"lstm__projection_dim": 2048}, "'lstm.projection_dim' must be at most lstm.dim = 1024"),
        ({"lstm__n_layers": 0}, "'lstm.n_layers'"),
        ({"lstm__n_layers": 10**6}, "'lstm.n_layers'"),
        ({"lstm__cell_clip": 0}, "'lstm.cell_clip' must be a positive number"),
        ({"lstm__cell_clip": HUGE}, "'lstm.cell_clip' must be a positive number"),
        ({"lstm__proj_clip": "3"}, "'lstm.proj_clip'"),
        ({"lstm__proj_clip": True}, "'lstm.proj_clip'"),
        ({"lstm__use_skip_connections": 1}, "'lstm.use_skip_connections' must be true or false"),
        ({"char_cnn__activation": "gelu"}, "'char_cnn.activation' must be one of ('relu', 'tanh')"),
        ({"char_cnn__activation": ["relu"]}, "'char_cnn.activation'"),
        ({"char_cnn__n_characters": 260}, "'char_cnn.n_characters' must be 261"),
        ({"char_cnn__n_characters": [261]}, "'char_cnn.n_characters'"),
        ({"char_cnn__n_highway": -1}, "'char_cnn.n_highway'"),
        ({"char_cnn__max_characters_per_token": 2}, "at least 3"),
        ({"char_cnn__filters": []}, "'char_cnn.filters' must be a list of pairs"),
        ({"char_cnn__filters": {"1": 32}}, "'char_cnn.filters' must be a list of pairs"),
        ({"char_cnn__filters": [[1, 32]] * 2000}, "'char_cnn.filters' must be a list of pairs"),
        ({"char_cnn__filters": [[1, 32], [2]]}, "Received: [2]"),
        ({"char_cnn__filters": [[1, 2.5]]}, "Received: [1, 2.5]"),
        ({"char_cnn__filters": [[0, 32]]}, "Received: [0, 32]"),
        ({"char_cnn__filters": [[51, 32]]}, "no width over max_characters_per_token = 50"),
        ({"char_cnn__filters": [[1, 10**6], [2, 10**6]]}, "at most 1000000 filters in sum"),
        ({"char_cnn__embedding__dim": 0}, "'char_cnn.embedding.dim'"),
        ({"char_cnn": ..., "n_tokens_vocab": 0}, "'n_tokens_vocab'"),
        ({"bidirectional": "yes"}, "'bidirectional' must be true or false"),
        ({"dropout": 1.0}, "'dropout' must be a share in [0, 1)"),
    ],
)
def test_values_that_are_refused(read, changes, words):
    with pytest.raises(CheckpointError) as caught:
        read(_changed(**changes))
    assert words in str(caught.value)
    assert "options.json" in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a JSON file"),
        ("[1, 2]", "must hold a JSON object"),
        (json.dumps(SMALL)[:-30], "is not a JSON file"),
        ('{"lstm": {"dim": NaN}}', "NaN is no number that JSON knows"),
        ('{"lstm": {"dim": -Infinity}}', "-Infinity is no number"),
        ('{"lstm": {"dim": 4, "dim": 8}}', "the key 'dim' is given twice"),
        ('{"lstm": ' + "[" * 100_000, "is not a JSON file"),
        ('{"lstm": {"dim": ' + "9" * 5000 + "}}", "is not a JSON file"),
        (" " * 2_000_000, "an options file has a few hundred bytes, this one 2000000"),
    ],
    ids=["empty", "list", "cut", "nan", "inf", "twice", "deep", "digits", "large"],
)
def test_files_that_are_no_options(read, text, words):
    with pytest.raises(CheckpointError, match=words):
        read(text)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "options.json").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(CheckpointError, match="is not a JSON file"):
        read_settings(tmp_path / "options.json")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no options file"):
        read_settings(tmp_path / "options.json")
    with pytest.raises(IsADirectoryError, match="this is a folder"):
        read_settings(tmp_path)


# ---------------------------------------------------------------- options against the weights


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    random_bilm("published").save_checkpoint(folder)
    return folder


@pytest.mark.parametrize(
    ("group", "key", "value", "words"),
    [
        ("lstm", "dim", 12, "LSTMCell/W_0' must have shape (10, 48), it has (10, 40)"),
        ("lstm", "dim", 5, "LSTMCell/W_P_0' of shape (10, 5) is in no place"),
        ("lstm", "projection_dim", 4, "'CNN_proj/W_proj' must have shape (12, 4), it has (12, 5)"),
        (
            "lstm",
            "n_layers",
            1,
            "RNN_0/RNN/MultiRNNCell/Cell1/LSTMCell/B' of shape (40,) is in no place",
        ),
        ("lstm", "n_layers", 3, "no dataset 'RNN_0/RNN/MultiRNNCell/Cell2/LSTMCell/W_0'"),
        ("char_cnn", "n_highway", 1, "'CNN_high_1/W_carry' of shape (12, 12) is in no place"),
        ("char_cnn", "n_highway", 3, "no dataset 'CNN_high_2/W_carry' of shape (12, 12)"),
        (
            "char_cnn",
            "embedding",
            {"dim": 4},
            "'char_embed' must have shape (261, 4), it has (261, 3)",
        ),
        (
            "char_cnn",
            "filters",
            [[1, 4], [2, 6], [2, 2]],
            "must have shape (1, 2, 3, 2), it has (1, 3, 3, 2)",
        ),
        (
            "char_cnn",
            "filters",
            [[1, 4], [2, 6]],
            "'CNN/W_cnn_2' of shape (1, 3, 3, 2) is in no place",
        ),
        (None, "bidirectional", False, "no dataset 'rnn/MultiRNNCell/Cell0/LSTMCell/kernel'"),
        (None, "char_cnn", ..., "must hold a dataset 'embedding' of shape (tokens, width)"),
    ],
)
def test_options_that_contradict_the_weights(published, tmp_path, group, key, value, words):
    options = json.loads((published / "options.json").read_text())
    place = options if group is None else options[group]
    if value is ...:
        del place[key]
    else:
        place[key] = value
    (tmp_path / "options.json").write_text(json.dumps(options))
    with pytest.raises(CheckpointError) as caught:
        BiLM.from_checkpoint(tmp_path / "options.json", published / "lm_weights.hdf5")
    assert words in str(caught.value)


@pytest.mark.parametrize("variant", ["forward", "published", "token ids"])
def test_what_options_leave_open_the_weights_tell(tmp_path, variant):
    """Published options do not tell the directions, those of token models may lack the vocabulary."""
    bilm = random_bilm(variant)
    bilm.save_checkpoint(tmp_path)
    options = json.loads((tmp_path / "options.json").read_text())
    del options["bidirectional"]
    options.pop("n_tokens_vocab", None)
    (tmp_path / "options.json").write_text(json.dumps(options))
    back = BiLM.from_checkpoint(tmp_path / "options.json", tmp_path / "lm_weights.hdf5")
    assert (back.directions, back.vocabulary_size) == (bilm.directions, bilm.vocabulary_size)
    np.testing.assert_array_equal(back.cells["forward"][0].kernel, bilm.cells["forward"][0].kernel)
