"""How the command `keras-recurrent` fails: with one message, and exit status 1."""

import typer

FAILURES = (ValueError, OSError, RuntimeError, ImportError)


class Plainly:
    """Ends the program with one message where its work cannot be done."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, FAILURES):
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from error
