"""`SimpleRNN`, `GRU` and `LSTM`: `RNN` with its cell's arguments as its own."""

import re

import keras

from keras_recurrent import options
from keras_recurrent.cells import GRUCell, LSTMCell, SimpleRNNCell
from keras_recurrent.cells.gated import GatedCell
from keras_recurrent.engines import ENGINES
from keras_recurrent.layers.rnn import RNN
from keras_recurrent.options import Option, options_of

_RUN_OPTIONS = {
    "return_sequences": options.flag(False, "Whether to return the outputs of all time steps."),
    "return_state": options.flag(False, "Whether to return the last states too."),
    "go_backwards": options.flag(False, "Whether to run from the last step to the first."),
    "stateful": options.flag(False, "Whether a batch goes on from the states of the last one."),
    "unroll": options.flag(False, "The same as `engine='unroll'`."),
}
_USE_CUDNN = options.choice(
    "auto",
    ("auto", True, False),
    "True is the same as `engine='cudnn'`, False rules cuDNN out, 'auto' takes it where it can serve.",
)
_KEYWORD_OPTIONS = {
    "zero_output_for_mask": options.flag(
        False, "Whether masked steps give zeros.", keyword_only=True
    ),
    "engine": options.choice("auto", ENGINES, "See `kr.RNN`.", keyword_only=True),
}
_ACTIVITY = options.regularizer("Penalty on the output.")


class NamedLayer(RNN):
    """A layer that makes its own cell: it takes the cell's arguments and `RNN`'s.

    A subclass names its `cell_class`, and in `behind_unroll` the arguments that Keras's namesake has
    at the end. Each argument of the cell is a read-only attribute of the layer, too.
    """

    cell_class: type[GatedCell]
    behind_unroll: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.arguments = cls._arguments()
        cls.__signature__ = options.ClassSignature(options.signature_of(cls.arguments))
        options.document(cls, cls.arguments)
        for name in options_of(cls.cell_class):
            setattr(cls, name, _attribute_of_cell(name))

    @classmethod
    def _arguments(cls) -> dict[str, Option]:
        """All constructor arguments in the order of Keras's namesake."""
        cell = options_of(cls.cell_class)
        first, last = {}, {}
        for name, option in cell.items():
            (last if option.keyword_only else first)[name] = option
            if name == "bias_regularizer":
                first["activity_regularizer"] = _ACTIVITY
        behind = {name: first.pop(name, _USE_CUDNN) for name in cls.behind_unroll}
        return {**first, **_RUN_OPTIONS, **behind, **last, **_KEYWORD_OPTIONS}

    def __init__(self, *args, **kwargs):
        values, rest = options.bind(self.arguments, args, kwargs)
        values = {name: self.arguments[name].check(name, value) for name, value in values.items()}
        cell_values = {name: values.pop(name) for name in options_of(self.cell_class)}
        use_cudnn = values.pop("use_cudnn", "auto")
        cell = self.cell_class(
            **cell_values,
            name=_snake_case(self.cell_class.__name__),
            dtype=rest.get("dtype"),
            trainable=rest.get("trainable", True),
        )
        super().__init__(cell, **values, **rest)
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.use_cudnn = use_cudnn

    @property
    def use_cudnn(self) -> bool | str:
        """Keras's way to ask for (True) or rule out (False) the cuDNN engine."""
        return self._use_cudnn

    @use_cudnn.setter
    def use_cudnn(self, value) -> None:
        value = _USE_CUDNN.check("use_cudnn", value)
        against = {True: self.engine not in ("auto", "cudnn"), False: self.engine == "cudnn"}
        if against.get(value, False):
            raise ValueError(
                "`use_cudnn=True` means engine='cudnn', and False rules it out. Drop one of the two. "
                f"Received: use_cudnn={value}, engine={self.engine!r}"
            )
        if value is True:
            self.engine = "cudnn"
        self._use_cudnn = value
        self._settle_cudnn()
        self._refuse_what_no_machine_runs(timesteps=1)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["cell"]
        for name, option in self.arguments.items():
            config[name] = option.serialize(getattr(self, name))
        return config

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _snake_case(name: str) -> str:
    return re.sub("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _attribute_of_cell(name: str) -> property:
    return property(lambda self: getattr(self.cell, name), doc=f"`{name}` of the cell.")


@keras.saving.register_keras_serializable("keras_recurrent")
class SimpleRNN(NamedLayer):
    """The vanilla recurrent layer (Elman 1990), a drop-in for `keras.layers.SimpleRNN`.

    h(t) = A(x(t) W + h(t-1) U + b)

    Input `(batch, T, features)`, output `(batch, units)` or `(batch, T, units)`; see `kr.RNN` for the
    call, masks and states and `kr.SimpleRNNCell` for the weights.
    """

    cell_class = SimpleRNNCell
    behind_unroll = ("seed",)


@keras.saving.register_keras_serializable("keras_recurrent")
class GRU(NamedLayer):
    """The gated recurrent unit (Cho et al. 2014), a drop-in for `keras.layers.GRU`.

    h(t) = z * h(t-1) + (1 - z) * h̃, z and r gates of x(t) and h(t-1)

    Input `(batch, T, features)`, output `(batch, units)` or `(batch, T, units)`; see `kr.RNN` for the
    call, masks and states and `kr.GRUCell` for the equations, options and weights.
    """

    cell_class = GRUCell
    behind_unroll = ("reset_after", "use_cudnn")


@keras.saving.register_keras_serializable("keras_recurrent")
class LSTM(NamedLayer):
    """Long short-term memory (Hochreiter and Schmidhuber 1997), a drop-in for `keras.layers.LSTM`.

    c(t) = f * c(t-1) + i * c̃, h(t) = o * B(c(t))

    Input `(batch, T, features)`, output `(batch, P or units)` or `(batch, T, P or units)`; see
    `kr.RNN` for the call, masks and states and `kr.LSTMCell` for the equations, the variants
    (projection, peephole, relevance gate, coupled gates, layer normalisation, ...) and weights.
    """

    cell_class = LSTMCell
    behind_unroll = ("use_cudnn",)
