"""What layers around other layers ask of these, which may be stock layers of Keras."""

from keras_recurrent.engines import Choice


def explain_engine(layer, input_shape):
    """The layer's own answer, if it is one of this package's."""
    if hasattr(layer, "explain_engine"):
        return layer.explain_engine(input_shape)
    return Choice("keras", f"{layer.name!r} is a stock layer of Keras")


def reset_state(layer, states, rows) -> None:
    """`layer.reset_state`; stock layers can only set everything to zero."""
    if states is None and rows is None:
        layer.reset_state()
    elif hasattr(layer, "explain_engine"):
        layer.reset_state(states, rows)
    else:
        raise ValueError(
            f"{layer.name!r} is a stock layer of Keras, which can only reset all its states to zero. "
            "Use this package's layer of the same name."
        )
