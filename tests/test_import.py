"""What an import costs, and that it works from any folder."""

import subprocess
import sys

PROGRAM = """
import time
import keras
start = time.process_time()  # of the processor: others may use it too
import keras_recurrent
seconds = time.process_time() - start
import keras_recurrent.export
keras.config.set_floatx("float64")  # no layer was made on the way, which would settle the policy
assert keras.config.dtype_policy().name == "float64"
print(seconds)
"""


def test_import_from_another_folder_is_quick(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert float(done.stdout.splitlines()[-1]) < 0.3
