"""Made-up data."""

import keras
import pytest

import keras_recurrent as kr
from keras_recurrent.export import sample
from keras_recurrent.export.signature import signature_of


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_lengths_are_not_all_zero(batch):
    x, lengths = keras.Input((6, 4)), keras.Input((), dtype="int32")
    model = keras.Model([x, lengths], kr.GRU(3)(x, lengths=lengths))
    signature = signature_of(model).pinned(batch, "from the model")
    _, drawn = sample.draw(signature, model, sample.Size(batch, 6))
    assert drawn[0] >= 3
    assert drawn.min() >= 0
    assert drawn.max() <= 6


def test_characters_spell_words():
    """Ids that are out of range crash gathers."""
    bilm = kr.elmo.BiLM(4, None, 1, filters=((1, 2),), character_dim=2, max_characters_per_token=5)
    ids = keras.Input((None, 5), dtype="int32")
    model = keras.Model(ids, kr.ELMo(bilm)(ids))
    signature = signature_of(model).pinned(None, "from the model")
    (drawn,) = sample.draw(signature, model, sample.Size(4, 33))
    assert (drawn.shape, drawn.dtype) == ((4, 33, 5), "int32")
    present = drawn.any(-1)
    assert 0.6 < present.mean() < 0.9
    assert (drawn[present][:, 0] == kr.elmo.batch_to_ids([["a"]], 5)[0, 0, 0]).all()
    assert 1 <= drawn[present].min() <= drawn.max() <= 261


def test_ids_of_words_stay_in_the_vocabulary():
    bilm = kr.elmo.BiLM(4, None, 1, vocabulary_size=3)
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, kr.ELMo(bilm)(ids))
    (drawn,) = sample.draw(signature_of(model), model, sample.Size(4, 33))
    assert set(drawn.flat) == {0, 1, 2, 3}


def test_the_columns_of_a_condition_have_their_own_ranges():
    sizes = (12, 2, 3)
    model = kr.applications.one_to_many(vocabulary_size=9, condition_sizes=sizes, units=2)
    encoder = kr.applications.parts_of(model).encoder
    signature = signature_of(encoder)
    rows = [sample.draw(signature, encoder, sample.Size(batch, 1))[0] for batch in (1, 2, 200)]
    assert [part.shape for part in rows] == [(1, 3), (2, 3), (200, 3)]
    assert rows[-1].min(0).tolist() == [0, 0, 0]
    assert rows[-1].max(0).tolist() == [size - 1 for size in sizes]
