"""Small models with and without ELMo: inputs, seeds, mean and spread, the vectors of a frozen biLM."""

import io

import keras
import numpy as np
import pytest
from rich.console import Console

import keras_recurrent as kr
from examples import elmo_downstream
from examples.datasets.senses import Usage
from examples.downstream import frozen, models, results, usages, word_sense
from examples.downstream.sentences import Layers, Words
from examples.downstream.trials import Examples, Parts, Schedule, Score, Trials


class TestScore:
    def test_mean_and_spread(self):
        score = Score([0.7, 0.8, 0.75, 0.6])
        assert score.mean == pytest.approx(0.7125)
        assert score.spread == pytest.approx(np.std([0.7, 0.8, 0.75, 0.6], ddof=1))
        assert str(score) == "71.2 ± 8.5"

    def test_gain_is_taken_seed_by_seed(self):
        gain = Score([0.7, 0.8]).minus(Score([0.6, 0.7]))
        assert gain.mean == pytest.approx(0.1)
        assert gain.spread == pytest.approx(0, abs=1e-12)
        with pytest.raises(ValueError, match="shorter"):
            Score([0.7, 0.8]).minus(Score([0.6]))

    def test_one_seed_has_no_spread(self):
        assert np.isnan(Score([0.7]).spread)


def made_layers():
    """Three sentences of 2, 4 and 1 tokens; the vectors of token i are all i."""
    vectors = np.arange(7, dtype=np.float16)[:, None, None] * np.ones((1, 3, 2), np.float16)
    return Layers(vectors, np.array([0, 2, 6, 7]))


class TestInputs:
    def test_layers_are_padded_and_cut(self):
        rows = made_layers().rows(np.array([1, 2, 0]), 3)
        assert rows.shape == (3, 3, 3, 2)
        assert rows[:, :, 1, 0].tolist() == [[2, 3, 4], [6, 0, 0], [0, 1, 0]]

    def test_layers_of_single_tokens(self):
        found = made_layers().at(np.array([1, 0]), np.array([3, 1]))
        assert found[:, 0, 0].tolist() == [5, 1]

    def test_words(self):
        words = Words([("A", "b", "c"), ("a", "b", "d"), ("b",)], size=5)
        assert words.ids == {"b": 2, "a": 3}
        assert words([("B", "a", "d"), ("a",), ("x", "b", "b", "b")], 3).tolist() == [
            [2, 3, 1],
            [3, 0, 0],
            [1, 2, 2],
        ]
        few = Words([("A", "b", "c"), ("a", "b", "d"), ("b",)], size=3)
        assert few([("a", "b")], 2).tolist() == [[1, 2]]

    def test_reader_of_usages(self):
        of = [
            Usage(("a", "b", "c"), 2, "c", "noun.1", "noun.act"),
            Usage(("a", "b"), 0, "a", "noun.2", "noun.act"),
            Usage(("b", "a", "a", "b"), 1, "a", "noun.2", "noun.act"),
        ]
        read = usages.Reader(of, [0, 1], made_layers())
        inputs = read(np.array([1, 0]), "_a")
        assert {name: values.shape for name, values in inputs.items()} == {
            "words_a": (2, 3),
            "target_a": (2, 3),
            "layers_a": (2, 3, 3, 2),
        }
        assert inputs["target_a"].tolist() == [[1, 0, 0], [0, 0, 1]]
        assert inputs["words_a"].tolist() == [[2, 3, 0], [2, 3, 1]]

    def test_batches(self):
        lengths = np.array([3, 1, 2, 5, 4])

        def inputs(chosen):
            return {"words": np.tile(chosen[:, None], lengths[chosen].max())}

        examples = Examples(inputs, 10 * np.arange(5))
        batches = examples.batches(np.array([0, 1, 2, 4]), 2, seed=1)
        assert len(batches) == 2
        epochs = []
        for _ in range(2):
            epochs.append([])
            for read, labels in batches.as_numpy_iterator():
                assert (10 * read["words"][:, 0]).tolist() == labels.tolist()
                assert read["words"].shape[1] == lengths[read["words"][:, 0]].max()
                epochs[-1] += labels.tolist()
        assert sorted(epochs[0]) == sorted(epochs[1]) == [0, 10, 20, 40]
        again = examples.batches(np.array([0, 1, 2, 4]), 2, seed=1).as_numpy_iterator()
        assert [label for _, labels in again for label in labels] == epochs[0]


def toy() -> tuple[Examples, Parts]:
    """Only the layers tell the label: the sign of the first vector in layer 1."""
    draw = np.random.default_rng(0)
    ids = draw.integers(2, 6, (300, 3)).astype(np.int32)
    vectors = draw.normal(size=(900, 2, 3)).astype(np.float16)
    layers = Layers(vectors, 3 * np.arange(301))
    labels = (vectors[::3, 1, 0] > 0).astype(np.int32)

    def inputs(chosen):
        return {"words": ids[chosen], "layers": layers.rows(chosen, 3)}

    return Examples(inputs, labels), Parts(*np.split(np.arange(300), [200, 240]))


