"""Arguments declared once: signature, checks, config and documentation follow."""

import inspect

import keras
import numpy as np
import pytest

import keras_recurrent as kr
from keras_recurrent import options
from keras_recurrent.options import REQUIRED, Declared, attributes_of, options_of


class Base(Declared, keras.layers.Layer):
    """A class of options."""

    size = options.positive_int("How large.")
    share = options.rate("How much.")
    late = options.flag(False, "Whether to wait.", keyword_only=True)


class Child(Base):
    """A class with more of them."""

    shape = options.choice("round", ("round", None, 2), "Which form.", after="size")
    limit = options.positive_float("At most.", keyword_only=True)
    share = options.Option(lambda name, value: value * 2, 1, "Another meaning.")


def test_the_signature_follows():
    parameters = inspect.signature(Child).parameters
    assert list(parameters) == ["size", "shape", "share", "late", "limit", "kwargs"]
    assert parameters["size"].default is REQUIRED
    assert parameters["late"].kind is inspect.Parameter.KEYWORD_ONLY
    assert list(inspect.signature(Base).parameters) == ["size", "share", "late", "kwargs"]
    assert options_of(Child)["share"].doc == "Another meaning."


def test_values_are_checked_stored_and_written():
    child = Child(np.int32(3), None, 2, late=np.bool_(True), limit=3, name="child")
    assert (child.size, child.shape, child.share, child.late, child.limit) == (
        3,
        None,
        4,
        True,
        3.0,
    )
    assert type(child.size) is int
    assert type(child.late) is bool
    config = child.get_config()
    assert {n: config[n] for n in ("size", "shape", "late", "limit", "name")} == {
        "size": 3,
        "shape": None,
        "late": True,
        "limit": 3.0,
        "name": "child",
    }


def test_an_argument_may_have_another_name_than_its_attribute():
    class Named(Declared, keras.layers.Layer):
        shown = options.choice("all", ("all", "last"), "Which.", argument="output")

    layer = Named("last")
    assert (layer.shown, layer.get_config()["output"]) == ("last", "last")
    assert list(inspect.signature(Named).parameters) == ["output", "kwargs"]
    assert Named.output is keras.layers.Layer.output
    assert Named.from_config(layer.get_config()).shown == "last"


def test_no_option_hides_an_attribute_of_keras():
    """`output` is where Keras looks for a layer's outputs."""
    public = [*vars(kr).values(), *vars(kr.elmo).values()]
    keras_names = set(dir(keras.layers.Layer))
    for cls in (c for c in public if isinstance(c, type) and issubclass(c, Declared)):
        assert not keras_names & set(attributes_of(cls).values()), cls


def test_the_documentation_follows():
    assert Child.__doc__.count("Args:") == 1
    for line in ("size: How large.", "shape: Which form. Default: 'round'.", "limit: At most."):
        assert line in Child.__doc__
    for name, option in options_of(kr.LSTMCell).items():
        assert f"{name}: {option.doc}" in kr.LSTMCell.__doc__
        assert f"{name}: {option.doc}" in kr.LSTM.__doc__


@pytest.mark.parametrize("args", [((),), ((3, "round", 1, True),), ((3, 4), {"shape": 2})])
def test_python_s_own_rules_hold(args):
    positional, keywords = (*args, {})[:2]
    with pytest.raises(TypeError):
        Child(*positional, **keywords)


def test_unknown_keywords_are_refused():
    with pytest.raises((TypeError, ValueError), match="colour"):
        Child(3, colour="red")


@pytest.mark.parametrize(
    ("option", "good", "bad"),
    [
        (options.positive_int(""), [1, np.uint8(7)], [0, -1, 2.5, True, "4", None, [3]]),
        (options.positive_int("", None, optional=True), [None, 2], [0, False, 1.0]),
        (options.positive_float(""), [None, 1, 0.5, np.float32(2)], [0, -1.0, "1", True, [1.0]]),
        (options.positive_float(""), [], [float("nan"), float("inf")]),
        (options.rate(""), [0, 0.5, np.float32(0.25)], [1, 1.0, -0.1, 1.5, "0.1", None, True]),
        (options.rate(""), [], [float("nan"), float("inf")]),
        (options.flag(True, ""), [True, False, np.bool_(True)], [1, 0, None, "yes", []]),
        (options.choice("a", ("a", None, True, 2), ""), ["a", None, True, 2], ["b", False, 1, "A"]),
        (options.seed(), [None, 0, 5, np.int64(3)], [-1, True, "1", 1.5, [1]]),
    ],
)
def test_kinds_of_options(option, good, bad):
    for value in good:
        stored = option.check("argument", value)
        assert stored == value
        assert stored is None or type(stored).__module__ == "builtins"
    for value in bad:
        with pytest.raises(ValueError, match="argument") as error:
            option.check("argument", value)
        assert repr(value) in str(error.value)


def test_keras_objects_in_every_form():
    forms = ["relu", keras.activations.relu, {"class_name": "relu", "config": "relu"}]
    for form in forms[:2]:
        assert kr.LSTM(2, activation=form).activation is keras.activations.relu
    assert kr.LSTM(2, activation=None).activation is keras.activations.linear
    assert kr.LSTM(2, output_activation=None).output_activation is None
    for form in ("l2", keras.regularizers.L2(0.01), keras.regularizers.L2):
        assert isinstance(
            kr.GRU(2, kernel_regularizer=form).kernel_regularizer, keras.regularizers.L2
        )


def test_initializers_are_not_shared_between_layers():
    first, second = kr.IndRNNCell(3), kr.IndRNNCell(3)
    assert first.recurrent_initializer is not second.recurrent_initializer
    for cell in (first, second):
        cell.build((None, 2))
    assert np.any(first.recurrent_kernel.numpy() != second.recurrent_kernel.numpy())
    assert np.any(first.kernel.numpy() != second.kernel.numpy())
