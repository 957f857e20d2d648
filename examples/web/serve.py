"""Serve the page to this machine: `python examples/web/serve.py`, then open the address it prints."""

import argparse
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

FOLDER = Path(__file__).resolve().parent


class Handler(SimpleHTTPRequestHandler):
    """Files of the folder, isolated from other origins: the browser's clock is finer then.

    Args:
        model: The folder that `model/` stands for.
    """

    def __init__(self, *args, model: Path, **kwargs):
        self._model = model
        super().__init__(*args, **kwargs)

    def translate_path(self, path: str) -> str:
        place = Path(super().translate_path(path))
        if place.is_relative_to(FOLDER / "model"):
            place = self._model / place.relative_to(FOLDER / "model")
        return str(place)

    extensions_map: ClassVar = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".tflite": "application/octet-stream",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *_) -> None:
        pass  # a line a file would hide the address


def server(port: int = 0, model: Path = FOLDER / "model") -> ThreadingHTTPServer:
    """A server on the loopback interface alone; port 0 takes a free one."""
    handler = partial(Handler, directory=str(FOLDER), model=model)
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


def _started(port: int | None, model: Path) -> ThreadingHTTPServer:
    try:
        return server(8000 if port is None else port, model)
    except OSError as error:
        if port is not None:
            advice = "--port 0 takes a free one"
            raise SystemExit(f"Port {port} cannot be had: {error}; {advice}.") from None
        return server(model=model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, help="default: 8000, or a free one where it is taken")
    parser.add_argument("--model", type=Path, default=FOLDER / "model", help="what prepare.py made")
    options = parser.parse_args()
    needed = {
        FOLDER / "node_modules" / "@litertjs" / "core": "cd examples/web && npm ci",
        options.model / "sessions.json": "python examples/web/prepare.py",
    }
    missing = [f"  {what}: {how}" for what, how in needed.items() if not what.exists()]
    if missing:
        raise SystemExit("The page needs, to be made first:\n" + "\n".join(missing))
    with _started(options.port, options.model) as running:
        print(f"http://127.0.0.1:{running.server_port}/  (Ctrl-C ends it)", flush=True)
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
