"""Constructor arguments, declared once.

A class lists its arguments as class attributes, each an `Option`. Its signature, the checks
at construction, `get_config` and the "Args" part of its documentation all follow from them.
"""

import inspect
import math
import numbers
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

REQUIRED = inspect.Parameter.empty


def _as_is(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Option:
    """One constructor argument: how it is checked, stored, written to a config and explained.

    Args:
        check: `check(name, value)` returns the value to store or raises.
        default: Value if the caller gives none.
        doc: One sentence for the documentation.
        serialize: From the stored value to a config entry.
        annotation: Type shown in the signature.
        after: Place in the signature, when it is not the end: behind that argument.
        keyword_only: The argument cannot be given by position.
        argument: Its name, where it is not the attribute's: Keras has attributes such as `output`.
    """

    check: Callable[[str, Any], Any]
    default: Any = REQUIRED
    doc: str = ""
    serialize: Callable[[Any], Any] = _as_is
    annotation: Any = Any
    after: str | None = None
    keyword_only: bool = False
    argument: str | None = None

    def parameter(self, name: str) -> inspect.Parameter:
        kind = inspect.Parameter.KEYWORD_ONLY if self.keyword_only else _POSITIONAL
        return inspect.Parameter(name, kind, default=self.default, annotation=self.annotation)


_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD
_EXTRA = inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)


# ---------------------------------------------------------------- kinds of option


def positive_int(doc: str, default: Any = REQUIRED, optional: bool = False, **place) -> Option:
    def check(name, value):
        if optional and value is None:
            return None
        try:
            number = None if isinstance(value, bool) else operator.index(value)
        except TypeError:
            number = None
        if number is None or number <= 0:
            raise ValueError(
                f"`{name}` must be a positive whole number. Received: {name}={value!r}"
            )
        return number

    annotation = int | None if optional else int
    return Option(check, default, doc, annotation=annotation, **place)


def positive_float(doc: str, **place) -> Option:
    """A positive number or None."""

    def check(name, value):
        if value is None:
            return None
        if not is_number(value) or not value > 0 or math.isinf(value):
            raise ValueError(
                f"`{name}` must be a positive number, or None for no limit. "
                f"Received: {name}={value!r}"
            )
        return float(value)

    return Option(check, None, doc, annotation=float | None, **place)


def is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_rate(name: str, value: Any) -> float:
    if not is_number(value) or not 0 <= value < 1:
        raise ValueError(f"`{name}` is a share and must lie in [0, 1). Received: {name}={value!r}")
    return float(value)


def rate(doc: str, **place) -> Option:
    return Option(check_rate, 0.0, doc, annotation=float, **place)


def flag(default: bool, doc: str, **place) -> Option:
    return Option(check_flag, default, doc, annotation=bool, **place)


def check_flag(name: str, value: Any) -> bool:
    if isinstance(value, bool) or type(value).__name__ == "bool":  # bool or numpy.bool
        return bool(value)
    raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}")


def choice(default: Any, values: tuple, doc: str, **place) -> Option:
    def check(name, value):
        return check_choice(name, value, values)

    return Option(check, default, doc, **place)


def check_choice(name: str, value: Any, values: tuple) -> Any:
    for known in values:  # by identity for True, False and None: 1 == True
        if value is known or (isinstance(known, str) and value == known):
            return known
    raise ValueError(f"`{name}` must be one of {values}. Received: {name}={value!r}")


def seed(**place) -> Option:
    doc = "Seed of the random masks; None draws one."
    return Option(check_seed, None, doc, annotation=int | None, **place)


def check_seed(name: str, value: Any) -> int | None:
    if value is None:
        return None
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if number < 0:
        raise ValueError(f"`{name}` must be None or a whole number >= 0. Received: {value!r}")
    return number


def _keras_object(module, doc: str, default: Any, **place) -> Option:
    return Option(lambda _, value: module.get(value), default, doc, module.serialize, **place)


