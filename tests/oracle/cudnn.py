"""What `CudnnRNNV3` computes, from its documentation and cuDNN's equations, on the tape's operators.

Every row is run for itself, step by step and only as far as its length, so that nothing here knows of
padding or of our cells. `params` is one vector: the matrices of all layers and directions, then their
biases. A layer and direction has, each with one row for every output, W of each gate, R of each gate,
and the projection; then b_W and b_R of each gate. Gates: i, f, c, o (LSTM); r, i, h (GRU).

    LSTM   i, f, o = s(W x + R h + b_W + b_R),  c' = f * c + i * tanh(W x + R h + b_W + b_R),
           h' = o * tanh(c'), or P (o * tanh(c'))
    GRU    r, i = s(W x + R h + b_W + b_R),  n = tanh(W x + b_W + r * (R h + b_R)),
           h' = (1 - i) * n + i * h
    RNN    h' = tanh or relu of (W x + R h + b_W + b_R)
"""

import numpy as np

from . import tape
from .tape import as_node

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}


class _Params:
    """Hands out the vector piece by piece and insists that all of it is used."""

    def __init__(self, vector):
        self.vector, self.used = vector, 0

    def take(self, *shape):
        places = self.used + np.arange(np.prod(shape)).reshape(shape)
        self.used += places.size
        assert self.used <= self.vector.shape[0], "params are too short"
        return self.vector[places.T]  # a matrix for row vectors: x @ W^T

    def end(self):
        assert self.used == self.vector.shape[0], "params are too long"


def _read(params, mode, sizes, width, projection):
    """One dictionary for each layer and direction; `sizes` are the widths that they read."""
    params, gates, seen = _Params(params), GATES[mode], projection or width
    parts = []
    for size in sizes:
        part = {"W": [params.take(width, size) for _ in range(gates)]}
        part["R"] = [params.take(width, seen) for _ in range(gates)]
        part["P"] = params.take(projection, width) if projection else None
        parts.append(part)
    for part in parts:
        part["bW"] = [params.take(width) for _ in range(gates)]
        part["bR"] = [params.take(width) for _ in range(gates)]
    params.end()
    return parts


def _step(mode, part, x, h, c):
    xs = [x @ w + b for w, b in zip(part["W"], part["bW"], strict=True)]
    hs = [h @ r + b for r, b in zip(part["R"], part["bR"], strict=True)]
    if mode in ("rnn_tanh", "rnn_relu"):
        return getattr(tape, mode[4:])(xs[0] + hs[0]), c
    if mode == "gru":
        r, i = (tape.sigmoid(a + b) for a, b in zip(xs[:2], hs[:2], strict=True))
        new = tape.tanh(xs[2] + r * hs[2])
        return (1.0 - i) * new + i * h, c
    i, f, g, o = (a + b for a, b in zip(xs, hs, strict=True))
    c = tape.sigmoid(f) * c + tape.sigmoid(i) * tape.tanh(g)
    h = tape.sigmoid(o) * tape.tanh(c)
    return (h if part["P"] is None else h @ part["P"]), c


def run(x, h, c, params, lengths, mode, bidirectional, projection):
    """(output, output_h, output_c), time first; `h` and `c` are (layers * directions, B, width)."""
    x, h, c, params = map(as_node, (x, h, c, params))
    steps, batch, features = x.shape
    lengths = np.asarray(lengths)
    assert lengths.shape == (batch,)
    assert lengths.min() >= 1, "CUDNN_STATUS_BAD_PARAM"
    assert lengths.max() <= steps
    lstm, directions = mode == "lstm", 1 + bidirectional
    layers = h.shape[0] // directions
    assert (c.shape == (*h.shape[:2], c.shape[-1])) if lstm else c.shape == ()
    width = c.shape[-1] if lstm else h.shape[-1]
    assert h.shape[-1] == (projection or width)
    sizes = [features] * directions + [h.shape[-1] * directions] * directions * (layers - 1)
    parts = _read(params, mode, sizes, width, projection)

    rows, last_h, last_c = [], [], []
    for b, length in enumerate(lengths):
        outputs, hs, cs = _row(
            parts, mode, directions, x[:length, b], h[:, b], c[:, b] if lstm else c
        )
        padding = np.zeros((steps - length, outputs.shape[-1]))
        rows.append(tape.concatenate([outputs, padding], 0)[:, None])
        last_h.append(tape.concatenate(hs, 0)[:, None])
        if lstm:
            last_c.append(tape.concatenate(cs, 0)[:, None])
    output_c = tape.concatenate(last_c, 1) if lstm else c
    return tape.concatenate(rows, 1), tape.concatenate(last_h, 1), output_c


def _row(parts, mode, directions, x, first_h, first_c):
    """All layers over one row (length, features)."""
    hs, cs = [], []
    for start in range(0, len(parts), directions):
        sides = []
        for place in range(start, start + directions):
            h = first_h[place : place + 1]
            c = first_c[place : place + 1] if mode == "lstm" else first_c
            order = range(x.shape[0])
            made = {}
            for t in reversed(order) if place > start else order:
                h, c = _step(mode, parts[place], x[t : t + 1], h, c)
                made[t] = h
            sides.append(tape.concatenate([made[t] for t in order], 0))
            hs.append(h)
            cs.append(c)
        x = tape.concatenate(sides, -1)
    return x, hs, cs


def gradients(x, h, c, params, lengths, upstream, **options):
    """Those of sum(upstream * results) for x, h, c and params.

    What becomes of the gradient behind a row's end is not documented: NaN here.
    """
    nodes = [tape.Node(value) for value in (x, h, c, params)]
    results = run(*nodes, lengths, **options)
    loss = sum(tape.sum(r * u) for r, u in zip(results, upstream, strict=True))
    dx, *rest = tape.gradient(loss, nodes)
    behind = np.arange(len(dx))[:, None] >= np.asarray(lengths)
    dx[behind] = np.nan
    return [dx, *rest]
