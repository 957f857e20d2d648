"""What takes long is made once for all pytest-xdist workers."""

import fcntl
import os
import pickle
from collections.abc import Callable
from pathlib import Path


def made_once(tmp_path_factory, name: str, make: Callable[[Path], object]) -> tuple[Path, object]:
    """A folder and what `make(folder)` gave there; the first worker makes it, the others wait."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / name
    folder.mkdir(exist_ok=True)
    outcome = folder / "outcome.pickle"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the process ends, however it ends
        if not outcome.exists():
            outcome.write_bytes(pickle.dumps(make(folder)))
    return folder, pickle.loads(outcome.read_bytes())
