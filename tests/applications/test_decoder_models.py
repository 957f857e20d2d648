"""Decoding the models of this package, of every form that generates."""

import keras
import numpy as np
import pytest
from applications.decoding_kit import next_log_p, shaken

import keras_recurrent as kr
from keras_recurrent.applications import Decoder

STEPS = 4
SOURCE = np.array([[1, 2, 3, 0], [4, 5, 0, 0], [6, 6, 6, 6]], "int32")
RAW = np.random.default_rng(1).normal(size=(3, 4, 2)).astype("float32")
CATEGORIES = np.array([[1, 0], [0, 4], [2, 2]], "int32")

to_sequence = kr.applications.sequence_to_sequence
to_many = kr.applications.one_to_many
FORMS = {
    "plain": (
        lambda: to_sequence(6, source_vocabulary=7, units=3, attention=None, cell="gru"),
        SOURCE,
    ),
    "dot": (lambda: to_sequence(6, source_vocabulary=7, units=3, depth=2, residual=True), SOURCE),
    "additive": (
        lambda: to_sequence(6, source_features=2, units=3, attention="additive", mask_value=0.0),
        RAW,
    ),
    "multi_head": (
        lambda: to_sequence(
            6, source_vocabulary=7, units=8, attention="multi_head", output_activation=None
        ),
        SOURCE,
    ),
    "sampled": (
        lambda: to_sequence(
            6,
            source_vocabulary=7,
            units=3,
            bidirectional=False,
            scheduled_sampling=0.3,
            dropout=0.2,
        ),
        SOURCE,
    ),
    "condition": (
        lambda: to_many(vocabulary_size=6, units=3, depth=2, condition_features=2),
        RAW[:, 0],
    ),
    "categories": (
        lambda: to_many(vocabulary_size=6, units=3, condition_sizes=(3, 5), cell="simple_rnn"),
        CATEGORIES,
    ),
    "own cell": (
        lambda: to_many(
            vocabulary_size=6, units=3, condition_features=2, cell=lambda u: kr.MinimalGRUCell(u)
        ),
        RAW[:, 0],
    ),
    "free": (lambda: to_many(vocabulary_size=6, units=3), None),
}


@pytest.fixture(scope="module", params=FORMS)
def form(request):
    make, inputs = FORMS[request.param]
    keras.utils.set_random_seed(2)
    return request.param, shaken(make(), 0.8), inputs


def test_greedy(form):
    name, model, inputs = form
    decoder, rows = Decoder(model), 3
    how = {"rows": rows} if inputs is None else {"inputs": inputs}
    decoded = decoder.greedy(max_steps=STEPS, **how)
    (reads,) = [key for key in model.input if key != "previous"] or [None]
    for row in range(rows):
        own = {reads: inputs[row : row + 1]} if reads else {}
        log_p = next_log_p(model, own, STEPS, logits=name == "multi_head")
        ids, total = [], 0.0
        for _ in range(STEPS):
            new = int(log_p(ids).argmax())
            total += log_p(ids)[new]
            if new == 2:
                break
            ids.append(new)
        n = decoded.lengths[row]
        assert decoded.ids[row, :n].tolist() == ids
        assert decoded.finished[row] == (len(ids) < STEPS)
        np.testing.assert_allclose(decoded.log_probabilities[row], total, atol=2e-5)


def test_what_was_learnt_by_heart_is_said():
    """`teacher_forcing` and `Decoder` agree on begin, end and padding."""
    sequences = [[3, 4], [5], [4, 4, 5, 3]]
    previous, targets = kr.applications.teacher_forcing(sequences)
    model = to_many(vocabulary_size=6, units=12, condition_sizes=(3,), cell="gru")
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.05), loss, jit_compile=False)
    condition = np.arange(3)[:, np.newaxis]
    model.fit({"condition": condition, "previous": previous}, targets, epochs=50, verbose=0)
    decoded = Decoder(model).greedy(condition, 9)
    said = [ids[:n].tolist() for ids, n in zip(decoded.ids, decoded.lengths, strict=True)]
    assert said == sequences
    assert decoded.finished.all()


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ([[3, 0]], "Column 0 of 'condition' holds ids from 0 to 2. Received: 0 to 3"),
        ([[0, 5]], "Column 1 of 'condition' holds ids from 0 to 4. Received: 0 to 5"),
        ([[0, 0, 0]], r"\(batch, 2\). Received: shape \(1, 3\)"),
        ([[0.5, 1.0]], "ids, whole numbers. Received: dtype float64"),
    ],
)
def test_unsuitable_conditions(condition, message):
    decoder = Decoder(FORMS["categories"][0]())
    with pytest.raises(ValueError, match=message):
        decoder.greedy(condition)


def test_a_condition_that_is_not_finite():
    model = kr.applications.one_to_many(vocabulary_size=6, units=3, condition_features=2)
    with pytest.raises(ValueError, match="'condition' must hold finite numbers"):
        Decoder(model).greedy([[0.5, np.nan]])


def test_a_generator_of_features():
    model = to_many(features=2, outputs=2, units=3, output_activation=None)
    with pytest.raises(ValueError, match=r"features, not ids.*parts_of\(model\).decoder"):
        Decoder(model)


def test_one_of_a_fixed_length():
    model = shaken(to_many(vocabulary_size=6, units=3, timesteps=5))
    decoded = Decoder(model).greedy(rows=2, max_steps=7)
    assert decoded.ids.shape[1] <= 7


@pytest.mark.parametrize("condition", [None, 2])
def test_mixed_precision(condition):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = shaken(
            to_many(vocabulary_size=6, units=3, cell="gru", condition_features=condition)
        )
    finally:
        keras.config.set_dtype_policy("float32")
    given = {} if condition is None else {"condition": RAW[:1, 0]}
    decoder, reads = Decoder(model), given.get("condition")
    decoded = decoder.greedy(reads, STEPS, rows=None if given else 1)
    path = [*decoded.ids[0].tolist(), *([2] if decoded.finished[0] else [])]
    log_p = next_log_p(model, given, STEPS)
    total = sum(log_p(path[:t])[new] for t, new in enumerate(path))
    np.testing.assert_allclose(decoded.log_probabilities[0], total, atol=0.02)
