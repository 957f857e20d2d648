"""The places where Keras has no public name for what we need, all here, each with its reason.

`tests/test_keras_hooks.py` fails when one of them stops working.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

# keras.layers.RNN draws a cell's dropout masks before its loop only for subclasses of this mixin,
# which Keras does not export. Without it a cell of ours inside keras.layers.RNN would draw a new
# mask at every step.
DropoutRNNCell = next(c for c in keras.layers.LSTMCell.__mro__ if c.__name__ == "DropoutRNNCell")


def attach_mask(tensor, mask) -> None:
    """Let `mask` travel with a layer's output to the next layer.

    `compute_mask` sees only the input's own mask, not `lengths` or a mask beside `initial_state`.
    """
    tensor._keras_mask = mask


def attached_mask(tensor):
    """The mask that travels with a tensor, or None."""
    return getattr(tensor, "_keras_mask", None)


def create_state_variables(layer, batch: int) -> None:
    """Set `layer.states` to variables that are no weights: `get_weights` and files hold none of them.

    Keras tracks every variable that a layer gets as an attribute, but for those made here.
    """
    layer._create_state_variables(batch)


# Keras casts variables to a layer's compute type inside a scope that has no public name.
_AutocastScope = next(
    scope
    for base in keras.Variable.__mro__
    if (scope := vars(sys.modules[base.__module__]).get("AutocastScope")) is not None
)


def autocast(layer):
    """The scope in which the variables of a layer are read while it is called."""
    casts = layer.autocast and layer.compute_dtype != layer.variable_dtype
    return _AutocastScope(layer.compute_dtype if casts else None)


def variables_in_own_type():
    """The scope in which variables are read in the type that they are kept in."""
    return _AutocastScope(None)


@contextmanager
def keras_dropout_masks(layer, first_inputs, states) -> Iterator[None]:
    """Draw the dropout masks of stock cells before Keras's loop runs, and drop them after it.

    keras.layers.RNN does so in its `call`, which is ours here.
    """
    layer._maybe_config_dropout_masks(layer.cell, first_inputs, states)
    try:
        yield
    finally:
        layer._maybe_reset_dropout_masks(layer.cell)


def all_layers(layer) -> list:
    """A layer and everything inside it: `layers` stops at wrappers and at attributes of layers."""
    return layer._flatten_layers(include_self=True, recursive=True)


def operation_behind(tensor):
    """The operation that gives a symbolic tensor: an input tensor's own name is not always kept."""
    return tensor._keras_history.operation


def lambda_output_shape(layer):
    """A Lambda layer's `output_shape` argument: its config turns a function into bytes."""
    return layer._output_shape


# ---------------------------------------------------------------- training on several replicas

# The class of models made of inputs and outputs has no public name. Making such a model to look at its
# type would settle the global dtype policy, before `keras.config.set_floatx` could be called.
KerasFunctional = next(c for c in keras.Model.__subclasses__() if c.__name__ == "Functional")

# Keras's own way from a loss function to a loss object: ranks of targets and outputs adapted.
LossFromFunction = next(
    c for c in keras.losses.MeanSquaredError.__mro__ if c.__name__ == "LossFunctionWrapper"
)


class BuiltFromLocalBatch:
    """Mixin for a model: under a strategy, build it from this worker's part of a batch.

    Keras reduces the first batch over the workers with `strategy.reduce`, which leaves
    `MultiWorkerMirroredStrategy` with something that is no tensor: keras-team/keras#20585.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and self._distribute_strategy is not None:
            first = self.distribute_strategy.experimental_local_results
            _, _, batches = next(iter(iterator))
            data_batch = tf.nest.map_structure(lambda v: first(v)[0], next(batches))
            iterator = None
        super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)


class _StepsBefore:
    """In the place of one optimizer's public method `apply`: steps that see the gradients first."""

    def __init__(self, optimizer):
        self.replaced = vars(optimizer).get("apply")
        self.apply = optimizer.apply
        self.steps: dict = {}

    def __call__(self, grads, trainable_variables=None):
        grads = list(grads)
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
        for step in self.steps.values():
            grads = step(grads, trainable_variables)
        return self.apply(grads, trainable_variables)


def steps_before_apply(optimizer) -> dict:
    """The steps before this optimizer's `apply`, in order: `step(grads, variables)` gives gradients."""
    standing = vars(optimizer).get("apply")
    return standing.steps if isinstance(standing, _StepsBefore) else {}


def add_step_before_apply(optimizer, key, step, first: bool = False) -> None:
    """Let `step` see the gradients before `apply`, on this instance only; `key` is for its removal."""
    if not isinstance(vars(optimizer).get("apply"), _StepsBefore):
        optimizer.apply = _StepsBefore(optimizer)
    others = {k: s for k, s in optimizer.apply.steps.items() if k != key}
    optimizer.apply.steps = {key: step, **others} if first else {**others, key: step}


def remove_step_before_apply(optimizer, key) -> None:
    """Take a step away; the last one leaves the optimizer as it was."""
    standing = vars(optimizer).get("apply")
    if not isinstance(standing, _StepsBefore):
        return
    standing.steps.pop(key, None)
    if standing.steps:
        return
    if standing.replaced is None:
        del optimizer.apply
    else:
        optimizer.apply = standing.replaced


_REDUCTION = "sum over the replicas"


def reduce_before_clipping(optimizer) -> None:
    """Let the optimizer sum gradients over the replicas first, then clip them or look for overflow.

    Keras clips and looks on each replica and sums after that: another result than one process has,
    and a replica that skips a step alone leaves the others waiting.
    """
    # For good: replicas are traced in threads that take turns, even within one call.
    innermost = getattr(optimizer, "inner_optimizer", optimizer)
    innermost._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
    add_step_before_apply(
        optimizer, _REDUCTION, lambda grads, _: summed_over_replicas(grads), first=True
    )


def reduces_before_clipping(optimizer) -> bool:
    """Whether what stands before `apply`, of an inner optimizer too, sees sums over the replicas."""
    return _REDUCTION in steps_before_apply(optimizer)


def summed_over_replicas(grads: list) -> list:
    """The gradients, some of them None, added over the replicas if there are several."""
    context = tf.distribute.get_replica_context()
    present = [g for g in grads if g is not None]
    if context is None or context.num_replicas_in_sync == 1 or not present:
        return grads
    total = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
    return [None if g is None else next(total) for g in grads]


def moving_states(model) -> list:
    """Float variables that training moves without a gradient: no seeds, nothing of frozen layers.

    `non_trainable_variables` also holds the weights of frozen layers.
    """
    frozen = {id(v) for layer in all_layers(model) if not layer.trainable for v in layer.variables}
    return [
        v
        for v in model.non_trainable_variables
        if id(v) not in frozen and keras.backend.is_float_dtype(v.dtype)
    ]


def initial_epoch(model) -> int:
    """The epoch that a callback has `fit` start from; 0 if none has."""
    return model._initial_epoch or 0


def set_initial_epoch(model, epoch: int) -> None:
    """Let `fit` start from `epoch`, as `BackupAndRestore` does."""
    model._initial_epoch = epoch or None
