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
