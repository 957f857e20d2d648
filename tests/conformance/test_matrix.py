"""Every cell x engine x mask x state x direction x dtype against the NumPy truth.

`make test` runs a pairwise covering set, in which every two values of different axes meet at least
once; `make conformance` runs the full product, and `make test-gpu` adds cuDNN for what it can serve.
"""

import itertools

from allpairspy import AllPairs
from conformance.check import MASKS, check
from conformance.registry import CASES, CUDNN_CASES

AXES = {
    "case": CASES,
    "engine": ["loop", "unroll", "compiled", "recomputed", "portable"],
    "mask": list(MASKS),
    "state": ["zeros", "given"],
    "direction": ["forward", "backward"],
    "dtype": ["float64", "float32", "mixed_float16", "mixed_bfloat16"],
}
# How it is executed does not multiply the full product: each combination takes the next one. Pairs
# leave half of the rows free, and those get the last value: not "xla", which takes longest by far.
MORE = {
    "execution": ["eager", "graph", "xla", "dynamic"],
    "zero_masked": [False, True],
    "training": [False, True],
}


def _adjusted(row) -> tuple:
    """The nearest combination that exists."""
    point = dict(zip([*AXES, *MORE], row, strict=True))
    if point["engine"] == "portable":
        point["training"] = False  # exported graphs hold no noise
    if point["engine"] in ("unroll", "recomputed") and point["execution"] == "dynamic":
        point["execution"] = "graph"  # both need a known number of steps
    if point["engine"] == "cudnn" and point["execution"] == "xla":
        point["execution"] = "graph"  # XLA does not know the operation
    return tuple(point.values())


def _pairwise(axes=AXES) -> list[tuple]:
    rows = AllPairs([*axes.values(), *MORE.values()])
    return list(dict.fromkeys(_adjusted(row) for row in rows))


def _full(axes=AXES) -> list[tuple]:
    more = itertools.cycle(itertools.product(*MORE.values()))
    product = itertools.product(*axes.values())
    return [_adjusted((*row, *extra)) for row, extra in zip(product, more, strict=False)]


def _name(row) -> str:
    return "-".join(str(value) for value in row)


def pytest_generate_tests(metafunc):
    if "row" in metafunc.fixturenames:
        rows_of = _full if metafunc.config.getoption("--full") else _pairwise
        rows = rows_of()
        if metafunc.config.getoption("--gpu"):
            rows += rows_of({**AXES, "case": CUDNN_CASES, "engine": ["cudnn"]})
        metafunc.parametrize("row", rows, ids=_name)


def test_numbers_of_the_oracle(row):
    check(*row)


def test_every_pair_of_the_main_axes_is_covered():
    seen = {
        (i, j, str(row[i]), str(row[j]))
        for row in _pairwise()
        for i, j in itertools.combinations(range(len(AXES)), 2)
    }
    wanted = {
        (i, j, str(a), str(b))
        for (i, first), (j, second) in itertools.combinations(enumerate(AXES.values()), 2)
        for a, b in itertools.product(first, second)
    }
    assert wanted <= seen
