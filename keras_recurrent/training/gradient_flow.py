"""Backpropagation through time, measured: the gradient at every time step of every layer."""

import inspect
from collections import Counter

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.engines.recording import Call, Recorder
from keras_recurrent.engines.watching import watched_by
from keras_recurrent.training import looking
from keras_recurrent.training.flow import GradientFlow, LayerFlow


def gradient_flow(
    model: keras.Model,
    x,
    y,
    *,
    sample_weight=None,
    loss=None,
    training: bool = False,
    keep_shares: bool = False,
) -> GradientFlow:
    """Measure how a batch's gradient flows back through time, layer by layer.

    ∂L/∂W = Σ_{t=1..T} ∂L/∂W|_(t),   |∂L/∂h_t| and |∂L/∂W|_(t)| for t = 1..T

    L is the loss that `model.fit` computes for this batch, and the shares ∂L/∂W|_(t) of all time steps
    add up to the gradient that it computes of each weight, before loss scaling and clipping.
    Penalties on weights belong to no time step and are left out; penalties on outputs count.
    Whatever the engine of a layer, its steps run one by one here, in the same arithmetic.

    h_t is what the step at t gives, in all rows: ∂L/∂h_t is the total derivative, `(batch, units)`,
    through outputs and later steps. A row whose step t is masked has no h_t and no share, and counts
    as zeros. Steps are counted as the layer's input counts them, in a layer that goes backwards too.

    Every call of a layer stands for itself: the second one of a layer `shared` is `shared/call_2`.
    Layers are named by their paths where two have one name. Afterwards the model is as it was: states of
    stateful layers, seeds and moving means are put back.

    Args:
        model: A Keras model with layers of this package, wherever they are: functional, sequential or
            subclassed, with `kr.Bidirectional`, `kr.Stack`, `kr.RNN` and cells of any kind.
        x: What the model reads: one batch, in memory at once.
        y: The targets.
        sample_weight: Weights as for `fit`.
        loss: In the place of the compiled loss, whatever `compile` takes.
        training: Whether dropout and its like are at work, with masks drawn once, as in `fit`.
        keep_shares: Whether to keep the shares themselves: T times the size of the weights.

    Returns:
        A `GradientFlow`; it prints as a table and has a `plot`. Sizes are Euclidean norms.

    Raises:
        TypeError: For what is no model.
        ValueError: If there is no recurrent layer of this package, no loss, no example or no time
            step, if lengths differ, or if the loss cannot be computed or is no finite number.
    """
    flow = measured(model, x, y, sample_weight, loss, training, keep_shares)
    if not np.isfinite(flow.loss):
        raise ValueError(
            f"The loss is {flow.loss}: there is no gradient to look at. Look for values that are not "
            f"finite in the inputs, the targets and the weights. Received: y {_described(y)}"
        )
    return flow


def measured(
    model, x, y, sample_weight=None, loss=None, training=False, keep_shares=False
) -> GradientFlow:
    """`gradient_flow`, of a loss that is not finite too."""
    layers = _recurrent_layers(model)
    _check_loss(model, loss)
    looking.check_not_empty(x)
    x, y, sample_weight = (tf.nest.map_structure(_tensor, value) for value in (x, y, sample_weight))
    _check_lengths({"x": x, "y": y, "sample_weight": sample_weight})
    if not model.built or not all(layer.built for layer in layers.values()):
        with looking.states_kept(model):
            model(x)  # Keras builds layers in graphs of its own, where no step can be looked at
    with looking.left_as_it_was(model), tf.GradientTape() as tape:
        with watched_by(Recorder(tape, keep_shares)) as recorder:
            outputs = model(x, **_training_argument(model.call, training))
        total = _loss(model, loss, x, y, outputs, sample_weight, training)
        scale = _scale(model, loss)
        scaled = total * tf.cast(scale, total.dtype)
    recorder.go_back(scaled)
    if not recorder.calls:
        raise ValueError(
            f"{model.name!r} called none of its recurrent layers for this batch. Received: a model with "
            f"{sorted(layers)}"
        )
    names = _names_of_calls(recorder.calls, layers)
    flows = [_layer_flow(call, 1 / scale, keep_shares) for call in recorder.calls]
    return GradientFlow(float(tf.reduce_sum(total)), dict(zip(names, flows, strict=True)))


def _recurrent_layers(model) -> dict:
    if isinstance(model, keras.layers.Layer) and not isinstance(model, keras.Model):
        raise TypeError(
            "`model` must be a whole Keras model, which has a loss, such as keras.Sequential([layer]). "
            f"Received: the layer {model.name!r}"
        )
    return looking.recurrent_layers(model)


def _tensor(value):
    if value is None or isinstance(value, tf.RaggedTensor):
        return value
    return tf.convert_to_tensor(value)


def _check_loss(model, loss) -> None:
    own = type(model).compute_loss is not keras.Model.compute_loss
    if loss is None and not (model.compiled and (own or model.loss is not None)):
        raise ValueError(
            f"There is no loss to differentiate: {model.name!r} is not compiled with one. Compile it, "
            "or give `loss`, such as loss='mse'."
        )


