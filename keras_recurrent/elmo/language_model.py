"""The training of a biLM as a Keras model."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf

from keras_recurrent import options
from keras_recurrent.elmo.adagrad import Adagrad
from keras_recurrent.elmo.bilm import BiLM
from keras_recurrent.elmo.corpus import Corpus
from keras_recurrent.elmo.embedding_arguments import check_words
from keras_recurrent.elmo.vocabulary import Vocabulary
from keras_recurrent.elmo.word_costs import WordCosts
from keras_recurrent.losses import SumOverTime
from keras_recurrent.training import TruncatedBPTT, is_chief, replicas


@keras.saving.register_keras_serializable("keras_recurrent")
def costs_themselves(targets, costs):
    """The loss of a model whose outputs are costs."""
    return costs


@keras.saving.register_keras_serializable("keras_recurrent")
class LanguageModel(TruncatedBPTT):
    """A biLM with a softmax over a vocabulary, to train it: each direction predicts its next word.

    →nll(t) = -log p(w(t+1) | <S>, w(1)..w(t)),    ←nll(t) = -log p(w(t-1) | </S>, w(n)..w(t))
    L = 1/B Σ_b Σ_{t=1..window} (→nll_b(t) + ←nll_b(t)) / 2

    Both directions run forwards in time, each on a stream of its own (`kr.elmo.Corpus`), around the
    very cells of `bilm`, which is trained by this and used afterwards. Characters and softmax are
    shared. Rows go on from window to window, with their states and without the gradient; see
    `kr.training.TruncatedBPTT`, which this is: states, several replicas and workers, and exact
    resumption with `kr.training.BackupAndRestore`, the order of a corpus's documents included.
    `bilm.dropout` holds for every LSTM's inputs and for the outputs.

    `fit`, `evaluate` and `predict` read a `Corpus`, or a dataset of its `windows`. Outside of training
    all words of the vocabulary are summed over, and the logs have `perplexity`, exp of the mean nll of
    both directions, `forward_perplexity` and `backward_perplexity`. In training with samples there is
    `sampled_perplexity` in their place, which tells whether training goes on, but is comparable with
    nothing. `predict` gives nll, `(rows, window, directions)`. Callbacks that monitor a perplexity need
    `mode="min"`.

    Args:
        bilm: A `kr.elmo.BiLM`. Make it in the scope of the `tf.distribute` strategy, if there is one.
        vocabulary: The words to predict, a `kr.elmo.Vocabulary`, or their number.
        batch_size: Rows, those of all replicas together.
        window: Words of a row, T.
        samples: Words of the sampled softmax; see `kr.elmo.Softmax`.
        seed: Of these draws; None takes one.

    Raises:
        TypeError: For something else than a biLM, or than a vocabulary.
        ValueError: For sizes that are not positive, rows that do not divide among the replicas, a biLM
            of other whole words; in `fit` and `evaluate` for a `Corpus` with another vocabulary.

    Example:
        ```python
        vocabulary = kr.elmo.Vocabulary.from_text("news-*.txt", min_count=3)
        bilm = kr.elmo.BiLM(512, 64)
        model = kr.elmo.LanguageModel(bilm, vocabulary, batch_size=32)
        model.compile()  # as the paper does
        model.fit(kr.elmo.Corpus("news-*.txt", vocabulary), epochs=10)
        ```
    """

    def __init__(
        self,
        bilm: BiLM,
        vocabulary: Vocabulary | int,
        batch_size: int = 128,
        window: int = 20,
        samples: int | None = 8192,
        seed: int | None = None,
        **kwargs,
    ):
        if not isinstance(bilm, BiLM):
            raise TypeError(f"`bilm` must be a kr.elmo.BiLM. Received: bilm={bilm!r}")
        classes = len(vocabulary) if isinstance(vocabulary, Vocabulary) else vocabulary
        positive = options.positive_int("")
        self.batch_size = positive.check("batch_size", batch_size)
        self.window = positive.check("window", window)
        copies = replicas.count()
        if self.batch_size % copies:
            raise ValueError(
                "Each replica keeps the states of as many rows: `batch_size` must be a multiple of "
                f"their number. Received: batch_size={batch_size}, {copies} replicas"
            )
        if not isinstance(classes, int):
            raise TypeError(
                "`vocabulary` must be a kr.elmo.Vocabulary, or the number of its words. Received: "
                f"{vocabulary!r:.80}"
            )
        classes = positive.check("vocabulary", classes)
        if bilm.vocabulary_size not in (None, classes):
            raise ValueError(
                "A biLM of whole words predicts the words that it reads. Received: "
                f"vocabulary_size={bilm.vocabulary_size} for a vocabulary of {classes} words"
            )
        costs = WordCosts(bilm, classes, samples, seed)
        costs.build_for(self.batch_size // copies, self.window)
        super().__init__(costs, **kwargs)
        self.means = {side: keras.metrics.Mean(f"{side}_nll") for side in bilm.directions}
        self._summing_over_all = False
        self._vocabulary = vocabulary if isinstance(vocabulary, Vocabulary) else None

    @property
    def bilm(self) -> BiLM:
        return self.model.bilm

    @property
    def softmax(self):
        return self.model.softmax

    # ------------------------------------------------------------ compile

    def compile(self, optimizer=None, loss=None, *args, **kwargs):
        """`keras.Model.compile`; by default with `kr.elmo.Adagrad()` and the loss above."""
        if loss is None:
            loss = SumOverTime(costs_themselves)
        super().compile(Adagrad() if optimizer is None else optimizer, loss, *args, **kwargs)

    def compile_from_config(self, config):
        """What `keras.models.load_model` calls."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    # ------------------------------------------------------------ what users call

    def fit(self, x=None, *args, **kwargs):
        """`keras.Model.fit`, of a `Corpus` too: whose epochs come in orders of their own."""
        given = inspect.signature(keras.Model.fit).bind(self, x, *args, **kwargs).arguments
        given.pop("self")
        if not self.bilm.trainable:
            raise ValueError(
                "The biLM is frozen, as a kr.ELMo around it leaves it without fine_tune=True: the "
                "softmax alone would be trained. Set model.bilm.trainable = True and compile again."
            )
        if isinstance(given.get("validation_data"), Corpus):
            given["validation_data"] = self._windows(given["validation_data"], in_order=True)
        if isinstance(x, Corpus):
            given["x"] = self._windows(x, in_order=False)
            callbacks = given.get("callbacks") or []
            if isinstance(callbacks, keras.callbacks.Callback):
                callbacks = [callbacks]
            given["callbacks"] = [*callbacks, _EpochOf(x)]
        return super().fit(**given)

    def evaluate(self, x=None, *args, **kwargs):
        """`keras.Model.evaluate`, of a `Corpus` too: in order, from zero states."""
        x = self._windows(x, in_order=True) if isinstance(x, Corpus) else x
        with self._over_all_words():
            return super().evaluate(x, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """`keras.Model.predict`, of a `Corpus` too: in order, from zero states."""
        x = self._windows(x, in_order=True) if isinstance(x, Corpus) else x
        return super().predict(x, *args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        with self._over_all_words():
            return super().test_on_batch(*args, **kwargs)

    def _windows(self, corpus: Corpus, in_order: bool) -> tf.data.Dataset:
        if len(corpus.vocabulary) != self.softmax.classes:
            raise ValueError(
                "The text must be read with the vocabulary of the model. Received: "
                f"{len(corpus.vocabulary)} words for a softmax over {self.softmax.classes}"
            )
        if self._vocabulary not in (None, corpus.vocabulary):
            raise ValueError(
                "The text must be read with the vocabulary of the model, whose words these are not, or "
                f"not in its order. Expected: {self._vocabulary!r}. Received: {corpus.vocabulary!r}"
            )
        by_characters = self.bilm.vocabulary_size is None
        if not by_characters:
            check_words(self.bilm, corpus.vocabulary)
        return corpus.windows(
            self.batch_size,
            self.window,
            directions=self.bilm.directions,
            max_characters_per_token=self.bilm.max_characters_per_token if by_characters else None,
            in_order=in_order,
        )

    # ------------------------------------------------------------ logs

    @contextmanager
    def _over_all_words(self) -> Iterator[None]:
        before, self._summing_over_all = self._summing_over_all, True
        try:
            yield
        finally:
            self._summing_over_all = before

    def test_step(self, data):
        with self._over_all_words():
            return super().test_step(data)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        rows = replicas.rows()
        weight = 1.0 if rows is None else tf.cast(rows > 0, tf.float32)
        for place, mean in enumerate(self.means.values()):
            mean.update_state(tf.reduce_mean(y_pred[..., place]), weight)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def get_metrics_result(self):
        logs = dict(super().get_metrics_result())
        nll = {side: logs.pop(mean.name) for side, mean in self.means.items()}
        mean = tf.exp(sum(nll.values()) / len(nll))
        if self.softmax.sampled and not self._summing_over_all:
            return {**logs, "sampled_perplexity": mean}
        each = {f"{side}_perplexity": tf.exp(value) for side, value in nll.items()}
        return {**logs, "perplexity": mean, **each}

    # ------------------------------------------------------------ saving

    def save_checkpoint(self, folder, vocabulary: Vocabulary | None = None) -> None:
        """Write the biLM and the softmax in the published layout; see `BiLM.save_checkpoint`.

        Args:
            folder: A new or an existing folder.
            vocabulary: Goes to `vocab.txt` beside them.
        """
        if vocabulary is not None and len(vocabulary) != self.softmax.classes:
            raise ValueError(
                "The vocabulary must be that of the softmax. Received: "
                f"{len(vocabulary)} words for a softmax over {self.softmax.classes}"
            )
        if is_chief(self.distribute_strategy):
            softmax = [keras.ops.convert_to_numpy(w) for w in self.softmax.weights[:2]]
            self.bilm.save_checkpoint(folder, softmax=softmax)
            if vocabulary is not None:
                vocabulary.write(Path(folder, "vocab.txt"))

    def get_config(self) -> dict:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "bilm": keras.saving.serialize_keras_object(self.bilm),
            "vocabulary": self.softmax.classes,
            "batch_size": self.batch_size,
            "window": self.window,
            "samples": self.softmax.samples,
            "seed": self.softmax.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        bilm = keras.saving.deserialize_keras_object(config.pop("bilm"), custom_objects)
        return cls(bilm, **config)


class _EpochOf(keras.callbacks.Callback):
    """Tells a corpus which epoch's order to read in."""

    def __init__(self, corpus: Corpus):
        super().__init__()
        self.corpus = corpus

    def on_epoch_begin(self, epoch, logs=None):
        self.corpus.epoch = epoch
