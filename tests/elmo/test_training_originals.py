"""Training against bilm-tf, run live: packing, loss, the first step of Adagrad, perplexity."""

import numpy as np
import pytest
import tensorflow as tf
from elmo import language_kit as kit
from elmo.originals import run_original

import keras_recurrent as kr

ROWS, WINDOW, STEPS = kit.ROWS, kit.WINDOW, 3

TRAIN = """
from bilm.data import BidirectionalLMDataset, UnicodeCharsVocabulary
from bilm.training import LanguageModel, average_gradients, clip_grads

options, text = arguments["options"], arguments["text"]
vocabulary = UnicodeCharsVocabulary(arguments["vocabulary"], 50, validate_file=True)
rows, window = options["batch_size"], options["unroll_steps"]
numbers = {"tokens_characters": "tokens_characters", "next_token_id": "next_token_id"}

def fed(model, batch):
    names = [name + side for name in numbers for side in ("", "_reverse")]
    return {getattr(model, name): batch[name] for name in names}

with tf.variable_scope("lm"):
    model = LanguageModel(options, True)
optimizer = tf.train.AdagradOptimizer(0.2, initial_accumulator_value=1.0)
gradients = optimizer.compute_gradients(model.total_loss * window)
gradients = average_gradients([gradients], rows, options)
step_number = tf.get_variable("global_step", [], trainable=False)
gradients, _ = clip_grads(gradients, options, True, step_number)
norm = tf.sqrt(sum(tf.reduce_sum(tf.convert_to_tensor(g) ** 2) for g, _ in gradients))
step = optimizer.apply_gradients(gradients)
with tf.variable_scope("lm", reuse=True):
    tested = LanguageModel({**options, "unroll_steps": 1}, False)

session = tf.Session()
tf.set_random_seed(1)
session.run(tf.global_variables_initializer())
saver = tf.train.Saver(tf.trainable_variables())
saver.save(session, arguments["folder"] + "/before")

def perplexity():
    batches = BidirectionalLMDataset(text, vocabulary, test=True).iter_batches(rows, 1)
    losses, states = [], None
    while True:
        try:
            batch = next(batches)
        except RuntimeError:  # how its generators end since Python 3.7
            return np.exp(np.mean(losses))
        feed = fed(tested, batch)
        if states is None:
            states = session.run(tested.init_lstm_state, feed)
        feed.update(zip(tf.nest.flatten(tested.init_lstm_state), tf.nest.flatten(states)))
        loss, states = session.run([tested.total_loss, tested.final_lstm_state], feed)
        losses.append(loss)

results["perplexity"] = perplexity()
batches = BidirectionalLMDataset(text, vocabulary).iter_batches(rows, window)
states, losses, norms = None, [], []
for number in range(arguments["steps"]):
    batch = next(batches)
    for name in numbers:
        results[f"{name} {number}"] = np.stack([batch[name], batch[name + "_reverse"]], 2)
    feed = fed(model, batch)
    if states is None:
        states = session.run(model.init_lstm_state, feed)
    feed.update(zip(tf.nest.flatten(model.init_lstm_state), tf.nest.flatten(states)))
    fetched = session.run([model.total_loss, norm, step, model.final_lstm_state], feed)
    losses.append(fetched[0])
    norms.append(fetched[1])
    states = fetched[3]
    saver.save(session, arguments["folder"] + f"/after{number}")
results["losses"] = np.array(losses)
results["norms"] = np.array(norms)
results["perplexity after"] = perplexity()
"""
LIMIT = 0.8  # of the norm of the gradient, so that it holds


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bilm")
    text = kit.write_text(folder)
    text.write_text("\n".join(line for line in text.read_text().split("\n") if line) + "\n")
    vocabulary = kr.elmo.Vocabulary.from_text(text, min_count=16)
    vocabulary.write(folder / "vocab.txt")
    sizes = kit.SIZES
    options = {
        "bidirectional": True,
        "char_cnn": {
            "activation": "relu",
            "embedding": {"dim": sizes["character_dim"]},
            "filters": sizes["filters"],
            "max_characters_per_token": 50,
            "n_characters": 261,
            "n_highway": 1,
        },
        "dropout": 0.0,
        "lstm": {
            "cell_clip": 3,
            "dim": sizes["units"],
            "n_layers": 2,
            "proj_clip": 3,
            "projection_dim": sizes["projection_units"],
            "use_skip_connections": True,
        },
        "all_clip_norm_val": LIMIT,
        "batch_size": ROWS,
        "n_tokens_vocab": len(vocabulary),
        "unroll_steps": WINDOW,
        "sample_softmax": False,
    }
    arguments = {
        "options": options,
        "text": str(text),
        "vocabulary": str(folder / "vocab.txt"),
        "folder": str(folder),
        "steps": STEPS,
    }
    found = run_original(TRAIN, arguments, folder)
    corpus = kr.elmo.Corpus(text, kr.elmo.Vocabulary.read(folder / "vocab.txt"), shuffle=None)
    return found, folder, corpus


