"""Build a wheel, install it with all it needs into an empty environment, import it there."""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import time
import keras
start = time.perf_counter()
import keras_recurrent
seconds = time.perf_counter() - start
import keras_recurrent.export
assert "site-packages" in keras_recurrent.export.__file__, keras_recurrent.export.__file__
print(f"keras_recurrent {keras_recurrent.__version__} from the wheel; {seconds:.2f} s beyond keras")
assert seconds < 0.3, seconds
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _run(sys.executable, "-m", "build", "--wheel", "--outdir", place, ROOT)
        (wheel,) = place.glob("*.whl")
        venv.create(place / "env", with_pip=True)
        python = place / "env" / "bin" / "python"
        _run(python, "-m", "pip", "install", "--quiet", f"{wheel}[export]")
        _run(python, "-c", PROGRAM, cwd=place)


def _run(*command, cwd=None) -> None:
    subprocess.run([str(part) for part in command], check=True, cwd=cwd)


if __name__ == "__main__":
    main()
