"""The published `options.json`, read into the arguments of a `BiLM` and written from them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_recurrent.elmo.checkpoints.errors import CheckpointError
from keras_recurrent.options import is_number

LARGEST_FILE = 1 << 20
LARGEST_SIZE = 1_000_000  # of a layer; the largest published one has 4096 units
LARGEST_COUNT = 1_000  # of layers, highways or filters
LARGEST_VOCABULARY = 2**31 - 1
CHARACTERS = (261, 262)  # while training, and with the padding row that users of the weights add


def read_options(options_file) -> dict:
    """The JSON object in the file, as it is.

    Raises:
        FileNotFoundError, IsADirectoryError: There is no such file.
        CheckpointError: Not a JSON object of a sane size, a key given twice, or not a finite number.
    """
    path = Path(options_file)
    if path.is_dir():
        raise IsADirectoryError(f"Name the options file itself, this is a folder: {str(path)!r}")
    if not path.is_file():
        raise FileNotFoundError(f"There is no options file {str(path)!r}")
    if path.stat().st_size > LARGEST_FILE:
        raise CheckpointError(
            f"{path}: an options file has a few hundred bytes, this one {path.stat().st_size}. "
            "Check that it is not the file of the weights."
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
        found = json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a JSON file that can be used: {error}") from None
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} must hold a JSON object. Received: {str(found)[:80]!r}")
    return found


def read_settings(options_file) -> dict[str, Any]:
    """The arguments of a `BiLM` that `options.json` describes.

    `lstm` gives `dim`, `projection_dim`, `n_layers`, `cell_clip`, `proj_clip` and
    `use_skip_connections`; `char_cnn` gives `activation`, `embedding.dim`, `filters`, `n_highway`,
    `n_characters` (261 or 262: the same model) and `max_characters_per_token`. Without `char_cnn` it
    is a model of token ids, `n_tokens_vocab` is its vocabulary (absent: `vocabulary_size` is left
    out, the weights tell). `bidirectional: false` is a forward model, `dropout` is kept; the other
    keys of training are ignored. null is the same as a key that is absent and may be so.

    Raises:
        FileNotFoundError, IsADirectoryError, CheckpointError: A key is missing or has a value that is of
            the wrong kind, absurd, or against another key. The message names it.
    """
    return settings_of(read_options(options_file), str(options_file))


def settings_of(options: Mapping, source: str = "options", *, characters: bool = True) -> dict:
    """`read_settings` of options that are in memory; `characters=False`: `char_cnn` is not used."""
    read = _Reader(options, source)
    settings = _lstm_settings(read)
    if characters and "char_cnn" in options:
        settings |= _character_settings(read)
    elif characters and "n_tokens_vocab" in options:
        settings["vocabulary_size"] = read.size("n_tokens_vocab", LARGEST_VOCABULARY)
    if "bidirectional" in options:
        both = read.flag("bidirectional")
        settings["directions"] = ("forward", "backward") if both else ("forward",)
    if options.get("dropout") is not None:
        settings["dropout"] = read.rate("dropout")
    return settings


def _lstm_settings(read) -> dict:
    units = read.size("lstm.dim", LARGEST_SIZE)
    width = read.size("lstm.projection_dim", LARGEST_SIZE)
    if width > units:
        raise read.error("lstm.projection_dim", f"at most lstm.dim = {units}", width)
    return {
        "units": units,
        "projection_units": None if width == units else width,
        "num_layers": read.size("lstm.n_layers", LARGEST_COUNT, absent=1),
        "cell_clip": read.limit("lstm.cell_clip"),
        "projection_clip": read.limit("lstm.proj_clip"),
        "residual": read.flag("lstm.use_skip_connections", absent=False),
    }


def _character_settings(read) -> dict:
    found = read.get("char_cnn.n_characters", absent=CHARACTERS[0])
    if found not in CHARACTERS or isinstance(found, bool):
        raise read.error(
            "char_cnn.n_characters", "261 (bytes and 5 marks) or 262 (with a padding row)", found
        )
    characters = read.size("char_cnn.max_characters_per_token", LARGEST_SIZE)
    if characters < 3:
        raise read.error(
            "char_cnn.max_characters_per_token", "at least 3 (begin, one byte, end)", characters
        )
    return {
        "character_dim": read.size("char_cnn.embedding.dim", LARGEST_SIZE),
        "filters": _filters(read, characters),
        "highways": read.size("char_cnn.n_highway", LARGEST_COUNT, smallest=0, absent=0),
        "activation": read.choice("char_cnn.activation", ("relu", "tanh")),
        "max_characters_per_token": characters,
    }


def _filters(read, characters: int) -> tuple[tuple[int, int], ...]:
    key = "char_cnn.filters"
    filters = read.get(key)
    if not isinstance(filters, list) or not 0 < len(filters) <= LARGEST_COUNT:
        raise read.error(key, "a list of pairs [width, number of filters]", filters)
    for pair in filters:
        whole = isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair)
        if not whole or not 0 < pair[0] <= characters or not 0 < pair[1] <= LARGEST_SIZE:
            raise read.error(
                key,
                "pairs [width, number of filters] of positive whole numbers, no width over "
                f"max_characters_per_token = {characters}",
                pair,
            )
    if sum(number for _, number in filters) > LARGEST_SIZE:
        raise read.error(key, f"at most {LARGEST_SIZE} filters in sum", filters)
    return tuple((width, number) for width, number in filters)


class _Reader:
    """Values of an options file by their path, checked."""

    def __init__(self, options: Mapping, source: str):
        self.options = options
        self.source = source

    def error(self, key, wanted, found) -> CheckpointError:
        text = repr(found)
        text = text if len(text) < 200 else text[:200] + " ..."
        return CheckpointError(f"{self.source}: {key!r} must be {wanted}. Received: {text}")

    def get(self, key, **default):
        value, path = self.options, []
        for part in key.split("."):
            if not isinstance(value, Mapping):
                raise self.error(".".join(path), "an object", value)
            path.append(part)
            if part not in value:
                if default:
                    return default["absent"]
                raise CheckpointError(
                    f"{self.source} has no {'.'.join(path)!r}, of which {key!r} is read. It has: "
                    f"{sorted(value)[:20]}"
                )
            value = value[part]
        return default["absent"] if default and value is None else value

    def size(self, key, largest, *, smallest=1, **default) -> int:
        value = self.get(key, **default)
        if type(value) is not int or not smallest <= value <= largest:
            raise self.error(key, f"a whole number from {smallest} to {largest}", value)
        return value

    def limit(self, key) -> float | None:
        value = self.get(key, absent=None)
        if value is None:
            return None
        if not _finite(value) or value <= 0:
            raise self.error(key, "a positive number, or null for no limit", value)
        return float(value)

    def rate(self, key) -> float:
        value = self.get(key)
        if not _finite(value) or not 0 <= value < 1:
            raise self.error(key, "a share in [0, 1)", value)
        return float(value)

    def flag(self, key, **default) -> bool:
        value = self.get(key, **default)
        if not isinstance(value, bool):
            raise self.error(key, "true or false", value)
        return value

    def choice(self, key, values) -> str:
        value = self.get(key)
        if value not in values:
            raise self.error(key, f"one of {values}", value)
        return value


def _finite(value) -> bool:
    try:
        return is_number(value) and math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _refuse(constant):
    raise ValueError(f"{constant} is no number that JSON knows")


def _once(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is given twice")
    return found


def options_from(settings: Mapping, n_tokens_vocab: int | None = None) -> dict:
    """The content of `options.json` for the arguments of a `BiLM`: with 262 characters, as published."""
    units = settings["units"]
    options: dict[str, Any] = {
        "bidirectional": len(settings["directions"]) == 2,
        "dropout": settings["dropout"],
        "lstm": {
            "dim": units,
            "projection_dim": settings["projection_units"] or units,
            "n_layers": settings["num_layers"],
            "cell_clip": settings["cell_clip"],
            "proj_clip": settings["projection_clip"],
            "use_skip_connections": settings["residual"],
        },
    }
    if settings["vocabulary_size"] is not None:
        return options | {"n_tokens_vocab": settings["vocabulary_size"]}
    options["char_cnn"] = {
        "activation": settings["activation"],
        "embedding": {"dim": settings["character_dim"]},
        "filters": [list(pair) for pair in settings["filters"]],
        "n_highway": settings["highways"],
        "n_characters": CHARACTERS[1],
        "max_characters_per_token": settings["max_characters_per_token"],
    }
    return options if n_tokens_vocab is None else options | {"n_tokens_vocab": n_tokens_vocab}
