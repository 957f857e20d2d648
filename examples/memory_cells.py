"""The recurrent layers that the study of vanishing gradients compares, and how each is trained."""

from typing import NamedTuple

import keras
import numpy as np

import keras_recurrent as kr

UNITS = 32


class Kind(NamedTuple):
    """A cell under study.

    Attributes:
        title: What it is called in tables and pictures.
        gated: Whether it has gates.
        rate: Adam's learning rate.
    """

    title: str
    gated: bool
    rate: float


KINDS = {
    "tanh": Kind("SimpleRNN, tanh", False, 1e-3),
    "irnn": Kind("SimpleRNN, IRNN", False, 1e-3),
    "gru": Kind("GRU", True, 1e-2),
    "lstm": Kind("LSTM", True, 1e-2),
    "coupled": Kind("LSTM, coupled gates", True, 1e-2),
}


def build(kind: str, steps: int, features: int, outputs: int, every_step: bool, engine: str):
    """A model of one such layer of 32 units and a `Dense` layer, compiled with Adam, |gradient| ≤ 1.

    Args:
        kind: A key of `KINDS`.
        steps: Length of the sequences.
        features: Of each step.
        outputs: Numbers, or logits with `every_step`.
        every_step: Whether there is an answer at every step (logits) or one at the end (a number).
        engine: The layer's.
    """
    layer = _layer(kind, return_sequences=every_step, engine=engine, name=kind)
    model = keras.Sequential(
        [keras.Input((steps, features)), layer, keras.layers.Dense(outputs, name="answer")]
    )
    if KINDS[kind].gated:
        open_gates(layer, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if every_step else "mse"
    model.compile(keras.optimizers.Adam(KINDS[kind].rate, global_clipnorm=1.0), loss)
    return model


def _layer(kind: str, **options):
    if kind == "gru":
        return kr.GRU(UNITS, **options)
    if kind in ("lstm", "coupled"):
        return kr.LSTM(UNITS, coupled_gates=kind == "coupled", **options)
    if kind == "irnn":  # Le et al. 2015
        small = keras.initializers.RandomNormal(stddev=1e-3)
        options |= {"recurrent_initializer": "identity", "kernel_initializer": small}
        return kr.SimpleRNN(UNITS, activation="relu", **options)
    return kr.SimpleRNN(UNITS, **options)


def open_gates(layer, steps: int) -> None:
    """Draw the biases of the gates that keep the past for memories of 1 to `steps` steps.

    σ(b) = n / (n + 1) with n drawn from [1, T - 1]: what is kept fades with a time constant of about n
    steps (Tallec and Ollivier 2018, chrono initialisation).
    """
    drawn = keras.random.uniform((UNITS,), 1.0, max(2.0, steps - 1.0))
    kept = np.log(keras.ops.convert_to_numpy(drawn))
    kernel, recurrent, bias = layer.get_weights()
    gates = layer.cell.gates
    if isinstance(layer, kr.GRU):
        bias[0, :UNITS] = kept  # of z, the share of the past
    else:
        columns = bias.reshape(len(gates), UNITS)  # a view
        columns[gates.index("input")] = -kept
        if "forget" in gates:
            columns[gates.index("forget")] = kept
    layer.set_weights([kernel, recurrent, bias])
