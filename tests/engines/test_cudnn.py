"""The cuDNN engine on a NumPy model of its operation: what it packs, sends and puts back."""

import pytest
from allpairspy import AllPairs
from conformance.check import MASKS, check
from conformance.registry import CUDNN_CASES

AXES = {
    "case": CUDNN_CASES,
    "mask": list(MASKS),
    "state": ["zeros", "given"],
    "direction": ["forward", "backward"],
    "dtype": ["float64", "float32", "mixed_float16", "mixed_bfloat16"],
    "execution": ["eager", "graph", "dynamic"],
    "zero_masked": [False, True],
    "training": [False, True],
}
ROWS = [dict(zip(AXES, row, strict=True)) for row in AllPairs(list(AXES.values()))]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(map(str, row.values())))
def test_numbers_of_the_oracle(row, cudnn_model):
    check(engine="cudnn", **row)
    assert cudnn_model.calls
    training = [call["is_training"] for call in cudnn_model.calls]
    assert row["training"] in training  # outside training a gradient runs forward once more