def activation(default: Any, doc: str, **place) -> Option:
    """A Keras activation; None is the identity, as in Keras."""
    return _keras_object(keras.activations, doc, default, **place)


def initializer(default: Any, doc: str, **place) -> Option:
    return _keras_object(keras.initializers, doc, default, **place)


def regularizer(doc: str, **place) -> Option:
    return _keras_object(keras.regularizers, doc, None, **place)


def constraint(doc: str, **place) -> Option:
    return _keras_object(keras.constraints, doc, None, **place)


# ---------------------------------------------------------------- classes made of options


def options_of(cls: type) -> dict[str, Option]:
    """The options of a class and its bases by argument, in signature order."""
    found = {option.argument or name: option for name, option in _attributes(cls)}
    order = [name for name, option in found.items() if option.after is None]
    for name, option in found.items():
        if option.after is not None:
            order.insert(order.index(option.after) + 1, name)
    order.sort(key=lambda name: found[name].keyword_only)
    return {name: found[name] for name in order}


def attributes_of(cls: type) -> dict[str, str]:
    """Where the value of each argument is kept."""
    return {option.argument or name: name for name, option in _attributes(cls)}


def _attributes(cls: type) -> list[tuple[str, Option]]:
    own = [item for klass in reversed(cls.__mro__) for item in vars(klass).items()]
    return [(name, value) for name, value in own if isinstance(value, Option)]


def signature_of(options: Mapping[str, Option]) -> inspect.Signature:
    return inspect.Signature([o.parameter(n) for n, o in options.items()] + [_EXTRA])


class ClassSignature:
    """The signature of a class's constructor; an instance, which can be called too, has its own."""

    def __init__(self, signature: inspect.Signature):
        self.signature = signature

    def __get__(self, instance, owner=None) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        return self.signature


def bind(options: Mapping[str, Option], args: tuple, kwargs: dict) -> tuple[dict, dict]:
    """Split a call's arguments into the values of `options` and the remaining keywords."""
    bound = signature_of(options).bind(*args, **kwargs)
    bound.apply_defaults()
    rest = bound.arguments.pop("kwargs")
    return dict(bound.arguments), rest


def document(cls: type, options: Mapping[str, Option]) -> None:
    """Append an "Args" section to the class's own docstring."""
    if "__doc__" not in vars(cls) or not cls.__doc__:
        return
    lines = [
        f"        {name}: {option.doc}{_default_text(option)}" for name, option in options.items()
    ]
    cls.__doc__ = cls.__doc__.rstrip() + "\n\n    Args:\n" + "\n".join(lines) + "\n"


def _default_text(option: Option) -> str:
    return "" if option.default is REQUIRED else f" Default: {option.default!r}."


def _names_its_arguments(cls: type) -> bool:
    """Whether the class has a constructor of its own with named arguments."""
    if "__init__" not in vars(cls):
        return False
    parameters = list(inspect.signature(vars(cls)["__init__"]).parameters.values())[1:]
    return any(p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


class Declared:
    """Mixin for a Keras layer whose constructor arguments are its `Option` attributes."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        options = options_of(cls)
        if _names_its_arguments(cls):
            parameters = list(inspect.signature(vars(cls)["__init__"]).parameters.values())
            cls.__signature__ = ClassSignature(inspect.Signature(parameters[1:]))
            return
        cls.__signature__ = ClassSignature(signature_of(options))
        document(cls, options)

    def __init__(self, *args, **kwargs):
        options = options_of(type(self))
        values, rest = bind(options, args, kwargs)
        checked = {name: options[name].check(name, value) for name, value in values.items()}
        super().__init__(**rest)
        attributes = attributes_of(type(self))
        for name, value in checked.items():
            setattr(self, attributes[name], value)

    def get_config(self) -> dict:
        options, attributes = options_of(type(self)), attributes_of(type(self))
        own = {
            name: option.serialize(getattr(self, attributes[name]))
            for name, option in options.items()
        }
        return {**super().get_config(), **own}
