"""Where exports go: refused before any work, complete or not there at all."""

import os
from pathlib import Path

import keras
import pytest

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export import converter, files


@pytest.fixture(scope="module")
def model():
    return keras.Sequential([keras.Input((3, 2)), kr.GRU(2)])


@pytest.fixture
def no_work(monkeypatch):
    """Fail if anything is traced or converted."""

    def forbidden(*args):
        raise AssertionError("work was done before the path was checked")

    monkeypatch.setattr(export, "trace", forbidden)
    monkeypatch.setattr(export, "adopt", forbidden)


def bad_paths(folder: Path):
    (folder / "file").write_text("mine")
    (folder / "folder.tflite").mkdir()
    return [
        ("missing/m.tflite", FileNotFoundError, "missing"),
        ("file/m.tflite", NotADirectoryError, "not a folder"),
        ("folder.tflite", IsADirectoryError, "this is a folder"),
        ("m.bin", ValueError, r"must end in '\.tflite'.*m\.bin"),
        ("/proc/m.tflite", PermissionError, "Nothing can be written"),
    ]


def test_bad_tflite_paths(model, no_work, tmp_path):
    for name, error, message in bad_paths(tmp_path):
        with pytest.raises(error, match=message):
            export.to_tflite(model, tmp_path / name)
    with pytest.raises(TypeError, match="Received: 3"):
        export.to_tflite(model, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.tflite"]


def test_bad_saved_model_paths(model, no_work, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    for name, error, message in [
        ("missing/m", FileNotFoundError, "missing"),
        ("file/m", NotADirectoryError, "not a folder"),
        ("file", NotADirectoryError, "this is a file"),
        ("full", FileExistsError, "something else than a SavedModel"),
        ("/proc/m", PermissionError, "Nothing can be written"),
    ]:
        with pytest.raises(error, match=message):
            export.to_saved_model(model, tmp_path / name)
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_interrupted_file(model, error, tmp_path, monkeypatch):
    def interrupted(folder, output, quantize):
        output.write_text("half a file")
        raise error("stop")

    path = tmp_path / "m.tflite"
    path.write_text("the last one")
    monkeypatch.setattr(converter, "convert", interrupted)
    with pytest.raises(error, match="stop"):
        export.to_tflite(model, path)
    assert [p.name for p in tmp_path.iterdir()] == ["m.tflite"]
    assert path.read_text() == "the last one"


def test_interrupted_folder(model, tmp_path, monkeypatch):
    path = tmp_path / "m"
    path.mkdir()
    (path / "saved_model.pb").write_text("the last one")

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(export.saved_model, "describe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export.to_saved_model(model, path)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    assert (path / "saved_model.pb").read_text() == "the last one"


def test_existing_ones_are_replaced(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_text("old")
    (tmp_path / "link.tflite").symlink_to(path)
    with files.new_file(tmp_path / "link.tflite", ".tflite") as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert (tmp_path / "link.tflite").is_symlink()

    folder = tmp_path / "folder"
    folder.mkdir()  # an empty folder may be filled
    for content in ("first", "second"):
        with files.new_folder(folder) as temporary:
            (temporary / "saved_model.pb").write_text(content)
            (temporary / content).touch()
    assert sorted(os.listdir(folder)) == ["saved_model.pb", "second"]
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".tmp"]
