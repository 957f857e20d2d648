"""Build a wheel, install it into an empty environment, first bare, then with the extra `export`.

Bare, the layers and the saved model work, and what needs more says how to get it. With the extra,
and without the runtimes of microcontrollers and browsers, models are exported to TFLite.
"""

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).with_name("programs")
# Read as files, beside the modules: processes of the exporter's, and the mark of typed packages.
READ_AS_FILES = {
    "keras_recurrent/py.typed",
    "keras_recurrent/export/stream.py",
    "keras_recurrent/export/worker.py",
    "keras_recurrent/export/runtimes/compiled_worker.py",
    "keras_recurrent/export/runtimes/micro_worker.py",
    "keras_recurrent/export/runtimes/web_worker.mjs",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _run(sys.executable, "-m", "build", "--wheel", "--outdir", place, ROOT)
        (wheel,) = place.glob("*.whl")
        check_files(wheel)
        venv.create(place / "env", with_pip=True)
        programs = place / "env" / "bin"
        install = (programs / "python", "-m", "pip", "install", "--quiet")
        _run(*install, wheel)
        check_command_without_typer(programs)
        _run(programs / "python", PROGRAMS / "bare.py", cwd=place)
        _run(*install, f"{wheel}[export]")
        _run(programs / "python", PROGRAMS / "with_export.py", cwd=place)
        check_command(programs, place)


def check_files(wheel: Path) -> None:
    """Every file of the sources is there, and nothing else: tests, examples, what they wrote."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        *(path.name for path in ROOT.glob("keras_recurrent_*.py")),
        *sources("keras_recurrent"),
    }
    expected |= {f"keras_recurrent/{name}" for name in sources("export")}
    assert held == expected, f"missing {expected - held}, too many {held - expected}"
    assert held >= READ_AS_FILES, READ_AS_FILES - held


def sources(folder: str) -> list[str]:
    files = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file())
    return [
        path.as_posix()
        for path in files
        if "__pycache__" not in path.parts and path.suffix != ".md"  # read in the checkout
    ]


def check_command_without_typer(programs: Path) -> None:
    told = _command(programs, "--help")
    assert told.returncode == 1, told
    assert "pip install 'keras-recurrent[export]'" in told.stderr, told.stderr
    assert "Traceback" not in told.stderr, told.stderr


def check_command(programs: Path, place: Path) -> None:
    """What `with_export.py` wrote, on the command line."""
    told = _command(programs, "--help")
    assert told.returncode == 0, told.stderr
    assert all(name in told.stdout for name in ("export", "inspect", "verify", "benchmark")), told
    told = _command(programs, "inspect", "step.tflite", cwd=place)
    assert told.returncode == 0, told.stderr
    assert "state_gru_h" in told.stdout, told.stdout


def _command(programs: Path, *arguments: str, cwd=None) -> subprocess.CompletedProcess:
    command = [str(programs / "keras-recurrent"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


def _run(*command, cwd=None) -> None:
    # Without the variables that lead to runtimes of this machine and to this checkout.
    hidden = {"KERAS_RECURRENT_LITERTJS", "PYTHONPATH"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    subprocess.run([str(part) for part in command], check=True, cwd=cwd, env=environment)


if __name__ == "__main__":
    main()
