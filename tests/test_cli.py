"""The command line: what it writes and prints, and how it fails."""

import importlib
import json
import re
import resource
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import keras_recurrent as kr
import keras_recurrent_cli as cli
from keras_recurrent import export

X = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")


def run(*arguments, status=0) -> str:
    """What the command prints: to stdout, or to stderr if it fails."""
    done = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert done.exit_code == status, (done.output, done.exception)
    assert "Traceback" not in done.output
    return done.stderr if status else done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    x = keras.Input((5, 2), name="x")
    keras.Model(x, {"y": kr.GRU(3)(x)}).save(folder / "m.keras")
    np.save(folder / "x.npy", X)
    np.savez(folder / "x.npz", x=X)
    return folder


@pytest.fixture(scope="module")
def exported(folder):
    """The file, and the report that was printed."""
    text = run(
        "export", folder / "m.keras", folder / "m.tflite", "--form", "unroll", "--json", "--c-array"
    )
    return folder / "m.tflite", json.loads(text)


def test_export(folder, exported):
    path, report = exported
    assert report["bytes"] == path.stat().st_size
    assert report["form"] == "unroll"
    assert report["largest_difference"] < 1e-5
    assert f"kModelBytes = {report['bytes']};" in (folder / "m.h").read_text()


def test_inspect(exported):
    assert "x float32 (1, 5, 2)" in run("inspect", exported[0])
    figures = json.loads(run("inspect", exported[0], "--json"))
    assert figures["outputs"][0]["name"] == "y"


@pytest.mark.parametrize("data", ["x.npy", "x.npz"])
def test_verify(folder, exported, data):
    text = run("verify", folder / "m.keras", exported[0], "--data", folder / data, "--json")
    assert json.loads(text)["largest_difference"] < 1e-5
    failed = run(
        *("verify", folder / "m.keras", exported[0], "--data", folder / data),
        *("--tolerance", "1e-12"),
        status=1,
    )
    assert failed.startswith("Error: The exported model does not give the numbers")


def test_benchmark(exported):
    figures = json.loads(run("benchmark", exported[0], "--calls", 7, "--json"))
    assert 0 < figures["median"] <= figures["p90"]
    assert (figures["calls"], figures["inputs"]) == (7, "x (1, 5, 2)")
    assert re.search(r"median \S+ ms, 90 % of 3 calls", run("benchmark", exported[0], "--calls", 3))


def test_random_inputs():
    from keras_recurrent.export import Tensor
    from keras_recurrent.export.commands import _random

    random = np.random.default_rng(0)
    floats = _random(Tensor("x", (None, None, 2), "float32"), random, 3, 4)
    assert (floats.shape, floats.dtype) == ((3, 4, 2), np.float32)
    assert _random(Tensor("n", (None,), "int32"), random, 2, 4).tolist() == [1, 1]
    bytes_ = _random(Tensor("q", (1, 999), "int8", scale=0.1, zero_point=3), random, 1, 1)
    assert (bytes_.min(), bytes_.max()) == (-128, 127)


def test_custom_objects(folder, monkeypatch):
    module = folder / "my_layers.py"
    module.write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('cli')\n"
        "class Twice(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return 2 * x\n"
    )
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        twice = importlib.import_module("my_layers").Twice()
        keras.Sequential([keras.Input((2, 2)), twice]).save(folder / "c.keras")
    del sys.modules["my_layers"]
    del keras.saving.get_custom_objects()["cli>Twice"]
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    command = ("verify", "c.keras", "nowhere.tflite", "--data", "x.npy")
    assert "--import the module" in run(*command, status=1)
    assert "no file or folder 'nowhere.tflite'" in run(*command, "--import", "my_layers", status=1)
    assert "No module named 'not_there'" in run(*command, "--import", "not_there", status=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "none.keras", "m.tflite"), "There is no file 'none.keras'"),
        (("export", "x.npy", "m.tflite"), "not a valid|valid .keras|File format"),
        (("export", "m.keras", "out", "--quantize", "float16"), "takes no quantize"),
        (("export", "m.keras", "m2.tflite", "--target", "moon"), "moon"),
        (("export", "m.keras", "nowhere/m.tflite"), "no folder"),
        (("export", "m.keras", "m2.tflite", "--test-data", "x.npz"), "arrays x and y"),
        (("export", "m.keras", "m2.tflite", "--representative-data", "m.keras"), "no .npy"),
        (("inspect", "x.npy"), "not a TFLite file"),
        (("inspect", "none.tflite"), "no file or folder"),
        (("verify", "m.keras", "m.tflite", "--data", "none.npy"), "none.npy"),
    ],
)
def test_failures_are_one_message(folder, exported, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    text = run(*arguments, status=1)
    assert text.startswith("Error: ")
    assert re.search(message, text), text
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("export",),
        ("export", "m.keras", "m.tflite", "--batch-size", "0"),
        ("export", "m.keras", "m.tflite", "--timesteps", "many"),
        ("benchmark", "m.tflite", "--runtime", "toaster"),
        ("verify", "m.keras", "m.tflite"),
        ("unknown",),
    ],
)
def test_wrong_usage(arguments):
    assert "Error" in run(*arguments, status=2)


def test_sizes():
    assert [cli._timesteps(text) for text in ("model", "any", "7")] == ["from the model", None, 7]


def test_help_does_not_wait_for_tensorflow():
    program = (
        "import sys, keras_recurrent_cli\n"
        "sys.argv = ['keras-recurrent', '--help']\n"
        "try:\n"
        "    keras_recurrent_cli.main()\n"
        "finally:\n"
        "    assert 'keras' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "benchmark" in done.stdout
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 0.5


def test_without_typer(monkeypatch):
    monkeypatch.setattr(cli, "typer", None)
    with pytest.raises(SystemExit, match=r"pip install 'keras-recurrent\[export\]'"):
        cli.main()


def test_a_file_that_firmware_cannot_run_leaves_nothing(folder, tmp_path):
    text = run("export", folder / "m.keras", tmp_path / "m.tflite", "--c-array", status=1)
    assert text.startswith("Error: TFLM runs most loops")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"cut short", "not a model saved by Keras"), (None, "Keras cannot load")],
)
def test_what_keras_did_not_save(content, message, tmp_path):
    path = tmp_path / "m.keras"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", "no model")
    else:
        path.write_bytes(content)
    text = run("export", path, tmp_path / "m.tflite", status=1)
    assert re.search(message, text), text


def test_no_times_of_a_saved_model(folder):
    export.to_saved_model(keras.models.load_model(folder / "m.keras"), folder / "saved")
    assert "What is timed is a .tflite file" in run("benchmark", folder / "saved", status=1)
