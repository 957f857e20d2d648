import keras
import tensorflow as tf

from keras_recurrent.keras_hooks import attach_mask
from keras_recurrent.layers import together
from keras_recurrent.layers.call_arguments import CallArguments
from keras_recurrent.layers.inner import explain_engine, reset_state
from keras_recurrent.layers.masks import valid_steps
from keras_recurrent.options import check_flag


@keras.saving.register_keras_serializable("keras_recurrent")
class Stack(CallArguments, keras.layers.Layer):
    """Recurrent layers on top of each other, as one layer.

    y_0 = x, y_l = layer_l(y_{l-1}); with `residual` y_l = layer_l(y_{l-1}) + y_{l-1} from the second
    layer on (Wu et al. 2016; Peters et al. 2018)

    One mask, one `lengths` and one `reset_state` for all of them. Faster than `kr.RNN([cells])`, whose
    layers share one loop: here every layer's input projection is one product over all time steps, and on
    a GPU one cuDNN call runs equal layers where it can.

    Args:
        layers: Recurrent layers, first one first. All but the last need `return_sequences=True`; the
            last one decides what the stack returns. Either all or none have `return_state`.
        residual: Whether every layer but the first adds its input to its output. All widths must
            then be equal and the last layer needs `return_sequences=True` too.

    Call arguments: those of `kr.RNN`. `initial_state` and the returned states are flat lists: the
    first layer's states, then the second's, and so on.
    """

    def __init__(self, layers, residual: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.layers = _checked(layers)
        self.residual = check_flag("residual", residual)
        last = self.layers[-1]
        self.return_sequences, self.return_state = last.return_sequences, last.return_state
        self.stateful = any(layer.stateful for layer in self.layers)
        self.supports_masking = True
        if self.residual and not self.return_sequences:
            raise ValueError(
                "A residual stack adds whole sequences: give its last layer return_sequences=True. For "
                "the last step alone put kr.Residual around the cells. Received: "
                f"return_sequences=False in {last.name!r}"
            )

    def build(self, sequences_shape, initial_state_shape=None):
        shape = tuple(sequences_shape)
        for place, layer in enumerate(self.layers):
            if not layer.built:
                layer.build(shape)
            out = _output_shape(layer, shape)
            if self.residual and place and out[-1] != shape[-1]:
                raise ValueError(
                    "The layers of a residual stack must have one width. Received: layer "
                    f"{layer.name!r} reads {shape[-1]} and gives {out[-1]}"
                )
            shape = out
        self.built = True

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        shape, states = tuple(sequences_shape), []
        for layer in self.layers:
            out = layer.compute_output_shape(shape)
            shape = out[0] if layer.return_state else out
            states += out[1:] if layer.return_state else []
        return (shape, *states) if self.return_state else shape

    def compute_mask(self, inputs, mask=None):
        for layer in self.layers:
            mask = None if mask is None else tf.nest.flatten(layer.compute_mask(None, mask))[0]
        states = sum(len(_state_sizes(layer)) for layer in self.layers)
        return [mask] + [None] * states if self.return_state else mask

    def check_call(self, shape, initial_state) -> None:
        for layer, share in zip(self.layers, self._shares(initial_state), strict=True):
            if isinstance(layer, CallArguments):
                layer.check_call(shape, share)

    def call(
        self,
        sequences,
        initial_state=None,
        mask=None,
        training=None,
        *,
        sequences_mask=None,
        lengths=None,
    ):
        valid = valid_steps(sequences, mask, sequences_mask, lengths)
        output, states, shares = sequences, [], self._shares(initial_state)
        returned = None
        if not self.residual:
            returned = together.layer_by_layer(self.layers, sequences, shares, valid, training)
        for place, (layer, state) in enumerate(zip(self.layers, shares, strict=True)):
            before = output
            if returned is None:
                output = layer(before, initial_state=state, mask=valid, training=training)
            else:
                output = returned[place]
            if valid is not None and layer.return_sequences:
                valid = tf.nest.flatten(layer.compute_mask(before, valid))[0]
            if self.return_state:
                output, *new = output
                states += new
            if self.residual and place:
                output = output + before
        if self.return_sequences and valid is not None:
            attach_mask(output, valid)
        return (output, *states) if self.return_state else output

    def _shares(self, states):
        """A flat list of states, cut into one list a layer."""
        if states is None:
            return [None] * len(self.layers)
        flat = tf.nest.flatten(states)
        counts = [len(_state_sizes(layer)) for layer in self.layers]
        if len(flat) != sum(counts):
            raise ValueError(
                f"A state of this stack has {sum(counts)} tensors ({counts}, layer by layer). "
                f"Received: {len(flat)}"
            )
        rest = iter(flat)
        return [[next(rest) for _ in range(count)] for count in counts]

    def explain_engine(self, input_shape=None) -> list:
        """For every layer the engine it gets for this shape, and why; see `kr.RNN`."""
        return [explain_engine(layer, input_shape) for layer in self.layers]

    def reset_state(self, states=None, rows=None) -> None:
        """Set the kept states of the stateful layers; see `kr.RNN.reset_state`."""
        for layer, share in zip(self.layers, self._shares(states), strict=True):
            reset_state(layer, share, rows)

    def reset_states(self, states=None, rows=None) -> None:
        """Keras's older name of `reset_state`."""
        self.reset_state(states, rows)

    def get_config(self) -> dict:
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {**super().get_config(), "layers": layers, "residual": self.residual}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        layers = [
            keras.saving.deserialize_keras_object(layer, custom_objects=custom_objects)
            for layer in config.pop("layers")
        ]
        return cls(layers, **config)


def _checked(layers) -> list:
    layers = list(layers) if isinstance(layers, list | tuple) else []
    if not layers or not all(hasattr(layer, "return_sequences") for layer in layers):
        raise ValueError(
            f"`layers` must be a list of at least one recurrent layer. Received: layers={layers!r}"
        )
    for layer in layers[:-1]:
        if not layer.return_sequences:
            raise ValueError(
                "Every layer of a stack but the last needs return_sequences=True, the next one reads "
                f"its whole sequence. Received: return_sequences=False in {layer.name!r}"
            )
    if len({layer.return_state for layer in layers}) > 1:
        raise ValueError(
            "Either all or none of a stack's layers have return_state=True. Received: "
            f"{ {layer.name: layer.return_state for layer in layers} }"
        )
    return layers


def _output_shape(layer, shape):
    out = layer.compute_output_shape(shape)
    return tuple(out[0] if layer.return_state else out)


def _state_sizes(layer) -> list:
    if hasattr(layer, "forward_layer"):
        return _state_sizes(layer.forward_layer) + _state_sizes(layer.backward_layer)
    if isinstance(layer, Stack):
        return [size for part in layer.layers for size in _state_sizes(part)]
    return tf.nest.flatten(layer.state_size)