class TestTrials:
    def test_a_trial_depends_on_its_seed_only_and_learns_from_the_layers(self):
        examples, parts = toy()
        trials = Trials(lambda: models.of_sentence(6, (2, 3)))
        one_epoch = Schedule(1, 1, 16)
        first = trials(examples, parts, one_epoch, seed=1)
        weights = trials.model.get_weights()
        assert trials(examples, parts, Schedule(14, 14, 16), seed=2) > 0.75
        shares = keras.ops.softmax(trials.model.get_layer("encoder").get_layer("mix").scalars)
        assert shares[1] > 0.5
        assert not np.allclose(trials.model.get_weights()[0], weights[0])
        assert trials(examples, parts, one_epoch, seed=1) == first
        for again, before in zip(trials.model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(again, before)


def test_the_pair_model_does_not_tell_first_from_second():
    draw = np.random.default_rng(0)
    model = models.of_pair(6, (2, 3))
    inputs = {}
    for side, length in (("a", 5), ("b", 3)):
        inputs[f"words_{side}"] = draw.integers(1, 6, (4, length)).astype(np.int32)
        inputs[f"layers_{side}"] = draw.normal(size=(4, length, 2, 3)).astype(np.float32)
        inputs[f"target_{side}"] = np.eye(length, dtype=np.float32)[[0, 1, 2, 0]]
    swapped = {f"{name[:-1]}{'ab'[name[-1] == 'a']}": values for name, values in inputs.items()}
    outputs = np.asarray(model(inputs))
    assert np.ptp(outputs) > 1e-4
    np.testing.assert_allclose(model(swapped), outputs, rtol=1e-5)


def test_the_model_of_a_target_reads_that_place_whatever_the_padding():
    model = models.of_target(6, None, 3)
    words = np.array([[2, 3, 4]], np.int32)
    outputs = [
        np.asarray(model({"words": words, "target": np.eye(3, dtype=np.float32)[i : i + 1]}))
        for i in range(3)
    ]
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-4
    padded = {
        "words": np.pad(words, [(0, 0), (0, 2)]),
        "target": np.array([[0, 1, 0, 0, 0]], np.float32),
    }
    np.testing.assert_allclose(model(padded), outputs[1], rtol=1e-5)


@pytest.fixture(scope="module")
def bilm():
    keras.utils.set_random_seed(3)
    made = kr.elmo.BiLM(8, 4, filters=((1, 3), (2, 4)), max_characters_per_token=12)
    made.build()
    return made


class TestFrozen:
    def test_layers_are_those_of_the_bilm(self, bilm):
        sentences = [("A", "short", "one"), ("Two", "words"), ("x",)]
        layers = frozen.embed(bilm, sentences)
        assert layers.shape == (3, 8)
        outputs = bilm(kr.elmo.batch_to_ids(sentences, 12))
        expected = np.stack(outputs.activations, 2)
        np.testing.assert_allclose(
            layers.rows(np.arange(3), 3),
            expected * np.asarray(outputs.mask)[..., None, None],
            atol=2e-3,
        )

    def test_untrained_has_other_weights_of_the_same_shapes(self, bilm):
        fresh = frozen.untrained(bilm)
        assert [w.shape for w in fresh.weights] == [w.shape for w in bilm.weights]
        mine, its = bilm.token_encoder.character_embedding, fresh.token_encoder.character_embedding
        assert not np.allclose(mine, its)


class TestCosines:
    pairs = word_sense.Pairs(
        [Usage((f"u{i}", "w"), 1, f"w{i // 2}", f"noun.{i}", "noun.act") for i in range(80)],
        np.arange(0, 80, 2),
        np.arange(1, 80, 2),
        np.arange(40) % 2,
    )

    def test_of_the_target_in_every_layer(self):
        vectors = np.zeros((160, 2, 2), np.float16)
        vectors[1::4, :] = [[1, 0], [0, 2]]
        vectors[3::4, :] = [[1, 1], [0, -1]]
        found = word_sense.cosines(self.pairs, Layers(vectors, 2 * np.arange(81)))
        np.testing.assert_allclose(found, np.tile([0.5**0.5, -1], (40, 1)), rtol=1e-3)

    def test_threshold(self):
        separated = (0.4 + 0.2 * self.pairs.same)[:, None]
        assert word_sense.score_cosines(separated, self.pairs, range(3)) == (1.0, 1.0, 1.0)

    def test_columns(self):
        columns = elmo_downstream.columns_by_layer(3)
        table = np.arange(3)[None]
        assert [table[:, c].tolist() for c in columns.values()] == [
            [[0]],
            [[1]],
            [[2]],
            [[0, 1, 2]],
        ]


class TestResults:
    rows = {  # noqa: RUF012
        "sentiment": {"x": Score([0.6, 0.62]), "r": Score([0.6, 0.6]), "e": Score([0.7, 0.72])},
        "senses": {"x": Score([0.5, 0.5]), "r": Score([0.5, 0.6]), "e": Score([0.5, 0.55])},
    }

    def test_table(self):
        console = Console(width=100, file=io.StringIO())
        console.print(results.table("Title", "task", self.rows))
        text = console.file.getvalue()
        assert "e − x" in text
        assert "61.0 ± 1.4" in text
        assert "+10.0 ± 0.0" in text

    def test_picture(self, tmp_path):
        curve = {10: self.rows["senses"], 100: self.rows["sentiment"]}
        results.draw(self.rows, curve, tmp_path / "picture.png")
        pixels = keras.utils.img_to_array(keras.utils.load_img(tmp_path / "picture.png"))
        assert pixels.shape[1] > 1000
        assert pixels.std() > 20
