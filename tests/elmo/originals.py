"""The original ELMo, bilm-tf, run live: in a child process, since it needs TensorFlow 1's behaviour.

It comes as the pinned wheel of PyPI's `bilm`, read where it lies and never installed; tf_keras has the
layers of TensorFlow 1 that it uses.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from elmo.wheels import missing, wheel_of

from examples.datasets.packages import Package

BILM = Package(
    "bilm", "0.1.post5", "98a2e3c332bcefcccda6bf6056f8a0be52c474e62bcb0817787010b22b6969a3"
)
LIMIT_SECONDS = 300

# What the child runs before the test's own program: `arguments` and `results` are the program's.
_PREFACE = """\
import json, os, sys
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
wheel, arguments, results_file = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
import tensorflow.compat.v1 as tf
sys.modules["tensorflow"] = tf
tf.disable_v2_behavior()
sys.path.insert(0, wheel)
import numpy as np
results = {}
"""
_AFTERWORD = """
np.savez(results_file, **results)
"""


def run_original(program: str, arguments: dict, folder: Path) -> dict[str, np.ndarray]:
    """Run a program in which `bilm` can be imported, `tf` is TensorFlow 1's and `np` NumPy.

    Args:
        program: Python source. It reads the dictionary `arguments` and fills `results` with arrays.
        arguments: What JSON can hold; paths as text.
        folder: Where files of the run are kept.

    Returns:
        The arrays that the program left in `results`.
    """
    if importlib.util.find_spec("tf_keras") is None:
        missing("tf_keras is not installed: pip install -e '.[dev]'")
    source, outcome = folder / "program.py", folder / "results.npz"
    source.write_text(_PREFACE + program + _AFTERWORD)
    command = [sys.executable, str(source), str(wheel_of(BILM)), json.dumps(arguments)]
    done = subprocess.run(
        [*command, str(outcome)], capture_output=True, text=True, timeout=LIMIT_SECONDS
    )
    assert done.returncode == 0, f"bilm stopped:\n{done.stderr[-3000:]}"
    with np.load(outcome) as arrays:
        return dict(arrays)
