"""The oracle of these tests against the original, bilm-tf, where the published numbers do not reach."""

import json

import h5py
import numpy as np
import pytest
from elmo.originals import run_original
from oracle import elmo as oracle

CLOSE = {"rtol": 1e-5, "atol": 2e-6}
LENGTH, WIDTH, WORDS = 12, 4, 7
SENTENCES = [["a", "naïve", "word"], ["</S>", ""], ["supercalifragilistic", "b", "!", "\x00", "🙂"]]
LSTM = {
    "dim": 6,
    "projection_dim": WIDTH,
    "n_layers": 2,
    "cell_clip": 0.4,
    "proj_clip": 0.3,
    "use_skip_connections": True,
}
CHARACTERS = {
    "embedding": {"dim": 3},
    "filters": [[1, 3], [3, 4]],
    "n_highway": 1,
    "n_characters": 262,
    "max_characters_per_token": LENGTH,
    "activation": "relu",
}
VARIANTS = {
    "plain": ({}, {}),
    "tanh, no residual": ({"use_skip_connections": False}, {"activation": "tanh", "n_highway": 2}),
    "no highway, three layers": ({"n_layers": 3}, {"n_highway": None}),
    "no projection": ({"dim": WIDTH}, {}),
    "words": ({}, None),
}

PROGRAM = """
from bilm import BidirectionalLanguageModel, weight_layers

for name, folder in arguments.items():
    ids = np.load(folder + "/ids.npy")
    with tf.Graph().as_default(), tf.Session() as session:
        files = [folder + "/options.json", folder + "/weights.hdf5"]
        words = {"use_character_inputs": False, "embedding_weight_file": files[1]}
        more = {} if ids.ndim == 3 else words
        model = BidirectionalLanguageModel(*files, max_batch_size=len(ids), **more)
        place = tf.placeholder("int32", [None, None, *ids.shape[2:]])
        ops = model(place)
        wanted = {"layers": ops["lm_embeddings"], "mask": ops["mask"]}
        if name == "plain":
            mixed = weight_layers("mix", ops, l2_coef=0.0, do_layer_norm=True)
            wanted["mix"] = mixed["weighted_op"]
        session.run(tf.global_variables_initializer())
        for batch in (0, 1):
            found = session.run(wanted, {place: ids})
            results.update({f"{name}/{k}/{batch}": v for k, v in found.items()})
"""


def draw(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def make_options(lstm, characters):
    options = {"lstm": {**LSTM, **lstm}}
    if characters is not None:
        options["char_cnn"] = {**CHARACTERS, **characters}
    return options


def random_arrays(options):
    lstm, units, width = options["lstm"], options["lstm"]["dim"], WIDTH
    arrays = {}
    for d in (0, 1):
        for layer in range(lstm["n_layers"]):
            prefix = f"RNN_{d}/RNN/MultiRNNCell/Cell{layer}/LSTMCell/"
            arrays[prefix + "W_0"] = draw(2 * width, 4 * units) + 0.1 * d
            arrays[prefix + "B"] = draw(4 * units)
            if units != width:
                arrays[prefix + "W_P_0"] = draw(units, width)
    if "char_cnn" not in options:
        return {**arrays, "embedding": draw(WORDS, width)}
    settings = options["char_cnn"]
    depth, features = settings["embedding"]["dim"], sum(n for _, n in settings["filters"])
    arrays["char_embed"] = draw(261, depth)
    for i, (taps, n) in enumerate(settings["filters"]):
        arrays[f"CNN/W_cnn_{i}"], arrays[f"CNN/b_cnn_{i}"] = draw(1, taps, depth, n), draw(n)
    for k in range(settings["n_highway"] or 0):
        for part in ("carry", "transform"):
            arrays[f"CNN_high_{k}/W_{part}"] = draw(features, features) * (k + 1) / 2
            arrays[f"CNN_high_{k}/b_{part}"] = draw(features)
    projection = draw(features, width) / 8  # words of size one, as trained ones are
    return {**arrays, "CNN_proj/W_proj": projection, "CNN_proj/b_proj": draw(width)}


def make_ids(options):
    if "char_cnn" in options:
        return oracle.batch_ids(SENTENCES, LENGTH)
    return np.array([[3, 4, 7, 0, 0], [6, 6, 0, 0, 0], [1, 2, 3, 4, 5]])


def with_boundaries(ids):
    """bilm-tf wants the boundaries in the ids: (B, T + 2, ...), `</S>` after each row's last word."""
    begin, end = (oracle.word_ids(w, LENGTH) for w in ("<S>", "</S>")) if ids.ndim == 3 else (1, 2)
    bounded = np.zeros((len(ids), ids.shape[1] + 2, *ids.shape[2:]), ids.dtype)
    bounded[:, 0], bounded[:, 1:-1] = begin, ids
    for row, words in zip(bounded, ids, strict=True):
        row[1 + np.count_nonzero(words.reshape(len(words), -1).any(axis=-1))] = end
    return bounded


def write_folder(folder, options, arrays, ids):
    folder.mkdir()
    if "char_cnn" in options and options["char_cnn"]["n_highway"] is None:
        del options["char_cnn"]["n_highway"]
    (folder / "options.json").write_text(json.dumps(options))
    np.save(folder / "ids.npy", with_boundaries(ids))
    with h5py.File(folder / "weights.hdf5", "w") as file:
        for name, value in arrays.items():
            file[name] = value


@pytest.fixture(scope="module")
def cases():
    made = {}
    for name, variant in VARIANTS.items():
        options = make_options(*variant)
        made[name] = options, random_arrays(options), make_ids(options)
    return made


@pytest.fixture(scope="module")
def original(cases, tmp_path_factory):
    """What bilm-tf gives for every case, in one child process."""
    folder = tmp_path_factory.mktemp("bilm")
    folders = {name: folder / name.replace(" ", "_") for name in cases}
    for name, case in cases.items():
        write_folder(folders[name], *case)
    return run_original(PROGRAM, {name: str(path) for name, path in folders.items()}, folder)


def words_only(layers, mask):
    return layers * mask[..., None]


@pytest.mark.parametrize("name", VARIANTS)
def test_two_batches_with_carried_state(cases, original, name):
    options, arrays, ids = cases[name]
    states = None
    for batch in (0, 1):
        encoded = oracle.encode(arrays, options, ids, states)
        states = encoded.states
        theirs = np.moveaxis(original[f"{name}/layers/{batch}"], 1, 0)
        np.testing.assert_array_equal(encoded.mask, original[f"{name}/mask/{batch}"])
        np.testing.assert_allclose(encoded.layers, words_only(theirs, encoded.mask), **CLOSE)
        assert np.abs(encoded.layers[1:]).max() > 0.1


def test_layer_normalised_mix(cases, original):
    options, arrays, ids = cases["plain"]
    encoded = oracle.encode(arrays, options, ids)
    mixed = oracle.scalar_mix(encoded.layers, np.zeros(3), 1.0, encoded.mask)
    theirs = words_only(original["plain/mix/0"], encoded.mask)
    np.testing.assert_allclose(mixed, theirs, **CLOSE)
