"""The arguments that the applications share, each declared once; see `keras_recurrent.options`."""

import functools
import inspect
import math
import textwrap
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras

from keras_recurrent import options
from keras_recurrent.cells import GRUCell, LSTMCell, SimpleRNNCell
from keras_recurrent.engines import ENGINES
from keras_recurrent.options import Option

CELLS = {"simple_rnn": SimpleRNNCell, "gru": GRUCell, "lstm": LSTMCell}


def application(*groups: type) -> Callable:
    """Make `build(net)` a function whose arguments are the options of `groups`.

    Its signature, the checks of the values and the "Args" part of its documentation follow from them;
    `net` holds the checked values.
    """
    declared: dict[str, Option] = {}
    for group in groups:
        declared |= options.options_of(group)
    declared = dict(sorted(declared.items(), key=lambda item: item[1].keyword_only))
    signature = inspect.Signature(
        [option.parameter(name) for name, option in declared.items()],
        return_annotation=keras.Model,
    )

    def decorate(build: Callable[[SimpleNamespace], keras.Model]) -> Callable[..., keras.Model]:
        @functools.wraps(build)
        def function(*args, **kwargs):
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(
                    f"{build.__name__}(): {error}; see help(kr.applications.{build.__name__})"
                ) from None
            bound.apply_defaults()
            values = {n: declared[n].check(n, value) for n, value in bound.arguments.items()}
            return build(SimpleNamespace(**values))

        function.__signature__ = signature
        function.__annotations__ = {"return": keras.Model}
        function.__doc__ = _documentation(build.__doc__, declared)
        return function

    return decorate


def _documentation(text: str, declared: dict[str, Option]) -> str:
    """The docstring with an "Args" part in front of its "Returns"."""
    lines = []
    for name, option in declared.items():
        default = "" if option.default is options.REQUIRED else f" Default: {option.default!r}."
        lines.append(f"{name}: {option.doc}{default}")
    arguments = "Args:\n" + textwrap.indent("\n".join(lines), "    ")
    before, mark, after = inspect.cleandoc(text).partition("Returns:")
    return f"{before.rstrip()}\n\n{arguments}\n\n{mark}{after}"


def _check_cell(name: str, value: Any) -> Any:
    if isinstance(value, str) and value in CELLS:
        return value
    if callable(value) and not isinstance(value, keras.layers.Layer):
        return value
    raise ValueError(
        f"`{name}` must be one of {tuple(CELLS)}, or a function that makes a cell of a width, such as "
        f"lambda units: kr.LSTMCell(units, peephole=True). Received: {name}={value!r}"
    )


def _check_name(name: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"`{name}` must be text or None. Received: {name}={value!r}")


def _check_mask_value(name: str, value: Any) -> float | None:
    if value is None or (options.is_number(value) and not math.isnan(value)):
        return value
    raise ValueError(
        f"`{name}` must be a number or None; NaN equals nothing. Received: {name}={value!r}"
    )


class Outputs:
    """What comes out of every time step, or of the sequence."""

    outputs = options.positive_int("Classes, or numbers to predict.")


class Head:
    output_activation = options.activation(
        "softmax",
        "Of the last Dense layer: softmax for classes, sigmoid for labels that may be several, None for "
        "numbers, or for logits.",
        keyword_only=True,
    )
    name = Option(_check_name, None, "Name of the model.", keyword_only=True)


UNKNOWN_IDS = (
    "A larger id is an error on a CPU; on a GPU, and in what XLA compiles, it goes unseen."
)


class Reads:
    """What goes in: numbers or ids."""

    features = options.positive_int(
        "Numbers in a time step, for raw input; or give `vocabulary_size`.",
        None,
        optional=True,
        keyword_only=True,
    )
    vocabulary_size = options.positive_int(
        f"Number of ids, for input of ids. {UNKNOWN_IDS}", None, optional=True, keyword_only=True
    )
    embedding_dim = options.positive_int(
        "Width of the vectors that ids become; None for `units`.",
        None,
        optional=True,
        keyword_only=True,
    )
    embeddings_initializer = options.initializer(
        "uniform", "Of the vectors that ids become; Keras's default.", keyword_only=True
    )


class ReadsSequences(Reads):
    vocabulary_size = options.positive_int(
        f"Number of ids, for input of ids, 0, which is padding and masked, among them. {UNKNOWN_IDS}",
        None,
        optional=True,
        keyword_only=True,
    )
    timesteps = options.positive_int(
        "Length of the sequences; None for any.", None, optional=True, keyword_only=True
    )
    mask_value = Option(
        _check_mask_value,
        None,
        "For raw input: time steps whose numbers are all this one are masked.",
        keyword_only=True,
    )


class Body:
    """Recurrent layers on top of each other."""

    cell = Option(
        _check_cell,
        "lstm",
        '"simple_rnn", "gru", "lstm", or a function from a width to a cell.',
        keyword_only=True,
    )
    units = options.positive_int("Width of each layer, in one direction.", 64, keyword_only=True)
    depth = options.positive_int("Number of layers.", 1, keyword_only=True)
    residual = options.flag(
        False,
        "Whether layers from the second on add their input to their output; not one that gives a "
        "single output for the sequence.",
        keyword_only=True,
    )
    dropout = options.rate(
        "Share of the numbers dropped in training behind the embedding, between layers and in front "
        "of the output.",
        keyword_only=True,
    )
    engine = options.choice(
        "auto", ENGINES, "Of the recurrent layers; see `kr.RNN`.", keyword_only=True
    )


class BothDirections:
    bidirectional = options.flag(
        False,
        "Whether layers read the sequence in both directions; their outputs stand side by side.",
        keyword_only=True,
    )


def only_one(**values: Any) -> str:
    """The name of the one argument that was given; a refusal otherwise."""
    given = [name for name, value in values.items() if value is not None]
    if len(given) != 1:
        said = ", ".join(f"{name}={value!r}" for name, value in values.items())
        raise ValueError(f"Give exactly one of {' and '.join(values)}. Received: {said}")
    return given[0]
