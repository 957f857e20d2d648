"""The loop over time of the compiled programs: rows, carry, order."""

import numpy as np
import pytest
import tensorflow as tf

from keras_recurrent.engines.scan import scan


@pytest.mark.parametrize("timesteps", [1, 2, 5])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_rows_carry_and_what_is_kept(timesteps, reverse, jit_compile):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, timesteps, 3)).astype("float32")

    def step(carry, row):
        x, nothing, (y,) = row
        assert nothing is None
        total = carry["total"] * 0.5 + x - y
        return {"total": total, "count": carry["count"] + 1}, [total * 2, x]

    @tf.function(jit_compile=jit_compile)
    def run(a, b):
        start = {"total": tf.zeros(3), "count": 0}
        return scan(step, start, (a, None, (b,)), reverse=reverse)

    carry, (doubled, copied) = run(a, b)
    order = range(timesteps)[:: -1 if reverse else 1]
    total, expected = np.zeros(3, "float32"), np.zeros((timesteps, 3), "float32")
    for t in order:
        total = total * 0.5 + a[t] - b[t]
        expected[t] = 2 * total
    np.testing.assert_allclose(carry["total"], total, rtol=1e-6)
    assert carry["count"] == timesteps
    np.testing.assert_allclose(doubled, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(copied, a)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_fewer_rows_than_there_are(jit_compile):
    rows = np.arange(1, 6, dtype="float32")[:, None]

    @tf.function(jit_compile=jit_compile)
    def run(rows, count):
        return scan(lambda total, row: (total + row, row), tf.zeros(1), rows, count=count)

    for count in (0, 2, 5):
        total, kept = run(rows, tf.constant(count))
        assert total[0] == rows[:count].sum()
        np.testing.assert_array_equal(kept, np.where(np.arange(5)[:, None] < count, rows, 0))
    assert run.experimental_get_tracing_count() == 1
