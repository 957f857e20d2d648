"""Two worker processes on loopback, each with a hard time limit."""

import json
import os
import pickle
import socket
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def run_workers(folder: Path, program: str, seconds: float, workers: int = 2) -> list:
    """Run the code `program` on each worker: (exit code, result or None, output) of each.

    The code sees `strategy`, `index`, `folder` and `scenarios`, and leaves its result in `result`.
    """
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    folder.mkdir(parents=True, exist_ok=True)
    children = []
    for index in range(workers):
        config = {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": index},
        }
        environment = {
            **os.environ,
            "TF_CONFIG": json.dumps(config),
            "CUDA_VISIBLE_DEVICES": "",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "PYTHONPATH": os.pathsep.join(
                [str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")]
            ),
        }
        place = folder / f"worker{index}"
        place.mkdir(exist_ok=True)
        log = (place / "output.txt").open("w")
        command = [sys.executable, __file__, str(place), program]
        children.append(
            subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        )
        log.close()
    end = time.monotonic() + seconds
    try:
        for child in children:
            child.wait(max(0.1, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        pass
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()
    return [_outcome(child, folder / f"worker{i}") for i, child in enumerate(children)]


def _outcome(child, place: Path):
    result = place / "result.pickle"
    value = pickle.loads(result.read_bytes()) if result.exists() else None
    return child.returncode, value, (place / "output.txt").read_text()[-3000:]


def _work(place: Path, program: str) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    from training import scenarios

    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    names = {"strategy": strategy, "index": index, "folder": str(place), "scenarios": scenarios}
    exec(program, names)
    (place / "result.pickle").write_bytes(pickle.dumps(names.get("result")))


if __name__ == "__main__":
    _work(Path(sys.argv[1]), sys.argv[2])
