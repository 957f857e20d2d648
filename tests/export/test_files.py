"""Where exports go: refused before any work, complete or not there at all."""

import errno
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
        ("/proc/m.tflite", FileNotFoundError, "The folder '/proc' takes no new files"),
        (f"{'m' * 249}.tflite", OSError, "File name too long"),
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
        ("full", FileExistsError, r"'thesis\.txt', which is no part of a SavedModel"),
        ("/proc/m", FileNotFoundError, "The folder '/proc' takes no new files"),
    ]:
        with pytest.raises(error, match=message):
            export.to_saved_model(model, tmp_path / name)
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_interrupted_file(model, error, tmp_path, monkeypatch):
    def interrupted(folder, output, quantize, samples):
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
    for content in ("assets", "variables"):
        with files.new_folder(folder) as temporary:
            (temporary / "saved_model.pb").write_text(content)
            (temporary / content).touch()
    assert sorted(os.listdir(folder)) == ["saved_model.pb", "variables"]
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".tmp"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_folder_that_takes_no_files(number, model, no_work, tmp_path, monkeypatch):
    error = OSError(number, os.strerror(number))

    def refuse(self, **options):
        raise error

    monkeypatch.setattr(Path, "touch", refuse)
    for write in (export.to_tflite, export.to_saved_model):
        with pytest.raises(type(error), match=f"takes no new files: {error.strerror}") as caught:
            write(model, tmp_path / "m.tflite")
        assert caught.value.errno == number


def test_long_name(tmp_path):
    path = tmp_path / ("m" * 248 + ".tflite")
    with files.new_file(path, ".tflite") as made:
        made.write_text("whole")
    assert path.read_text() == "whole"
    folder = tmp_path / ("f" * 255)
    with files.new_folder(folder) as made:
        (made / "saved_model.pb").touch()
    assert files.is_saved_model(folder)


def test_nothing_lies_beside_the_target_during_the_work(tmp_path):
    """A process ended by a signal cleans nothing up."""
    with files.new_file(tmp_path / "m.tflite", ".tflite") as made:
        made.write_text("half")
        assert not list(tmp_path.iterdir())
    with files.new_folder(tmp_path / "m") as made:
        (made / "saved_model.pb").touch()
        assert [p.name for p in tmp_path.iterdir()] == ["m.tflite"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "m.tflite"]


def failing_at(call: int, function):
    calls = []

    def fail(*arguments):
        calls.append(arguments)
        if len(calls) == call:
            raise OSError(errno.EIO, "it broke")
        return function(*arguments)

    return fail


def saved_model(folder: Path, content: str) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text(content)
    return folder


@pytest.mark.parametrize("call", [1, 2])
def test_exchange_of_folders_that_fails(call, tmp_path, monkeypatch):
    path = saved_model(tmp_path / "m", "the last one")
    monkeypatch.setattr(os, "rename", failing_at(call, os.rename))
    with pytest.raises(OSError, match="it broke"), files.new_folder(path) as made:
        (made / "saved_model.pb").write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    assert (path / "saved_model.pb").read_text() == "the last one"
    assert (path / "variables" / "variables.index").read_text() == "the last one"


def test_exchange_of_files_that_fails(tmp_path, monkeypatch):
    path = tmp_path / "m.tflite"
    path.write_text("the last one")
    monkeypatch.setattr(os, "replace", failing_at(1, os.replace))
    with pytest.raises(OSError, match="it broke"), files.new_file(path, ".tflite") as made:
        made.write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["m.tflite"]
    assert path.read_text() == "the last one"


@pytest.mark.parametrize("entry", ["notes.md", ".git", "variables.bak"])
def test_saved_model_with_a_foreign_entry(entry, model, no_work, tmp_path):
    path = saved_model(tmp_path / "m", "the last one")
    (path / entry).mkdir()
    with pytest.raises(FileExistsError, match=rf"holds '{entry}', which is no part"):
        export.to_saved_model(model, path)
    assert (path / entry).is_dir()


def test_parts_without_a_saved_model(model, no_work, tmp_path):
    (tmp_path / "site" / "assets").mkdir(parents=True)
    with pytest.raises(FileExistsError, match="holds 'assets'"):
        export.to_saved_model(model, tmp_path / "site")


def test_working_directory(model, no_work, tmp_path, monkeypatch):
    monkeypatch.chdir(saved_model(tmp_path / "m", "the last one"))
    for path in (".", "", tmp_path / "m"):
        with pytest.raises(ValueError, match=r"current working directory.*Name a new folder"):
            export.to_saved_model(model, path)
    assert Path("saved_model.pb").read_text() == "the last one"