def _load(model, prefix) -> None:
    kr.elmo.checkpoints.load(model.bilm, prefix)
    softmax = kr.elmo.checkpoints.load_softmax(prefix)
    model.softmax.kernel.assign(softmax.kernel)
    model.softmax.bias.assign(softmax.bias)


def _model(original, eagerly=True, **options):
    _, folder, corpus = original
    model = kit.language_model(
        corpus.vocabulary, compiled=False, samples=None, dropout=0.0, **options
    )
    model.compile(kr.elmo.Adagrad(max_norm=LIMIT), run_eagerly=eagerly)
    _load(model, folder / "before")
    return model


def test_packing_is_identical(original):
    found, _, corpus = original
    assert "<UNK>" in corpus.vocabulary.decode(found["next_token_id 0"])  # some words are rare
    batches = corpus.windows(ROWS, WINDOW).take(STEPS).as_numpy_iterator()
    for number, (x, y) in enumerate(batches):
        np.testing.assert_array_equal(y, found[f"next_token_id {number}"])
        characters = found[f"tokens_characters {number}"]
        np.testing.assert_array_equal(x["inputs"]["words"], characters + 1)


def test_losses_and_steps_are_those_of_the_original(original):
    """Three steps, each from the states that the one before left; the first two are clipped."""
    found, folder, corpus = original
    model, reference = _model(original), _model(original)
    losses = []
    for number, batch in enumerate(corpus.windows(ROWS, WINDOW).take(STEPS)):
        model.reset_metrics()
        losses.append(model.train_on_batch(*batch, return_dict=True)["loss"] / WINDOW)
        _load(reference, folder / f"after{number}")
        for got, wanted in zip(model.trainable_weights, reference.trainable_weights, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6, err_msg=got.path)
    np.testing.assert_allclose(losses, found["losses"], rtol=1e-6)
    assert found["norms"][0] > 0.99 * LIMIT


def test_perplexity_is_that_of_the_original(original):
    found, folder, corpus = original
    model = _model(original, eagerly=False, window=1)
    for prefix, name in (("before", "perplexity"), (f"after{STEPS - 1}", "perplexity after")):
        _load(model, folder / prefix)
        logs = model.evaluate(corpus, return_dict=True, verbose=0)
        np.testing.assert_allclose(logs["perplexity"], found[name], rtol=2e-6)
    mean = np.sqrt(logs["forward_perplexity"] * logs["backward_perplexity"])
    np.testing.assert_allclose(mean, logs["perplexity"], rtol=1e-6)


def test_what_we_train_goes_on_in_the_original_layout(original, tmp_path):
    """Saved with softmax and vocabulary, and read back."""
    _, _, corpus = original
    model = _model(original)
    model.train_on_batch(*next(iter(corpus.windows(ROWS, WINDOW))))
    model.save_checkpoint(tmp_path / "saved", corpus.vocabulary)
    other = kr.elmo.BiLM.from_checkpoint(
        tmp_path / "saved/options.json", tmp_path / "saved/lm_weights.hdf5"
    )
    ids = kr.elmo.batch_to_ids([["zoë", "ba"]])
    tf.nest.map_structure(np.testing.assert_array_equal, other(ids), model.bilm(ids))
    softmax = kr.elmo.checkpoints.load_softmax(tmp_path / "saved/lm_softmax_weights.hdf5")
    np.testing.assert_array_equal(softmax.kernel, model.softmax.kernel)
    assert kr.elmo.Vocabulary.read(tmp_path / "saved/vocab.txt") == corpus.vocabulary
