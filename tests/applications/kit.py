"""The applications' equations in NumPy, on the oracle's cells."""

import numpy as np
from oracle import cells, sequence

STEPS = {"simple_rnn": cells.simple_rnn, "gru": cells.gru, "lstm": cells.lstm}
OPTIONS = {"simple_rnn": {}, "gru": {"reset_after": True}, "lstm": {}}


def weights(layer) -> dict:
    return {v.name: v.numpy().astype("float64") for v in layer.cell.weights if "seed" not in v.name}


def run(layer, kind, x, mask=None, states=None, go_backwards=False):
    """All outputs in the order of the input, the last output and the states of a layer."""
    parts = len(cells.STATES[kind])
    states = states or [np.zeros((len(x), layer.cell.units))] * parts
    outputs, last, states = sequence.run(
        STEPS[kind], x, states, weights(layer), OPTIONS[kind], mask, go_backwards
    )
    outputs = outputs.value[:, ::-1] if go_backwards else outputs.value
    return outputs, last.value, [s.value for s in states]


def both(layer, kind, x, mask=None):
    """The same of a Bidirectional layer; masked steps give zeros, as in Keras."""
    forward = run(layer.forward_layer, kind, x, mask)
    backward = run(layer.backward_layer, kind, x, mask, go_backwards=True)
    outputs = np.concatenate([forward[0], backward[0]], -1)
    if mask is not None:
        outputs = outputs * mask[..., None]
    return outputs, np.concatenate([forward[1], backward[1]], -1), forward[2] + backward[2]


def dense(layer, x, activation=None):
    kernel, *bias = [np.asarray(w, "float64") for w in layer.get_weights()]
    y = x @ kernel + (bias[0] if bias else 0.0)
    return y if activation is None else activation(y)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
