"""The command `keras-recurrent`.

It lies beside the package: `--help` and wrong options must not wait for TensorFlow, which the package
imports. What a subcommand needs is imported when it runs.
"""

import sys
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

try:
    import typer
except ImportError:
    typer = None
else:
    import keras_recurrent_elmo_cli
    from keras_recurrent_cli_errors import Plainly


def main() -> None:
    """Run the command line; failures are printed as one message, with exit status 1."""
    if typer is None:
        sys.exit("keras-recurrent needs the package typer: pip install 'keras-recurrent[export]'")
    app()


def _size(text: str) -> int | None:
    """A number, or "any"."""
    if text == "any":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"a positive whole number or 'any'. Received: {text!r}")
    return int(text)


def _timesteps(text: str) -> int | str | None:
    return "from the model" if text == "model" else _size(text)


def _show(result, as_json: bool) -> None:
    typer.echo(result.to_json() if as_json else str(result))


class Runtime(StrEnum):
    """Where `benchmark` runs a file."""

    interpreter = "interpreter"
    compiled = "compiled"
    micro = "micro"
    web = "web"


if typer is not None:
    app = typer.Typer(
        help="Export Keras models with recurrent layers to phones, browsers and microcontrollers; "
        "train ELMo.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.add_typer(keras_recurrent_elmo_cli.app, name="elmo")
    Model = Annotated[Path, typer.Argument(help="A model saved by model.save: NAME.keras.")]
    Modules = Annotated[
        list[str] | None,
        typer.Option("--import", help="Import a module that registers custom objects."),
    ]
    Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
    Tolerance = Annotated[
        float | None, typer.Option(help="Largest difference allowed, relative to the outputs.")
    ]

    @app.command()
    def export(
        model: Model,
        out: Annotated[Path, typer.Argument(help="NAME.tflite, or a folder for a SavedModel.")],
        target: Annotated[str, typer.Option(help="mobile, web or micro.")] = "mobile",
        form: Annotated[str, typer.Option(help="auto, loop, fused, unroll or step.")] = "auto",
        streaming: Annotated[
            bool, typer.Option("--streaming", help="A call takes a block of time steps.")
        ] = False,
        block: Annotated[int, typer.Option(help="Time steps of such a block.")] = 1,
        quantize: Annotated[
            str | None, typer.Option(help="float16, dynamic, int8 or int16x8.")
        ] = None,
        representative_data: Annotated[
            Path | None,
            typer.Option(help="Samples to calibrate with: .npy, or .npz by input name."),
        ] = None,
        test_data: Annotated[
            Path | None,
            typer.Option(help="An .npz with x and y, for the accuracy before and after."),
        ] = None,
        batch_size: Annotated[str, typer.Option(help="A number, or any.")] = "1",
        timesteps: Annotated[str, typer.Option(help="A number, any, or model.")] = "model",
        tolerance: Tolerance = None,
        no_verify: Annotated[
            bool, typer.Option("--no-verify", help="Do not compare the file with the model.")
        ] = False,
        c_array: Annotated[
            bool, typer.Option("--c-array", help="Also write C++ source beside the file.")
        ] = False,
        modules: Modules = None,
        as_json: Json = False,
    ) -> None:
        """Write a Keras model as a .tflite file or a SavedModel, compared with the model."""
        batch, steps = _size(batch_size), _timesteps(timesteps)
        with Plainly():
            commands = import_module("keras_recurrent.export.commands")
            report = commands.export(
                commands.load_model(model, modules),
                out,
                target=target,
                form=form,
                streaming=streaming,
                quantize=quantize,
                representative_data=representative_data,
                batch_size=batch,
                timesteps=steps,
                block=block,
                verify=not no_verify,
                tolerance=tolerance,
                test_data=test_data,
                c_array=c_array,
            )
            _show(report, as_json)

    @app.command()
    def inspect(
        file: Annotated[Path, typer.Argument(help="A .tflite file of any maker, or a SavedModel.")],
        as_json: Json = False,
    ) -> None:
        """Show what a file holds: operations, inputs, outputs, variables, signatures."""
        with Plainly():
            _show(import_module("keras_recurrent.export").inspect(file), as_json)

    @app.command()
    def verify(
        model: Model,
        file: Annotated[Path, typer.Argument(help="An export of it: .tflite or SavedModel.")],
        data: Annotated[Path, typer.Option(help="Inputs: .npy, or .npz with one array an input.")],
        tolerance: Tolerance = None,
        modules: Modules = None,
        as_json: Json = False,
    ) -> None:
        """Run a Keras model and an export of it on the same data and compare."""
        with Plainly():
            commands = import_module("keras_recurrent.export.commands")
            arrays = commands.read_arrays(data)
            loaded = commands.load_model(model, modules)
            _show(commands.verify(loaded, file, arrays, tolerance=tolerance), as_json)

    @app.command()
    def benchmark(
        file: Annotated[Path, typer.Argument(help="A .tflite file.")],
        runtime: Annotated[Runtime, typer.Option(help="Where to run it.")] = Runtime.interpreter,
        calls: Annotated[int, typer.Option(min=1, help="How many calls are timed.")] = 100,
        batch_size: Annotated[int, typer.Option(min=1, help="Where the file leaves it open.")] = 1,
        timesteps: Annotated[int, typer.Option(min=1, help="Where the file leaves it open.")] = 100,
        as_json: Json = False,
    ) -> None:
        """Time single calls of a file on random inputs, on one thread."""
        with Plainly():
            commands = import_module("keras_recurrent.export.commands")
            _show(commands.benchmark(file, runtime.value, calls, batch_size, timesteps), as_json)


if __name__ == "__main__":
    main()
