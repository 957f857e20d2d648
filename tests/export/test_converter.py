"""The converter's process: it may crash, hang or refuse, and the next conversion works."""

import os
import queue
import signal
import subprocess
import sys
import textwrap

import keras
import pytest

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export import converter


@pytest.fixture(scope="module")
def model():
    return keras.Sequential([keras.Input((3, 2)), kr.GRU(2)])


def worker():
    return converter.SERVICE.running()


def test_killed_while_idle(model, tmp_path):
    path = tmp_path / "m.tflite"
    export.to_tflite(model, path)
    first = worker()
    export.to_tflite(model, path)
    assert worker() is first  # one process for all of them
    os.kill(first.pid, signal.SIGKILL)
    first._process.wait()
    export.to_tflite(model, path)
    assert worker().pid != first.pid


def test_crash_during_a_conversion(tmp_path, monkeypatch):
    current = worker()

    class Crashing(queue.Queue):
        def get(self, timeout):  # the task was sent, its answer is waited for
            os.kill(current.pid, signal.SIGSEGV)
            os.kill(current.pid, signal.SIGCONT)
            return super().get(timeout=timeout)

    os.kill(current.pid, signal.SIGSTOP)  # it does not answer before
    monkeypatch.setattr(current, "_answers", Crashing())
    with pytest.raises(RuntimeError, match="crashed with SIGSEGV"):
        converter.convert(tmp_path / "none", tmp_path / "out", None)
    with pytest.raises(RuntimeError, match="refused the model"):  # a new one answers
        converter.convert(tmp_path / "none", tmp_path / "out", None)


def test_time_limit(tmp_path, monkeypatch):
    current = worker()
    os.kill(current.pid, signal.SIGSTOP)
    monkeypatch.setattr(converter, "TIME_LIMIT", 0.2)
    with pytest.raises(RuntimeError, match=r"stopped after 0\.2 seconds"):
        converter.convert(tmp_path / "none", tmp_path / "out", None)
    assert not current.alive


def test_interrupt_ends_the_process(tmp_path, monkeypatch):
    current = worker()

    class Interrupted(queue.Queue):
        def get(self, timeout):
            raise KeyboardInterrupt

    monkeypatch.setattr(current, "_answers", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        converter.convert(tmp_path / "none", tmp_path / "out", None)
    assert not current.alive


def test_unguarded_script(tmp_path):
    """A plain script without `if __name__ == "__main__"` runs once; its stdout is its own."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import sys
        print("once")
        import keras, keras_recurrent as kr
        from keras_recurrent import export
        model = keras.Sequential([keras.Input((2, 2)), kr.SimpleRNN(1)])
        report = export.to_tflite(model, sys.argv[1])
        print(report.largest_difference < 1e-5, export.converter.SERVICE.child.pid)
        """)
    )
    command = [sys.executable, str(script), str(tmp_path / "m.tflite")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "once"
    good, pid = second.split()
    assert good == "True"
    with pytest.raises(ProcessLookupError):  # it ended with the script
        os.kill(int(pid), 0)
