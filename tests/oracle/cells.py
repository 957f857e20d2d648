"""One step of every cell, straight from its equations, on the tape's operators.

    step(x, states, weights, options) -> (output, states)

x is (B, D); `weights` maps names to nodes, and the columns of a fused kernel are blocks of U, one
for each gate. `options` holds the names of the activations, the options of the cell, and the noise
of the step, given explicitly:

    input_mask      (B, D)     multiplies x
    recurrent_mask  (B, U)     multiplies h wherever h enters a recurrent product, r * h included
    weight_mask                multiplies the recurrent kernel
    zoneout         {state: d} new = d * old + (1 - d) * new, with d 0/1 (a draw) or a rate
    named           {}         takes the values of the gates by the literature's names
"""

import numpy as np

from . import tape
from .tape import as_node

STATES = {
    "simple_rnn": ("h",),
    "gru": ("h",),
    "lstm": ("h", "c"),
    "minimal_gru": ("h",),
    "ind_rnn": ("h",),
}
EPSILON = 1e-5


def _relu6(x):  # flat at both bounds, as tf.nn.relu6: the gradient there is 0, not clip's 1
    inside = (x.value > 0.0) & (x.value < 6.0)
    return tape.where(inside, x, tape.clip(x, 0.0, 6.0).value)


ACTIVATIONS = {
    "tanh": tape.tanh,
    "sigmoid": tape.sigmoid,
    "relu": tape.relu,
    "linear": lambda x: x,
    "hard_sigmoid": lambda x: _relu6(x + 3.0) / 6.0,
    "softsign": lambda x: x / (1.0 + tape.where(x.value >= 0.0, x, -x)),
}


def _activations(options):
    """The candidate's activation and the gates'."""
    act = ACTIVATIONS[options.get("activation", "tanh")]
    return act, ACTIVATIONS[options.get("recurrent_activation", "sigmoid")]


def _noisy(x, weights, options):
    """The masked x, the mask of h (1 when there is none) and the masked recurrent kernel."""
    x = x * options.get("input_mask", 1.0)
    recurrent_kernel = weights["recurrent_kernel"] * options.get("weight_mask", 1.0)
    return x, options.get("recurrent_mask", 1.0), recurrent_kernel


def _name(options, **gates):
    """Leave the step's gates in options["named"], where somebody asks for them."""
    if "named" in options:
        options["named"].update({name: np.asarray(as_node(v).value) for name, v in gates.items()})


def _zoneout(name, old, new, options):
    """new = d * old + (1 - d) * new"""
    zoneout = options.get("zoneout") or {}
    if zoneout.get(name) is None:
        return new
    d = np.asarray(zoneout[name])
    return d * old + (1.0 - d) * new


def _normalizes(options):
    if options.get("normalization") not in (None, "layer"):
        raise ValueError(f"normalization: {options['normalization']!r}")
    return options.get("normalization") == "layer"


def layer_norm(v, gain):
    """(v - mean) / sqrt(variance + epsilon) * gain over the last axis, biased variance."""
    centred = v - tape.mean(v)
    return centred / tape.sqrt(tape.mean(centred * centred) + EPSILON) * gain


def simple_rnn(x, states, weights, options):
    """h' = act(x K + h R + b)"""
    (h,) = states
    act, _ = _activations(options)
    x, m, R = _noisy(x, weights, options)
    new = act(x @ weights["kernel"] + (h * m) @ R + weights.get("bias", 0.0))
    new = _zoneout("h", h, new, options)
    return new, (new,)


def ind_rnn(x, states, weights, options):
    """h' = act(x K + u * h + b), the recurrent kernel u being a vector."""
    (h,) = states
    act, _ = _activations(options)
    x, m, u = _noisy(x, weights, options)
    new = act(x @ weights["kernel"] + u * (h * m) + weights.get("bias", 0.0))
    new = _zoneout("h", h, new, options)
    return new, (new,)


def minimal_gru(x, states, weights, options):
    """Zhou et al. 2016, gates f, h:

    f  = s(x Kf + h Rf + bf)
    h~ = act(x Kh + (f * h) Rh + bh)
    h' = (1 - f) * h + f * h~
    """
    (h,) = states
    act, s = _activations(options)
    x, m, R = _noisy(x, weights, options)
    U = h.shape[-1]
    xs = x @ weights["kernel"] + weights.get("bias", 0.0)
    f = s(xs[:, :U] + (h * m) @ R[:, :U])
    candidate = act(xs[:, U:] + (f * h * m) @ R[:, U:])
    _name(options, update=f, candidate=candidate)
    new = (1.0 - f) * h + f * candidate
    new = _zoneout("h", h, new, options)
    return new, (new,)