def _check_lengths(values: dict) -> None:
    lengths = {
        name: [None if leaf.shape.rank == 0 else leaf.shape[0] for leaf in tf.nest.flatten(value)]
        for name, value in values.items()
        if value is not None
    }
    distinct = {length for found in lengths.values() for length in found}
    if len(distinct) > 1:
        raise ValueError(
            "All inputs, targets and weights need one row for each example. Received: rows "
            f"{ {name: found[0] if len(found) == 1 else found for name, found in lengths.items()} }"
        )


def _training_argument(function, training: bool) -> dict:
    return {"training": training} if "training" in inspect.signature(function).parameters else {}


def _loss(model, loss, x, y, outputs, sample_weight, training):
    """The loss of `fit`, as one number or one a row."""
    if loss is not None:
        own = _Losses(model, loss)
        return _computed(own, x, y, outputs, sample_weight, training) + sum(model.losses)
    return _computed(model, x, y, outputs, sample_weight, training)


class _Losses(keras.Model):
    """Compiled with a loss in another model's place: Keras then takes every form of it."""

    def __init__(self, model, loss):
        super().__init__()
        if (names := getattr(model, "output_names", None)) is not None:
            self.output_names = names
        self.compile(loss=loss)


def _computed(model, x, y, outputs, sample_weight, training):
    options = _training_argument(model.compute_loss, training)
    try:
        return model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=sample_weight, **options)
    except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
        raise ValueError(
            f"The loss cannot be computed: the outputs are {_described(outputs, False)}, the targets "
            f"{_described(y)}. Give targets that fit the outputs and the loss ({error})"
        ) from error


def _scale(model, loss) -> float:
    """By what `fit` multiplies the loss, so that gradients of 16 bits do not vanish in rounding."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or loss is not None:
        return 1.0
    return float(optimizer.scale_loss(tf.constant(1.0)))


def _described(values, ranges: bool = True):
    return tf.nest.map_structure(lambda v: _one_described(v, ranges), values)


def _one_described(value, ranges: bool) -> str:
    if value is None:
        return "None"
    value = tf.convert_to_tensor(value)
    text = f"{value.dtype.name} {tuple(value.shape)}"
    if not ranges or value.dtype == tf.string or not tf.size(value):
        return text
    numbers = value.numpy()
    return f"{text} from {numbers.min()} to {numbers.max()}"


def _names_of_calls(calls: list[Call], layers: dict) -> list[str]:
    """The layer's name, with the number of the call from the second one on."""
    names, count, found = {id(layer): name for name, layer in layers.items()}, Counter(), []
    for call in calls:
        name = names.get(id(call.layer), call.layer.name)
        count[name] += 1
        found.append(name if count[name] == 1 else f"{name}/call_{count[name]}")
    return found


def _layer_flow(call: Call, factor: float, keep_shares: bool) -> LayerFlow:
    names = _names_of_variables(call.variables)
    pairs = list(zip(names, call.squares, strict=True))
    shares = {name: factor * np.sqrt(square) for name, square in pairs}
    total = [0.0 if g is None else np.sum(np.square(g, dtype="float64")) for g in call.gradients]
    states = dict(zip(call.state_names, (factor * s for s in call.states), strict=True))
    kept = None
    if keep_shares:
        rows = zip(call.variables, call.shares, strict=True)
        kept = [_stacked(variable, found, call.timesteps) * factor for variable, found in rows]
        kept = dict(zip(names, kept, strict=True))
    return LayerFlow(
        hidden=_hidden(states),
        states=states,
        shares=factor * np.sqrt(sum((square for _, square in pairs), np.zeros(call.timesteps))),
        weights=shares,
        gradient=factor * float(np.sqrt(sum(total))),
        kept=kept,
    )


def _hidden(states: dict[str, np.ndarray]) -> np.ndarray:
    """Of the parts called h, or, where none is, of the first one: Keras's cells put the output there."""
    parts = [s for name, s in states.items() if name.split("_")[-1] == "h"]
    return np.sqrt(sum(s**2 for s in parts or [next(iter(states.values()))]))


def _names_of_variables(variables) -> list[str]:
    """Their names, or the ends of their paths where two have one name, or all of these."""
    names = [variable.name for variable in variables]
    for parts in (2, None):
        if len(set(names)) < len(names):
            paths = [variable.path.split("/") for variable in variables]
            names = ["/".join(path if parts is None else path[-parts:]) for path in paths]
    if len(set(names)) < len(names):
        names = [f"{name}_{place}" for place, name in enumerate(names)]
    return names


def _stacked(variable, shares: dict[int, np.ndarray], timesteps: int) -> np.ndarray:
    zeros = np.zeros(tuple(variable.shape), next(iter(shares.values())).dtype if shares else float)
    return np.stack([shares.get(t, zeros) for t in range(timesteps)])
