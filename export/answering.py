"""The other side of `child.py`: loaded by scripts that run without this package.

One JSON object a line comes on stdin and is answered with one on stdout, whose `error` is a text or
null. All other output of the process goes to stderr.
"""

import json
import os
import sys
from collections.abc import Callable


def serve(prepare: Callable[[], Callable[[dict], dict | None]]) -> None:
    """Answer every task with what the function that `prepare` returns makes of it."""
    # Libraries write to stdout from C++, too: keep the real one for answers alone.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    handle = prepare()
    for line in sys.stdin:
        try:
            answer = {"error": None, **(handle(json.loads(line)) or {})}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
