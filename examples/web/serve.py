"""Serve the page to this machine: `python examples/web/serve.py`, then open the address it prints."""

import argparse
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


class Handler(SimpleHTTPRequestHandler):
    """Files of the folder, isolated from other origins: the browser's clock is finer then."""

    extensions_map = {
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


def server(port: int = 0) -> ThreadingHTTPServer:
    """A server on the loopback interface alone; port 0 takes a free one."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(FOLDER)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    missing = [
        f"  {what}: {command}"
        for what, command in {
            "node_modules/@litertjs/core": "cd examples/web && npm ci",
            "model/step.tflite": "python examples/web/prepare.py",
        }.items()
        if not (FOLDER / what).exists()
    ]
    if missing:
        raise SystemExit("The page needs, to be made first:\n" + "\n".join(missing))
    with server(options.port) as running:
        print(f"http://127.0.0.1:{running.server_port}/  (Ctrl-C ends it)")
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
