"""Examples on real data; run them as `python examples/NAME.py` from the root of a checkout."""
