"""The command `keras-recurrent elmo`.

It lies beside the package, as keras_recurrent_cli does: `--help` must not wait for TensorFlow.
"""

from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from keras_recurrent_cli_errors import Plainly

app = typer.Typer(
    help="ELMo: train a bidirectional language model, write its vectors of a text.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class Shuffle(StrEnum):
    """What changes places from epoch to epoch."""

    documents = "documents"
    files = "files"
    sentences = "sentences"
    nothing = "nothing"


class Context(StrEnum):
    """What a word's vector has read."""

    inclusive = "inclusive"
    exclusive = "exclusive"


class Numbers(StrEnum):
    """Kinds of numbers in a file."""

    float32 = "float32"
    float16 = "float16"


class Directions(StrEnum):
    """What a model reads."""

    both = "both"
    forward = "forward"


def _filters(text: str | None) -> tuple | None:
    """1x32,2x64 as pairs (width, number)."""
    if text is None:
        return None
    pairs = [part.split("x") for part in text.split(",")]
    if any(len(pair) != 2 or not all(n.strip().isdecimal() for n in pair) for pair in pairs):
        raise typer.BadParameter(f"pairs WIDTHxNUMBER, such as 1x32,2x64. Received: {text!r}")
    return tuple((int(width), int(number)) for width, number in pairs)


@app.callback()
def elmo() -> None:
    """ELMo: train a bidirectional language model, write its vectors of a text."""


@app.command()
def train(
    text: Annotated[
        list[Path],
        typer.Argument(
            help="Files with a sentence a line, words separated by spaces; an empty line "
            "ends a document."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder for the checkpoint.")],
    validation: Annotated[
        list[Path] | None,
        typer.Option(help="Text to measure the perplexity on after each epoch; may be repeated."),
    ] = None,
    vocabulary: Annotated[
        Path | None, typer.Option(help="One word a line; else counted in the text.")
    ] = None,
    min_count: Annotated[int, typer.Option(min=1, help="How often a word must be there.")] = 3,
    max_words: Annotated[int | None, typer.Option(min=4, help="Words of a vocabulary.")] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", help="A folder with a checkpoint to go on from: fine-tuning."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished training in --out.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1)] = 10,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows read at the same time.")] = 128,
    window: Annotated[int, typer.Option(min=1, help="Words of a row in a step.")] = 20,
    samples: Annotated[
        int, typer.Option(min=0, help="Words of the sampled softmax; 0 for all.")
    ] = 8192,
    learning_rate: Annotated[float, typer.Option(help="Of Adagrad.")] = 0.2,
    dropout: Annotated[float, typer.Option(min=0.0, max=0.99)] = 0.1,
    units: Annotated[int | None, typer.Option(min=1, help="Cells of an LSTM [1024].")] = None,
    projection: Annotated[
        int | None, typer.Option(min=1, help="Width of a direction [128].")
    ] = None,
    layers: Annotated[int | None, typer.Option(min=1, help="LSTMs of a direction [2].")] = None,
    filters: Annotated[
        str | None,
        typer.Option(
            help="Convolutions of the characters, WIDTHxNUMBER "
            "[1x32,2x32,3x64,4x128,5x256,6x512,7x1024]."
        ),
    ] = None,
    directions: Annotated[Directions, typer.Option(help="What the model reads.")] = Directions.both,
    shuffle: Annotated[
        Shuffle, typer.Option(help="What changes places between epochs.")
    ] = Shuffle.documents,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, noise and order.")] = 0,
) -> None:
    """Train ELMo's biLM; write options.json, lm_weights.hdf5, lm_softmax_weights.hdf5, vocab.txt."""
    sizes = {
        "units": units,
        "projection_units": projection,
        "num_layers": layers,
        "filters": _filters(filters),
        "directions": None if directions is Directions.both else (directions.value,),
    }
    with Plainly():
        command = import_module("keras_recurrent.elmo.train_command")
        command.train(
            text,
            out,
            validation=validation,
            vocabulary=vocabulary,
            min_count=min_count,
            max_words=max_words,
            start=start,
            resume=resume,
            sizes={name: size for name, size in sizes.items() if size is not None},
            dropout=dropout,
            batch_size=batch_size,
            window=window,
            samples=samples or None,
            learning_rate=learning_rate,
            epochs=epochs,
            shuffle=None if shuffle is Shuffle.nothing else shuffle.value,
            seed=seed,
            say=typer.echo,
        )


def _layer(text: str) -> str | int:
    if text in ("all", "top", "average"):
        return text
    if not text.isdecimal():
        raise typer.BadParameter(f"all, top, average or a layer's number. Received: {text!r}")
    return int(text)


@app.command()
def embed(
    text: Annotated[
        list[Path],
        typer.Argument(help="Files with a sentence a line, words separated by spaces."),
    ],
    out: Annotated[Path, typer.Option(help="The HDF5 file: dataset k for line k, from 0.")],
    model: Annotated[Path, typer.Option(help="A folder with a checkpoint.")],
    layers: Annotated[str, typer.Option(help="all, top, average or a layer's number.")] = "all",
    context: Annotated[
        Context, typer.Option(help="With the word itself, or what stands around it.")
    ] = Context.inclusive,
    mean: Annotated[bool, typer.Option("--mean", help="One vector a sentence.")] = False,
    numbers: Annotated[Numbers, typer.Option(help="Of the file.")] = Numbers.float32,
    batch_size: Annotated[int, typer.Option(min=1, help="Sentences at the same time.")] = 32,
) -> None:
    """Write the vectors of every word of a text, in the layout of AllenNLP's command."""
    with Plainly():
        command = import_module("keras_recurrent.elmo.embed_command")
        command.embed(
            text,
            out,
            model=model,
            output=_layer(layers),
            context=context.value,
            pooling="mean" if mean else None,
            dtype=numbers.value,
            batch_size=batch_size,
            say=typer.echo,
        )
