"""Which layers can stream: one function of a call of a layer, which says why it cannot, or None.

Only calls on tensors with an axis of time are asked about. What is not named here passes: whether
blocks in a row give what the whole sequence gives is checked on every export.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import keras

import keras_recurrent as kr
from keras_recurrent.engines import carry
from keras_recurrent.export.keras_layers import shown
from keras_recurrent.export.streaming_layers import SUCCESSORS, CausalConv1D
from keras_recurrent.keras_hooks import all_layers

_layers = keras.layers
_LINEAR_OVER_ALL = (
    "Use keras.layers.Conv1D(padding='causal') or a recurrent layer for what came before."
)


@dataclass(frozen=True)
class Call:
    """A call of a layer on something with an axis of time.

    Attributes:
        layer: The layer, or the operation of `keras.ops`.
        shape: That of its input, batch and time included.
        length: Time steps of a block at this place of the model; None if not known yet.
        arguments: What else it is called with, by name.
    """

    layer: Any
    shape: tuple
    length: int | None = None
    arguments: dict = field(default_factory=dict)

    @property
    def rank(self) -> int:
        return len(self.shape)


def refusal(call: Call) -> str | None:
    """Why this call cannot stream and what to do, or None."""
    for kinds, rule in _RULES:
        if isinstance(call.layer, kinds):
            reason = rule(call)
            break
    else:
        reason = _axis_of_operation(call)
    if reason is not None:
        return f"{shown(call.layer)} cannot stream: {reason}"
    return None


def refusal_inside(layer) -> str | None:
    """The same for the layers that a layer of the user's own, or a subclassed model, holds."""
    local = {id(part) for td in _time_distributed(layer) for part in all_layers(td)[1:]}
    for inner in all_layers(layer)[1:]:
        if id(inner) in local:
            continue
        if isinstance(inner, (*_RECURRENT, *_ATTENTION)):
            reason = refusal(Call(inner, (None, None, None)))
            if reason is not None:
                return reason
        elif isinstance(inner, tuple(SUCCESSORS)) and getattr(inner, "kernel_size", None) != (1,):
            return (
                f"{shown(inner)} cannot stream: it is made by {shown(layer)}, where it cannot be "
                "replaced by one that keeps a state. Call it in a functional or Sequential model."
            )
    return None


def _time_distributed(layer) -> list:
    return [part for part in all_layers(layer) if isinstance(part, _layers.TimeDistributed)]


def _recurrent(call: Call) -> str | None:
    if call.arguments.get("lengths") is not None:
        return (
            "`lengths` count from the start of the whole sequence. Leave them out: a stream ends when "
            "no more frames come."
        )
    if not isinstance(call.layer, (kr.RNN, kr.Stack)):
        return "Keras runs it in a loop of its own. Use this package's layer or kr.RNN(cell)."
    for inner in all_layers(call.layer):
        if isinstance(inner, _layers.Bidirectional):
            return _bidirectional(call)
        reason = carry.refusal(inner, call.arguments.get("initial_state"))
        if isinstance(inner, (_layers.RNN, kr.Stack)) and reason is not None:
            return reason
    return None


def _bidirectional(call: Call) -> str:
    return (
        "its backward layer starts at the end of the sequence. Train the model with the forward layer "
        "alone, such as kr.LSTM."
    )


def _attention(call: Call) -> str:
    return "it looks at all time steps. Train the model with a recurrent layer in its place."


def _reorders(call: Call) -> str | None:
    layer = call.layer
    if isinstance(layer, _layers.Permute) and layer.dims[0] == 1:
        return None
    if isinstance(layer, _layers.Reshape) and layer.target_shape[0] == -1:
        features, wanted = call.shape[2:], layer.target_shape[1:]
        if None not in features and math.prod(features) == math.prod(wanted):
            return None
    return (
        "it mixes time with other axes. Put it into keras.layers.TimeDistributed (reshape frames with "
        "target_shape=(-1, ...)), or behind a layer that returns the last step alone."
    )


def _shifts(call: Call) -> str:
    return (
        "it changes the number of time steps. Prepare the frames before they enter the model; zeros in "
        "front of a convolution are Conv1D(padding='causal')."
    )


def _conv(call: Call) -> str | None:
    layer = call.layer
    if layer.data_format == "channels_first":
        return "time must be the axis behind the batch. Use data_format='channels_last'."
    if isinstance(layer, _layers.Conv1DTranspose):
        return "it gives more frames than it reads. Leave that to what comes behind the model."
    size, stride = layer.kernel_size[0], layer.strides[0]
    if size > 1 and not (isinstance(layer, _layers.Conv1D) and layer.padding == "causal"):
        if isinstance(layer, _layers.Conv1D):
            return f"with padding={layer.padding!r} it reads frames to come. Use padding='causal'."
        if call.rank > 3:
            return "its kernel spans time steps. Put it into keras.layers.TimeDistributed."
        return "it reads frames to come. Use keras.layers.Conv1D(padding='causal')."
    return _aligned(call, stride)


