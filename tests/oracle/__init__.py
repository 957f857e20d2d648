"""The independent truth of the tests: every equation once more, in float64 NumPy."""
