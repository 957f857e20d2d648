"""kr.training.windows: what stands where."""

import numpy as np
import pytest
import tensorflow as tf

import keras_recurrent as kr


def _documents(*lengths):
    """Documents that number their steps: 100, 101, ... 200, 201, ..."""
    return [np.arange(n) + 100 * (i + 1) for i, n in enumerate(lengths)]


def _rows(dataset):
    """Per row the list of (steps, reset, weights) of its windows."""
    batches = [(x["inputs"].numpy(), x["reset"].numpy() > 0, w.numpy()) for x, _, w in dataset]
    return [[(x[i], r[i], w[i]) for x, r, w in batches] for i in range(len(batches[0][1]))]


def _read(row):
    """The documents in a row, put together again."""
    found = []
    for steps, reset, weights in row:
        if reset:
            found.append([])
        found[-1] += list(steps[weights > 0])
    return [list(map(int, d)) for d in found if d]


def test_documents_follow_each_other_in_the_rows():
    documents = _documents(7, 3, 4, 5, 1)
    dataset = kr.training.windows(documents, documents, batch_size=2, window=3)
    first, second = map(_read, _rows(dataset))
    assert first == [list(documents[0]), list(documents[3])]
    assert second == [list(documents[i]) for i in (1, 2, 4)]
    assert dataset.cardinality() == 5
    assert [r for _, r, _ in _rows(dataset)[0]] == [True, False, False, True, False]
    for steps, _, weights in [window for row in _rows(dataset) for window in row]:
        assert not steps[weights == 0].any()
        assert list(weights) == sorted(weights, reverse=True)


def test_the_next_step_is_the_default_target():
    dataset = kr.training.windows(_documents(5, 4), batch_size=1, window=2)
    seen = [(x["inputs"].numpy(), y.numpy(), w.numpy() > 0) for x, y, w in dataset]
    inputs = np.concatenate([x[w] for x, _, w in seen])
    targets = np.concatenate([y[w] for _, y, w in seen])
    assert list(inputs) == [100, 101, 102, 103, 200, 201, 202]
    assert list(targets) == list(inputs + 1)


@pytest.mark.parametrize("steps", [12, 13, 14])
def test_one_sequence_is_cut_into_a_part_a_row(steps):
    sequence = np.arange(steps)
    dataset = kr.training.windows(sequence, batch_size=4, window=2)
    rows = list(map(_read, _rows(dataset)))
    assert all(len(row) == 1 for row in rows)
    assert [step for row in rows for step in row[0]] == list(range(steps - 1))
    assert {len(row[0]) for row in rows} <= {2, 3, 4}


def test_several_inputs_and_targets_keep_their_types():
    documents = [
        {"ids": np.ones(n, "int32"), "features": np.ones((n, 3), "float16")} for n in (3, 4)
    ]
    targets = [(np.ones((n, 2), "float64"), np.ones(n, "uint8")) for n in (3, 4)]
    (x, y, w) = kr.training.windows(documents, targets, batch_size=2, window=4).element_spec
    assert x["inputs"]["ids"] == tf.TensorSpec((2, 4), tf.int32)
    assert x["inputs"]["features"] == tf.TensorSpec((2, 4, 3), tf.float16)
    assert y == (tf.TensorSpec((2, 4, 2), tf.float64), tf.TensorSpec((2, 4), tf.uint8))
    assert x["reset"] == tf.TensorSpec((2,), tf.int32)
    assert w == tf.TensorSpec((2, 4), tf.float32)


def test_every_epoch_is_the_same():
    dataset = kr.training.windows(_documents(9, 2, 5), batch_size=2, window=3)
    for (a, y, v), (b, z, w) in zip(dataset, dataset, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, (a, y, v), (b, z, w))


@pytest.mark.parametrize(
    ("inputs", "targets", "sizes", "text"),
    [
        (_documents(3), None, (0, 2), "batch_size=0"),
        (_documents(3), None, (2, 1.5), r"window=1\.5"),
        ([], None, (2, 2), "at least one document"),
        (_documents(3, 1), None, (2, 2), r"at least 1 \(2 where.*\[0, 0\] at place 1"),
        (_documents(3), _documents(4), (2, 2), r"\[3, 4\] at place 0"),
        (_documents(3), _documents(3, 3), (2, 2), "1 and 2"),
        ([1, 2, 3, 4], None, (2, 2), "the number"),
        ([np.ones((3, 2)), np.ones((3, 1))], None, (2, 2), "at place 1"),
        ([np.ones(3), np.ones(3, int)], None, (2, 2), "at place 1"),
        (np.arange(4), None, (4, 2), "3 steps"),
        ([{"a": np.ones(3)}, {"b": np.ones(3)}], None, (2, 2), "at place 1"),
        ([np.array(["a", "b"]), np.ones(2)], None, (2, 2), "strings.*float64.*at place 1"),
    ],
)
def test_refuses(inputs, targets, sizes, text):
    with pytest.raises(ValueError, match=text):
        kr.training.windows(inputs, targets, batch_size=sizes[0], window=sizes[1])


NO_ARRAYS = {
    "generator": (np.ones(4) for _ in range(2)),
    "_RangeDataset": tf.data.Dataset.range(10),
    "RaggedTensor": tf.ragged.constant([[1, 2, 3], [4, 5]]),
    "NoneType": None,
    "str": "hello world",
    "dict": [{}],
    "object array": [np.array([1, None, 3], object)],
    "list": [[[1, 2], [3]]],
}


@pytest.mark.parametrize("kind", NO_ARRAYS)
def test_refuses_what_is_no_array(kind):
    text = "must be a list of arrays, an array, or dictionaries of them. Received: .*" + kind
    with pytest.raises(ValueError, match=text):
        kr.training.windows(NO_ARRAYS[kind], batch_size=2, window=2)


def test_lists_of_numbers_and_strings_are_documents():
    dataset = kr.training.windows([[1, 2, 3], [4, 5, 6]], batch_size=2, window=2)
    x, y, _ = next(iter(dataset))
    assert x["inputs"].numpy().tolist() == [[1, 2], [4, 5]]
    assert y.numpy().tolist() == [[2, 3], [5, 6]]
    words = [np.array(["ab", "c", "d"]), np.array(["abc", "d"])]  # types of unlike width
    for documents in (words, [w.tolist() for w in words]):
        x, _, _ = next(iter(kr.training.windows(documents, batch_size=2, window=2)))
        assert x["inputs"].numpy().tolist() == [[b"ab", b"c"], [b"abc", b""]]