def _pooling(call: Call) -> str | None:
    layer = call.layer
    if layer.data_format == "channels_first":
        return "time must be the axis behind the batch. Use data_format='channels_last'."
    size, stride = layer.pool_size[0], layer.strides[0]
    if size != stride or (size > 1 and layer.padding != "valid"):
        return "its windows overlap or are padded. Use pool_size = strides and padding='valid'."
    return _aligned(call, stride)


def _aligned(call: Call, stride: int) -> str | None:
    if call.length is None or call.length % stride == 0:
        return None
    return (
        f"it takes {stride} frames at a time, and a block has {call.length} at this place. Use a "
        f"`block` that is {stride // math.gcd(stride, call.length)} times as long, or several times "
        "that."
    )


def _global_pooling(call: Call) -> str | None:
    if isinstance(call.layer, tuple(SUCCESSORS)):
        if call.layer.data_format == "channels_first":
            return "time must be the axis behind the batch. Use data_format='channels_last'."
        return None
    return "it pools over all time steps. Put it into keras.layers.TimeDistributed."


def _normalization(call: Call) -> str | None:
    if isinstance(call.layer, _layers.GroupNormalization):
        return "its mean and variance run over all time steps. Use LayerNormalization()."
    return _axis(call, getattr(call.layer, "axis", -1))


def _axis_of_operation(call: Call) -> str | None:
    settings = vars(call.layer)
    return _axis(call, settings["axis"]) if "axis" in settings else None


def _axis(call: Call, axes) -> str | None:
    if axes is None:
        over_time = True
    else:
        axes = axes if isinstance(axes, list | tuple) else [axes]
        over_time = any(isinstance(a, int) and a % call.rank == 1 for a in axes)
    if not over_time:
        return None
    return f"it works along the axis of time. {_LINEAR_OVER_ALL}"


def _prelu(call: Call) -> str | None:
    if 1 in (call.layer.shared_axes or ()):
        return None
    return "it has a weight for each time step. Use shared_axes=[1]."


def _dot(call: Call) -> str:
    return f"it multiplies whole sequences. {_LINEAR_OVER_ALL}"


def _einsum(call: Call) -> str | None:
    inputs, output = call.layer.equation.replace(" ", "").split("->")
    inputs, kernel = inputs.split(",")
    if "." in inputs or (inputs[1] not in kernel and output[1:2] == inputs[1]):
        return None
    return f"its equation {call.layer.equation!r} mixes time steps. {_LINEAR_OVER_ALL}"


def _local(call: Call) -> None:
    """What runs in `TimeDistributed` begins anew in every time step."""


_RECURRENT = (_layers.Bidirectional, _layers.RNN, kr.Stack)
_ATTENTION = (
    _layers.Attention,
    _layers.AdditiveAttention,
    _layers.MultiHeadAttention,
    _layers.GroupQueryAttention,
)
_POOLINGS = tuple(
    getattr(_layers, f"{kind}Pooling{n}D") for kind in ("Max", "Average") for n in (1, 2, 3)
)
_GLOBAL_POOLINGS = tuple(
    getattr(_layers, f"Global{kind}Pooling{n}D") for kind in ("Max", "Average") for n in (1, 2, 3)
)
_CONVOLUTIONS = (
    CausalConv1D,
    _layers.Conv1D,
    _layers.Conv2D,
    _layers.Conv3D,
    _layers.Conv1DTranspose,
    _layers.SeparableConv1D,
    _layers.SeparableConv2D,
    _layers.DepthwiseConv1D,
    _layers.DepthwiseConv2D,
)
_RULES = (
    (_layers.TimeDistributed, _local),
    (_layers.Bidirectional, _bidirectional),
    ((_layers.RNN, kr.Stack), _recurrent),
    (_ATTENTION, _attention),
    ((_layers.Flatten, _layers.Permute, _layers.Reshape, _layers.RepeatVector), _reorders),
    (
        (_layers.UpSampling1D, _layers.ZeroPadding1D, _layers.Cropping1D),
        _shifts,
    ),
    (_CONVOLUTIONS, _conv),
    (_POOLINGS, _pooling),
    (_GLOBAL_POOLINGS, _global_pooling),
    (
        (
            _layers.LayerNormalization,
            _layers.BatchNormalization,
            _layers.RMSNormalization,
            _layers.UnitNormalization,
            _layers.GroupNormalization,
        ),
        _normalization,
    ),
    (_layers.EinsumDense, _einsum),
    (_layers.PReLU, _prelu),
    (_layers.Dot, _dot),
)
