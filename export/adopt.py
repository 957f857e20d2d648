"""Models made of stock Keras layers: the same model with recurrent layers of this package.

Stock layers have no portable loop. A copy of the model is made in which they are replaced, weights
and all; the numbers stay those of the given model, in the one case too where the layers differ.
"""

from collections.abc import Callable
from typing import Any

import keras

import keras_recurrent as kr
from keras_recurrent.cells import StackedCells
from keras_recurrent.keras_hooks import all_layers, lambda_output_shape


class _StockMasks:
    """Mixin: masks as in `keras.layers`.

    One that travels beside `initial_state` is ignored: Keras hands a travelling mask to `mask` when
    the sequences are the only tensor of a call, else to `sequences_mask`, which stock layers do not
    have. Outputs of a layer that goes backwards carry the mask of its inputs, not flipped.
    """

    def call(self, sequences, initial_state=None, mask=None, training=None, *, sequences_mask=None):
        return super().call(sequences, initial_state, mask, training)

    def mask_of_outputs(self, valid):
        return valid


_register = keras.saving.register_keras_serializable("keras_recurrent.export")


@_register
class StockLSTM(_StockMasks, kr.LSTM):
    """`kr.LSTM` with the masks of `keras.layers.LSTM`."""


@_register
class StockGRU(_StockMasks, kr.GRU):
    """`kr.GRU` with the masks of `keras.layers.GRU`."""


@_register
class StockSimpleRNN(_StockMasks, kr.SimpleRNN):
    """`kr.SimpleRNN` with the masks of `keras.layers.SimpleRNN`."""


@_register
class StockRNN(_StockMasks, kr.RNN):
    """`kr.RNN` with the masks of `keras.layers.RNN`."""


@_register
class StockBidirectional(_StockMasks, kr.Bidirectional):
    """`kr.Bidirectional` with the masks of `keras.layers.Bidirectional`."""


_SUCCESSORS = {
    keras.layers.LSTM: StockLSTM,
    keras.layers.GRU: StockGRU,
    keras.layers.SimpleRNN: StockSimpleRNN,
    keras.layers.RNN: StockRNN,
    keras.layers.Bidirectional: StockBidirectional,
    keras.layers.LSTMCell: kr.LSTMCell,
    keras.layers.GRUCell: kr.GRUCell,
    keras.layers.SimpleRNNCell: kr.SimpleRNNCell,
    keras.layers.StackedRNNCells: StackedCells,
}
_BY_NAME = {stock.__name__: successor for stock, successor in _SUCCESSORS.items()}


def adopt(model):
    """The model itself, or a copy of it with its stock recurrent layers replaced.

    Raises:
        ValueError: Stock layers sit where they cannot be replaced, in a subclassed model or layer.
    """
    if not stock_parts(model):
        return model
    if not is_graph(model):
        raise out_of_reach(model, model)
    pairs: list[tuple] = []
    copy = _copy_graph(model, {}, pairs)
    for original, successor in pairs:
        copy_weights(original, successor)
    for layer in copy.layers:
        if stock_parts(layer):
            raise out_of_reach(model, layer)
    return copy


def stock_parts(layer) -> list:
    """The layers and cells to be replaced in a layer or model, itself included."""
    parts = all_layers(layer)
    staying = {id(inner) for part in parts if _stays(part) for inner in all_layers(part)}
    return [part for part in parts if type(part) in _SUCCESSORS and id(part) not in staying]


def _stays(part) -> bool:
    """Whether a layer runs cells that are not known here, or is a user's own kind of layer."""
    if isinstance(part, kr.RNN) or type(part) is keras.layers.RNN:
        return not _known_cell(part.cell)
    if type(part) is keras.layers.StackedRNNCells:
        return not _known_cell(part)
    return isinstance(part, keras.layers.RNN) and type(part) not in _SUCCESSORS


def _known_cell(cell) -> bool:
    if isinstance(cell, keras.layers.StackedRNNCells):
        return all(map(_known_cell, cell.cells))
    return isinstance(cell, kr.Cell) or type(cell) in _SUCCESSORS


def is_graph(model) -> bool:
    """Whether Keras knows a model's layers and their order: Sequential and functional models."""
    is_model = isinstance(model, keras.Model) and bool(getattr(model, "inputs", None))
    return is_model and type(model).call.__module__.split(".")[0] == "keras"


def _copy_graph(model, done: dict, pairs: list):
    """A functional copy; `done` keeps shared layers shared, `pairs` collects (original, copy)."""

    def copy(layer):
        if id(layer) not in done:
            if is_graph(layer):
                done[id(layer)] = _copy_graph(layer, done, pairs)
            else:
                done[id(layer)] = copy_layer(layer, model)
                if isinstance(layer, keras.Layer):
                    pairs.append((layer, done[id(layer)]))
        return done[id(layer)]

    return keras.models.clone_model(view_of(model), clone_function=copy)


