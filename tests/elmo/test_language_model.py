"""A language model under fit, evaluate and predict: its logs, variants, files and errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from elmo import language_kit as kit

import keras_recurrent as kr


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return kit.write_text(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def vocabulary(text):
    return kr.elmo.Vocabulary.from_text(text)


@pytest.fixture(scope="module")
def corpus(text, vocabulary):
    return kr.elmo.Corpus(text, vocabulary)


@pytest.fixture(scope="module")
def trained(corpus, vocabulary):
    model = kit.language_model(vocabulary)
    before = model.evaluate(corpus, return_dict=True, verbose=0)
    history = model.fit(corpus, epochs=4, validation_data=corpus, verbose=0)
    return model, before, history.history


def test_training_learns_and_its_logs_say_what_they_are(trained, vocabulary):
    _, before, history = trained
    perplexities = {"perplexity", "forward_perplexity", "backward_perplexity"}
    validation = {"val_loss", *(f"val_{name}" for name in perplexities)}
    assert set(history) == {"loss", "sampled_perplexity", *validation}
    assert set(before) == {"loss", *perplexities}
    assert 0.7 * len(vocabulary) < before["perplexity"] < 1.4 * len(vocabulary)
    assert history["val_perplexity"][-1] < 0.9 * before["perplexity"]
    assert history["loss"][-1] < history["loss"][0]


def test_perplexity_is_that_of_the_full_softmax(trained, corpus):
    """`predict` gives its parts."""
    model, _, history = trained
    nll = model.predict(corpus, verbose=0)
    assert nll.shape[1:] == (kit.WINDOW, 2)
    logs = model.evaluate(corpus, return_dict=True, verbose=0)
    assert logs["perplexity"] == pytest.approx(np.exp(nll.mean()), rel=1e-5)
    assert logs["forward_perplexity"] == pytest.approx(np.exp(nll[..., 0].mean()), rel=1e-5)
    assert logs["backward_perplexity"] == pytest.approx(np.exp(nll[..., 1].mean()), rel=1e-5)
    assert logs["loss"] == pytest.approx(nll.sum(1).mean(), rel=1e-5)
    assert logs["perplexity"] == pytest.approx(history["val_perplexity"][-1], rel=1e-6)


def test_the_bilm_itself_is_trained_and_predicts_the_words(trained, corpus):
    """The stateless biLM with the softmax, on the first sentences, gives what the windows gave."""
    model, _, _ = trained
    words = corpus.vocabulary
    nll = model.predict(corpus, verbose=0)
    stream = corpus.windows(kit.ROWS, kit.WINDOW, max_characters_per_token=None, in_order=True)
    x, y = next(stream.as_numpy_iterator())
    for side, place in (("forward", 0), ("backward", 1)):
        numbers = [*x["inputs"]["words"][0, :1, place] - 1, *y[0, :, place]]
        sentence = words.decode(numbers)
        length = next((i for i, w in enumerate(sentence) if i and w in ("<S>", "</S>")), None)
        assert length is None or length > 1
        inner = sentence[1:length]
        read, _ = model.bilm.read(
            kr.elmo.batch_to_ids([inner if side == "forward" else inner[::-1]])
        )
        top = read[side][-1][0]
        top = top if side == "forward" else top[::-1]
        cost = model.softmax(top[None, : len(inner)], np.array([words.ids(inner)]))
        np.testing.assert_allclose(cost[0], nll[0, : len(inner), place], rtol=1e-4, atol=1e-5)


def test_epochs_of_one_training_come_in_several_orders(corpus, vocabulary):
    """And fit says which; without dropout and steps the losses of the epochs differ by order only."""
    model = kit.language_model(vocabulary, compiled=False, samples=None, dropout=0.0, rows=20)
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    losses = model.fit(corpus, epochs=3, verbose=0).history["loss"]
    again = model.fit(corpus, epochs=3, initial_epoch=2, verbose=0).history
    assert len(set(losses)) == 3
    assert again["loss"] == [losses[2]]
    assert "perplexity" in again  # nothing is drawn: it is one


@pytest.mark.parametrize(
    "options",
    [
        {"directions": ("forward",), "num_layers": 1},
        {"directions": ("backward",), "projection_units": None, "units": 6, "residual": False},
        {"vocabulary_size": "all", "num_layers": 3},
    ],
)
def test_other_models_train(corpus, vocabulary, options):
    options = dict(options)
    if "vocabulary_size" in options:
        options["vocabulary_size"] = len(vocabulary)
    model = kit.language_model(vocabulary, compiled=False, **options)
    model.compile(run_eagerly=True)
    before = kit.weights(model)
    data = model._windows(corpus, in_order=False).take(3)
    history = model.fit(data, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    changed = [not np.array_equal(a, b) for a, b in zip(before, kit.weights(model), strict=True)]
    assert all(changed)
    assert model.predict(data, verbose=0).shape[-1] == len(model.bilm.directions)


def test_a_bilm_that_another_layer_froze_is_not_trained(corpus, vocabulary):
    model = kit.language_model(vocabulary)
    kr.ELMo(model.bilm)
    with pytest.raises(ValueError, match="frozen"):
        model.fit(corpus, verbose=0)


def test_keras_files(trained, corpus, tmp_path):
    model, _, _ = trained
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for a, b in zip(kit.weights(model), kit.weights(loaded), strict=True):
        np.testing.assert_array_equal(a, b)
    assert isinstance(loaded.optimizer, kr.elmo.Adagrad)
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations)
    assert loaded.get_config() == model.get_config()


def test_adagrad_on_sparse_gradients_is_that_on_dense_ones():
    def train(sparse):
        table = keras.Variable(np.linspace(-1, 1, 15000).reshape(5000, 3).astype("float32"))
        vector = keras.Variable(np.ones(3, "float32"))
        optimizer = kr.elmo.Adagrad(max_norm=2.0)
        optimizer.build([table, vector])

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                rows = tf.gather(table.value, [3, 7, 3, 4999])  # row 3 twice
                loss = tf.reduce_sum((rows * vector.value) ** 2)
            grads = tape.gradient(loss, [table.value, vector.value])
            assert isinstance(grads[0], tf.IndexedSlices)
            optimizer.apply([grads[0] if sparse else tf.convert_to_tensor(grads[0]), grads[1]])

        for _ in range(3):
            step()
        return table.numpy(), vector.numpy(), optimizer.accumulators[0].numpy()

    for a, b in zip(train(True), train(False), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    theirs = keras.optimizers.Adagrad(0.2, initial_accumulator_value=1.0, global_clipnorm=2.0)
    ours = kr.elmo.Adagrad(max_norm=2.0)
    values = []
    for optimizer in (theirs, ours):
        weight = keras.Variable(np.array([1.0, -2.0], "float32"))
        for gradient in ([3.0, 4.0], [0.5, -0.1]):
            optimizer.apply([tf.constant(gradient)], [weight])
        values.append(weight.numpy())
    np.testing.assert_allclose(*values, rtol=1e-6)
    copy = kr.elmo.Adagrad.from_config(ours.get_config())
    assert (copy.max_norm, copy.epsilon) == (2.0, 1e-7)


def test_refuses(corpus, vocabulary, tmp_path, text):
    with pytest.raises(TypeError, match=r"must be a kr\.elmo\.BiLM"):
        kr.elmo.LanguageModel(keras.layers.Dense(1), vocabulary)
    with pytest.raises(TypeError, match=r"or the number of its words. Received: \['a'\]"):
        kit.language_model(["a"])
    with pytest.raises(ValueError, match="`window` must be a positive whole number"):
        kit.language_model(vocabulary, window=0)
    other = kr.elmo.Vocabulary(vocabulary.words[:8])
    model = kit.language_model(other)
    with pytest.raises(ValueError, match=r"26 words for a softmax over 8"):
        model.fit(corpus)
    with pytest.raises(ValueError, match=r"26 words for a softmax over 8"):
        model.save_checkpoint(tmp_path / "saved", vocabulary)
    assert not list(tmp_path.iterdir())
    for windows in ({"directions": ("forward",)}, {"max_characters_per_token": 10}):
        with pytest.raises(
            ValueError, match=r"Expected: \(rows, window, 2, 50\). Received: \(4, 5, "
        ):
            model.predict(corpus.windows(4, 5, **windows).take(1), verbose=0)
    turned = kr.elmo.Vocabulary(vocabulary.words[::-1])
    with pytest.raises(ValueError, match="whose words these are not, or not in its order"):
        kit.language_model(turned).evaluate(corpus)
    with pytest.raises(ValueError, match="vocabulary_size=9 for a vocabulary of 26 words"):
        kit.language_model(vocabulary, vocabulary_size=9)
    model_of_words = kit.language_model(26, vocabulary_size=26)
    with pytest.raises(ValueError, match="The biLM has 26 words, <S> and </S> first"):
        model_of_words.fit(kr.elmo.Corpus(text, turned))
    short = kit.write_text(tmp_path, sentences=2)
    with pytest.raises(ValueError, match="does not fill one batch of 4 rows of 5 words"):
        model.evaluate(kr.elmo.Corpus(short, other))
