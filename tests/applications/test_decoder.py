"""Greedy and drawn sequences against the model's own probabilities of whole sequences."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from applications.decoding_kit import next_log_p, storyteller, translator
from keras import layers
from scipy import stats

from keras_recurrent.applications import Decoder

SOURCE = np.array([[1, 2, 3, 0], [4, 5, 0, 0], [6, 6, 6, 6], [2, 1, 4, 3], [3, 0, 0, 0]], "int32")
STEPS = 6


def likeliest(model, inputs, rows, max_steps, logits=False):
    """y_t = argmax p(v | y_<t), one row and one step after the other, by the whole model."""
    sequences = []
    for row in range(rows):
        own = {name: value[row : row + 1] for name, value in inputs.items()}
        log_p = next_log_p(model, own, max_steps, logits=logits)
        ids, total, finished = [], 0.0, False
        while len(ids) < max_steps and not finished:
            last = log_p(ids)
            new = int(last.argmax())
            total, finished = total + last[new], new == 2
            ids += [] if finished else [new]
        sequences.append((ids, total, finished))
    return sequences


def same(decoded, sequences):
    assert decoded.ids.dtype == decoded.lengths.dtype == np.int32
    longest = max(len(ids) for ids, _, _ in sequences)
    assert decoded.ids.shape == (len(sequences), longest)
    for row, (ids, total, finished) in enumerate(sequences):
        assert decoded.ids[row].tolist() == ids + [0] * (longest - len(ids))
        assert decoded.lengths[row] == len(ids)
        assert decoded.finished[row] == finished
        np.testing.assert_allclose(decoded.log_probabilities[row], total, atol=2e-5)


@pytest.fixture(scope="module")
def attentive():
    model = translator(seed=34)
    return model, Decoder(model)


@pytest.fixture(scope="module")
def free():
    model = storyteller(seed=1)
    return model, Decoder(model)


def test_greedy_takes_the_likeliest_id_in_each_step(attentive):
    model, decoder = attentive
    expected = likeliest(model, {"source": SOURCE}, len(SOURCE), STEPS)
    assert {finished for _, _, finished in expected} == {True, False}
    same(decoder.greedy(SOURCE, STEPS), expected)


def test_logits_give_what_probabilities_give():
    model = translator(activation="linear", seed=34)
    expected = likeliest(model, {"source": SOURCE}, len(SOURCE), STEPS, logits=True)
    same(Decoder(model).greedy(SOURCE, STEPS), expected)


def test_without_attention():
    model = translator(attention=False, seed=56)
    expected = likeliest(model, {"source": SOURCE}, len(SOURCE), STEPS)
    assert len({tuple(ids) for ids, _, _ in expected}) > 2
    same(Decoder(model).greedy(SOURCE, STEPS), expected)


def test_with_a_condition():
    model = storyteller(condition=2, seed=50)
    condition = np.random.default_rng(0).normal(size=(6, 2)).astype("float32") * 2
    expected = likeliest(model, {"condition": condition}, 6, STEPS)
    assert len({tuple(ids) for ids, _, _ in expected}) > 2
    same(Decoder(model).greedy(condition, STEPS), expected)


def test_without_a_condition_all_rows_are_the_likeliest_sequence(free):
    model, decoder = free
    expected = likeliest(model, {}, 1, STEPS)
    same(decoder.greedy(rows=3, max_steps=STEPS), expected * 3)


def test_padding_changes_nothing_and_needs_no_new_graph(attentive):
    _, decoder = attentive
    padded = np.pad(SOURCE, [(0, 0), (0, 3)])
    for method in (decoder.greedy, decoder.beam_search, lambda *a: decoder.sample(*a, seed=1)):
        for one, other in zip(method(SOURCE, STEPS), method(padded, STEPS), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    decoder.greedy(SOURCE[:2, :2], 3)
    decoder.beam_search(SOURCE[:2], 3, beams=2, length_penalty=0.0)
    decoder.sample(SOURCE[:2], 3, temperature=2.0, top_k=2, top_p=0.5)
    for graph in (decoder._greedy, decoder._sample, decoder._beam_search):
        assert graph._function.experimental_get_tracing_count() == 1


def test_it_stops_when_all_rows_are_finished_and_takes_new_weights():
    model = translator(seed=34)
    decoder = Decoder(model)
    before = decoder.greedy(SOURCE, STEPS)
    dense = model.get_layer("decoder").layers[-1]
    bias = np.zeros(6, "float32")
    bias[2] = 100.0
    dense.set_weights([dense.get_weights()[0], bias])
    at_once = decoder.greedy(SOURCE, 2_000_000_000)
    assert at_once.ids.shape == (5, 0)
    assert at_once.finished.all()
    np.testing.assert_allclose(at_once.log_probabilities, 0.0, atol=1e-6)
    assert before.lengths.any()


def test_one_that_never_ends_is_bounded(free):
    model = keras.models.clone_model(free[0])
    dense = model.get_layer("decoder").layers[-1]
    dense.set_weights([dense.get_weights()[0], np.array([0, 50, -100, 1, 1, 1], "float32")])
    decoder = Decoder(model)
    for decoded in (decoder.greedy(rows=2, max_steps=9), decoder.sample(rows=2, max_steps=9)):
        assert decoded.lengths.tolist() == [9, 9]
        assert not decoded.finished.any()
        assert np.isin(decoded.ids, [3, 4, 5]).all()  # the likeliest of all is `begin`
        assert np.isfinite(decoded.log_probabilities).all()
    assert not decoder.beam_search(rows=2, max_steps=9, beams=3).finished.any()


def test_a_saved_model(attentive, tmp_path):
    model, decoder = attentive
    model.save(tmp_path / "m.keras")
    loaded = Decoder(keras.models.load_model(tmp_path / "m.keras"))
    for one, other in zip(loaded.greedy(SOURCE), decoder.greedy(SOURCE), strict=True):
        np.testing.assert_array_equal(one, other)


# ---------------------------------------------------------------- sampling


def distribution(model, max_steps, sharper=1.0, end=2):
    """Every sequence of an unconditioned model and its probability, 0 and `begin` ruled out."""
    log_p = next_log_p(model, {}, max_steps)
    going, ended = {(): 1.0}, {}
    for _ in range(max_steps):
        following = {}
        for sequence, chance in going.items():
            share = np.exp(log_p(sequence) * sharper)
            for new in range(2, len(share)):
                place = ended if new == end else following
                place[(*sequence, new)] = chance * share[new] / share.sum()
        going = following
    return {**ended, **going}


@pytest.mark.parametrize("temperature", [1.0, 1.6])
def test_sequences_come_as_often_as_the_model_says(free, temperature):
    model, decoder = free
    expected = distribution(model, 3, 1 / temperature)
    assert sum(expected.values()) == pytest.approx(1)
    rows = 4000
    decoded = decoder.sample(rows=rows, max_steps=3, temperature=temperature, seed=5)
    seen = dict.fromkeys(expected, 0)
    for ids, n, finished in zip(decoded.ids, decoded.lengths, decoded.finished, strict=True):
        seen[(*ids[:n].tolist(), *([2] if finished else []))] += 1
    likely = [sequence for sequence, chance in expected.items() if chance * rows >= 5]
    counts = [seen[sequence] for sequence in likely]
    wanted = [rows * expected[sequence] for sequence in likely]
    if len(likely) < len(expected):
        counts, wanted = [*counts, rows - sum(counts)], [*wanted, rows - sum(wanted)]
    assert len(counts) > 10
    assert stats.chisquare(counts, wanted).pvalue > 1e-3


def test_a_seed_gives_the_same_sequences_and_their_probabilities(attentive):
    model, decoder = attentive
    first = decoder.sample(SOURCE, STEPS, temperature=1.5, seed=7)
    again = Decoder(model).sample(SOURCE, STEPS, temperature=1.5, seed=7)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    others = [decoder.sample(SOURCE, STEPS, temperature=1.5, seed=s).ids for s in (8, 2**40)]
    assert any(o.shape != first.ids.shape or (o != first.ids).any() for o in others)
    keras.utils.set_random_seed(3)
    drawn = decoder.sample(SOURCE, STEPS, temperature=1.5)
    keras.utils.set_random_seed(3)
    np.testing.assert_array_equal(drawn.ids, decoder.sample(SOURCE, STEPS, temperature=1.5).ids)

    # The model's probabilities, whatever the temperature.
    for row, (ids, n) in enumerate(zip(first.ids, first.lengths, strict=True)):
        log_p = next_log_p(model, {"source": SOURCE[row : row + 1]}, STEPS)
        path = [*ids[:n].tolist(), *([2] if first.finished[row] else [])]
        total = sum(log_p(path[:t])[new] for t, new in enumerate(path))
        np.testing.assert_allclose(first.log_probabilities[row], total, atol=2e-5)


@pytest.mark.parametrize("how", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-30}])
def test_sampling_of_one_id_is_greedy(attentive, how):
    _, decoder = attentive
    for one, other in zip(
        decoder.sample(SOURCE, STEPS, **how), decoder.greedy(SOURCE, STEPS), strict=True
    ):
        np.testing.assert_array_equal(one, other)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.greedy(SOURCE, 0), "max_steps.*positive.*max_steps=0"),
        (lambda d: d.greedy(SOURCE, 2.5), "max_steps.*2.5"),
        (lambda d: d.greedy(SOURCE, 2**40), "below 2"),
        (lambda d: d.sample(SOURCE, temperature=0), r"temperature.*greedy\(\).*=0"),
        (lambda d: d.sample(SOURCE, temperature=float("nan")), "temperature=nan"),
        (lambda d: d.sample(SOURCE, temperature=1e-46), "temperature=1e-46"),
        (lambda d: d.sample(SOURCE, temperature=1e300), r"temperature=1e\+300"),
        (lambda d: d.sample(SOURCE, top_k=0), "top_k=0"),
        (lambda d: d.sample(SOURCE, top_p=0.0), r"\(0, 1\].*top_p=0.0"),
        (lambda d: d.sample(SOURCE, top_p=1.1), "top_p=1.1"),
        (lambda d: d.sample(SOURCE, seed=-1), "seed"),
        (lambda d: d.beam_search(SOURCE, beams=0), "beams=0"),
        (lambda d: d.beam_search(SOURCE, length_penalty=-1), "length_penalty=-1"),
        (lambda d: d.greedy(), "'source' must be one array.* NoneType"),
        (lambda d: d.greedy(SOURCE, rows=2), "rows= is for models without an encoder"),
        (lambda d: d.greedy(SOURCE[0]), r"\(batch, any\). Received: shape \(4,\)"),
        (lambda d: d.greedy(SOURCE[:, :0]), r"empty.*\(5, 0\)"),
        (lambda d: d.greedy(SOURCE * 1.0), "ids, whole numbers. Received: dtype float64"),
        (lambda d: d.greedy([["a"]]), "whole numbers"),
        (lambda d: d.greedy([[1, 2], [3]]), "pad sequences.* list"),
        (lambda d: d.greedy({"source": SOURCE}), "must be one array.* dict"),
        (lambda d: d.greedy(tf.ragged.constant([[1, 2], [3]])), r"to_tensor\(\).* RaggedTensor"),
        (lambda d: d.greedy([[1, 7]]), "ids from 0 to 6. Received: 0 to 7"),
        (lambda d: d.greedy([[-1, 3]]), "ids from 0 to 6. Received: -1 to 3"),
        (lambda d: d.greedy([[1, 3], [0, 0]]), r"padding \(0\) alone.*rows \[1\]"),
    ],
)
def test_unsuitable_arguments(attentive, call, message):
    with pytest.raises(ValueError, match=message):
        call(attentive[1])


@pytest.mark.parametrize(
    ("begin", "end", "message"),
    [(0, 2, "begin=0"), (1, 6, "1 to 5. Received: end=6"), (3, 3, "both 3"), (1.5, 2, "begin=1.5")],
)
def test_unsuitable_boundaries(attentive, begin, end, message):
    with pytest.raises(ValueError, match=message):
        Decoder(attentive[0], begin, end)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.greedy(), "rows=None"),
        (lambda d: d.greedy(rows=True), "rows=True"),
        (lambda d: d.greedy(rows=-1), "rows=-1"),
        (lambda d: d.greedy([[1]]), "unconditioned, it has no encoder"),
    ],
)
def test_unsuitable_rows(free, call, message):
    with pytest.raises(ValueError, match=message):
        call(free[1])


def test_an_empty_batch_gives_an_empty_result(attentive, free):
    for decoded in (
        attentive[1].greedy(SOURCE[:0]),
        attentive[1].sample(SOURCE[:0]),
        free[1].greedy(rows=0),
    ):
        assert [part.shape for part in decoded] == [(0, 0), (0,), (0,), (0,)]
    decoded = attentive[1].beam_search(SOURCE[:0], beams=3)
    assert [part.shape for part in decoded] == [(0, 3, 0), (0, 3), (0, 3), (0, 3)]


def test_nan_is_an_error():
    model = storyteller()
    model.set_weights([w * np.nan for w in model.get_weights()])
    decoder = Decoder(model)
    for method in (decoder.greedy, decoder.sample, decoder.beam_search):
        with pytest.raises(ValueError, match="gives NaN"):
            method(rows=2)


def test_models_that_generate_no_ids(attentive):
    with pytest.raises(TypeError, match=r"takes a Keras model\. Received: str"):
        Decoder("model")
    with pytest.raises(ValueError, match=r"one_to_many.*a model named 'decoder'"):
        Decoder(keras.Sequential([keras.Input((3,)), layers.Dense(2)]))
    previous, h = keras.Input((None, 3), name="previous"), keras.Input((4,), name="state_1_h")
    y, new = layers.GRU(4, return_sequences=True, return_state=True)(previous, initial_state=h)
    given = {"output": layers.Dense(3, name="output")(y), "state_1_h": new}
    decoder = keras.Model({"previous": previous, "state_1_h": h}, given, name="decoder")
    model = keras.Model(decoder.input, decoder(decoder.input)["output"])
    with pytest.raises(ValueError, match=r"features, not ids.*step by step.*\(None, None, 3\)"):
        Decoder(model)
    with pytest.raises(ValueError, match=r"probabilities or logits.*'sigmoid'"):
        Decoder(storyteller(activation="sigmoid"))


def test_several_lengths_in_one_call_are_what_each_row_gives_alone(attentive):
    _, decoder = attentive
    together = decoder.beam_search(SOURCE, STEPS, beams=2)
    for row, beam in itertools.product(range(len(SOURCE)), range(2)):
        alone = decoder.beam_search(SOURCE[row : row + 1], STEPS, beams=2)
        n = alone.lengths[0, beam]
        assert together.ids[row, beam, :n].tolist() == alone.ids[0, beam, :n].tolist()
        assert not together.ids[row, beam, n:].any()