def view_of(model, name: str | None = None):
    """A second functional model of the same graph.

    Cloning the model itself would also build its optimizer and losses anew, which fails where they
    are the user's own.
    """
    inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    outputs = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    return keras.Model(inputs, outputs, name=name or model.name)


def copy_layer(layer, model, change: Callable[[Any], Any] | None = None):
    """A layer or operation made anew, stock recurrent ones in it replaced.

    Args:
        layer: What is copied, without its weights.
        model: Where it comes from, for errors.
        change: What to make of the settings of layers that hold recurrent ones.
    """
    try:
        return _from_config(layer, change)
    except Exception as error:  # a class of the user's: its constructor may raise anything
        if isinstance(layer, keras.Layer) and stock_parts(layer):
            raise out_of_reach(model, layer) from error
        raise ValueError(
            "A model with stock recurrent layers, or one that is to stream, is copied for its export, "
            f"but {type(layer).__name__} {layer.name!r} cannot be made anew from its get_config(). "
            "Complete that. A model of this package's layers is exported without a copy if "
            "streaming=False."
        ) from error


def copy_weights(original, copy) -> None:
    """The weights of a layer, and what `keras.layers.Normalization` computes from them."""
    copy.set_weights(original.get_weights())
    for part in all_layers(copy):
        if isinstance(part, keras.layers.Normalization):
            part.finalize_state()


def _from_config(layer, change):
    if isinstance(layer, keras.layers.Lambda):  # its config loses what the function refers to
        return keras.layers.Lambda(
            layer.function,
            output_shape=lambda_output_shape(layer),
            mask=layer.mask,
            arguments=layer.arguments,
            name=layer.name,
            dtype=layer.dtype_policy,
        )
    plain = not isinstance(layer, keras.Layer) or not stock_parts(layer)
    if plain and (change is None or not _holds_recurrent(layer)):
        settings = layer.get_config()
        copy = type(layer).from_config(settings)
        # A vocabulary learnt with adapt() is neither a setting nor a weight.
        if hasattr(layer, "get_vocabulary") and settings.get("vocabulary") is None:
            copy.set_vocabulary(layer.get_vocabulary())
        return copy
    config = _replace(keras.saving.serialize_keras_object(layer))
    config = config if change is None else change(config)
    own = {type(inner).__name__: type(inner) for inner in all_layers(layer)}
    own = {name: cls for name, cls in own.items() if not cls.__module__.startswith("keras.")}
    return keras.saving.deserialize_keras_object(config, custom_objects=own, safe_mode=False)


def _holds_recurrent(layer) -> bool:
    return isinstance(layer, keras.Layer) and any(
        isinstance(part, keras.layers.RNN) for part in all_layers(layer)
    )


def _replace(config):
    """A serialised layer with all stock recurrent layers and cells in it replaced."""
    if isinstance(config, list | tuple):
        return [_replace(part) for part in config]
    if not isinstance(config, dict):
        return config
    stock = config.get("module") == "keras.layers" and config.get("class_name") in _BY_NAME
    if stock and not _has_unknown_cell(config):
        successor = _BY_NAME[config["class_name"]]
        name = keras.saving.get_registered_name(successor)
        config = {"class_name": name, "registered_name": name, "config": config["config"]}
    elif stock:
        return config
    return {key: _replace(value) for key, value in config.items()}


def _has_unknown_cell(config: dict) -> bool:
    inner = config["config"]
    cells = inner.get("cells", [inner["cell"]] if "cell" in inner else [])
    return any(not _is_known(cell) for cell in cells)


def _is_known(cell: dict) -> bool:
    if cell.get("module") == "keras.layers" and cell["class_name"] in _BY_NAME:
        return not _has_unknown_cell(cell)
    registered = keras.saving.get_registered_object(cell.get("registered_name") or "")
    return isinstance(registered, type) and issubclass(registered, kr.Cell)


def out_of_reach(model, layer) -> ValueError:
    kinds = (keras.layers.RNN, keras.layers.Bidirectional)
    stock = [part.name for part in stock_parts(layer) if isinstance(part, kinds)]
    return ValueError(
        f"{type(layer).__name__} {layer.name!r} builds stock Keras layers itself, where they cannot "
        "be replaced. Use this package's layer of the same name in its code (kr.LSTM for "
        "keras.layers.LSTM, ...): set_weights takes the weights as they are. Received: model "
        f"{model.name!r} with stock layers {stock}"
    )