def gru(x, states, weights, options):
    """Keras's order z, r, h.

    z  = s(x Kz + h Rz + bz), r = s(x Kr + h Rr + br)
    h~ = act(x Kh + b0h + r * (h Rh + b1h))   reset_after: bias (2, 3U), input row, recurrent row
    h~ = act(x Kh + bh + (r * h) Rh)          reset before: bias (3U,)
    h' = z * h + (1 - z) * h~

    Layer normalisation: every product is normalised before its bias is added, z and r together as
    one vector of 2U, the candidate apart.
    """
    (h,) = states
    act, s = _activations(options)
    x, m, R = _noisy(x, weights, options)
    K = weights["kernel"]
    U = h.shape[-1]
    after = options.get("reset_after", True)
    gates, cand = slice(0, 2 * U), slice(2 * U, 3 * U)

    def norm(v, gain, columns):
        return layer_norm(v, weights[gain][columns]) if _normalizes(options) else v

    def bias(row, columns):  # reset before: one bias, counted on the input's side
        if "bias" not in weights or (row == 1 and not after):
            return 0.0
        return weights["bias"][row, columns] if after else weights["bias"][columns]

    zr = s(
        norm(x @ K[:, gates], "kernel_gain", gates)
        + bias(0, gates)
        + norm((h * m) @ R[:, gates], "recurrent_gain", gates)
        + bias(1, gates)
    )
    z, r = zr[:, :U], zr[:, U:]
    if after:
        recurrent = r * (norm((h * m) @ R[:, cand], "recurrent_gain", cand) + bias(1, cand))
    else:
        recurrent = norm((r * h * m) @ R[:, cand], "recurrent_gain", cand)
    candidate = act(norm(x @ K[:, cand], "kernel_gain", cand) + bias(0, cand) + recurrent)
    _name(options, update=1.0 - z, relevance=r, candidate=candidate)
    new = z * h + (1.0 - z) * candidate
    new = _zoneout("h", h, new, options)
    return new, (new,)


def lstm_gates(options):
    """The column blocks in order: i, f, c, o, r without the absent ones."""
    gates = "ico" if options.get("coupled_gates") else "ifco"
    return gates + ("r" if options.get("relevance_gate") else "")


def lstm(x, states, weights, options):
    """Gates i, f, c, o, r (coupled_gates: no f; r only with relevance_gate).

    i, f = s(x K + h R + b + p * c)                p, the peephole's rows i, f, o
    c~   = act(x Kc + h Rc + bc)                   relevance_gate: (r * h) Rc, r = s(x Kr + ...)
    c'   = clip(f * c + i * c~, +-cell_clip)       coupled_gates: f = 1 - i
    o    = s(x Ko + h Ro + bo + p * c')
    h'   = o * output_activation(c')               normalised: output_activation(LN(c') + shift)
    h'   = clip(h' P, +-projection_clip)           with a projection kernel P

    Layer normalisation (Ba et al. 2016): x K and h R, each over all its columns as one vector; with
    a relevance gate the candidate's block of the recurrent side apart, the others together.
    """
    h, c = states
    act, s = _activations(options)
    out_act = options.get("output_activation") or options.get("activation", "tanh")
    x, m, R = _noisy(x, weights, options)
    U = c.shape[-1]
    gates = lstm_gates(options)
    width = {g: h.shape[-1] if g == "r" else U for g in gates}  # r acts on h, perhaps projected
    ends = np.cumsum([width[g] for g in gates])
    columns = {g: slice(end - width[g], end) for g, end in zip(gates, ends, strict=True)}
    peephole_row = {g: k for k, g in enumerate(g for g in gates if g in "ifo")}

    def product(inputs, matrix, gain, group):
        """inputs @ (the columns of the group), normalised over the group, by gate."""
        v = inputs @ tape.concatenate([matrix[:, columns[g]] for g in group])
        if _normalizes(options):
            v = layer_norm(v, tape.concatenate([weights[gain][columns[g]] for g in group]))
        ends = np.cumsum([width[g] for g in group])
        return {g: v[:, end - width[g] : end] for g, end in zip(group, ends, strict=True)}

    def peep(gate, cell):
        if "peephole" not in weights:
            return 0.0
        return weights["peephole"][peephole_row[gate]] * cell

    def bias(gate):
        return weights["bias"][columns[gate]] if "bias" in weights else 0.0

    xs = product(x, weights["kernel"], "kernel_gain", gates)
    if options.get("relevance_gate"):
        hs = product(h * m, R, "recurrent_gain", gates.replace("c", ""))
        r = s(xs["r"] + hs["r"] + bias("r"))
        _name(options, relevance=r)
        hs |= product(r * h * m, R, "recurrent_gain", "c")
    else:
        hs = product(h * m, R, "recurrent_gain", gates)

    i = s(xs["i"] + hs["i"] + bias("i") + peep("i", c))
    coupled = options.get("coupled_gates")
    f = 1.0 - i if coupled else s(xs["f"] + hs["f"] + bias("f") + peep("f", c))
    candidate = act(xs["c"] + hs["c"] + bias("c"))
    new_c = f * c + i * candidate
    if options.get("cell_clip") is not None:
        new_c = tape.clip(new_c, -options["cell_clip"], options["cell_clip"])
    o = s(xs["o"] + hs["o"] + bias("o") + peep("o", new_c))
    _name(options, update=i, forget=f, candidate=candidate, output=o)
    shown = new_c
    if _normalizes(options):
        shown = layer_norm(new_c, weights["cell_gain"]) + weights["cell_shift"]
    new_h = o * ACTIVATIONS[out_act](shown)
    if "projection_kernel" in weights:
        new_h = new_h @ weights["projection_kernel"]
        if options.get("projection_clip") is not None:
            clip = options["projection_clip"]
            new_h = tape.clip(new_h, -clip, clip)
    new_h = _zoneout("h", h, new_h, options)
    new_c = _zoneout("c", c, new_c, options)
    return new_h, (new_h, new_c)
