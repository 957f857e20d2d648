"""Public names, and who may import whom."""

import ast
import inspect
from pathlib import Path

import keras
import pytest
from conformance.registry import CASES

import keras_recurrent as kr

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "keras_recurrent"


@pytest.mark.parametrize("name", kr.__all__)
def test_public_names(name):
    value = getattr(kr, name)
    if name == "__version__":
        assert value[0].isdigit()
        return
    assert value.__doc__
    first, *rest = inspect.getdoc(value).splitlines()
    assert first.endswith((".", ":"))  # one line
    assert not rest or not rest[0]


ROOMS = [kr.losses.SumOverTime, *map(vars(kr.training).get, kr.training.__all__)]


@pytest.mark.parametrize("value", ROOMS)
def test_public_names_of_rooms(value):
    first, *rest = inspect.getdoc(value).splitlines()
    assert first.endswith(".")
    assert not rest or not rest[0]
    if inspect.isclass(value) and issubclass(value, keras.losses.Loss | keras.layers.Layer):
        registered = keras.saving.get_registered_name(value)
        assert registered.startswith("keras_recurrent")


def test_the_list_is_sorted_and_whole():
    assert len(set(kr.__all__)) == len(kr.__all__)
    public = {
        name
        for name, value in vars(kr).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    rooms = {name for name in kr.__all__ if inspect.ismodule(getattr(kr, name))}
    assert rooms == {"applications", "elmo", "losses", "training"}
    assert public == set(kr.__all__) - {"__version__"} - rooms


def test_every_public_cell_stands_in_the_registry():
    tested = set()
    for case in CASES:
        cell = case.make()
        while cell is not None:
            tested.add(type(cell))
            cell = getattr(cell, "cell", None)
    cells = {
        value
        for value in (getattr(kr, name) for name in kr.__all__)
        if inspect.isclass(value) and issubclass(value, kr.Cell)
    }
    assert cells - {kr.Cell, kr.GatedCell} <= tested


def test_layers_and_cells_are_registered_for_saving():
    for name in kr.__all__:
        value = getattr(kr, name)
        if inspect.isclass(value) and issubclass(value, keras.layers.Layer):
            if value in (kr.Cell, kr.GatedCell):
                continue
            registered = keras.saving.get_registered_name(value)
            assert registered == f"keras_recurrent>{name}"
            assert keras.saving.get_registered_object(registered) is value


def _imports(path: Path) -> set[str]:
    """Full names of everything that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            found.add("." * node.level)
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
            found.add(node.module)
    return found


def _files(*folders: Path):
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def _inside(names: set[str], *packages: str) -> set[str]:
    return {n for n in names for p in packages if n == p or n.startswith(f"{p}.")}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", _files(PACKAGE), ids=_name)
def test_the_package_does_not_import_its_exporters(path):
    assert not {".", ".."} & _imports(path)  # which the rules here do not see
    if path.name != "cli.py":
        assert not _inside(_imports(path), "keras_recurrent.export", "export")


@pytest.mark.parametrize("path", _files(PACKAGE / "engines"), ids=_name)
def test_engines_do_not_import_layers(path):
    assert not _inside(_imports(path), "keras_recurrent.layers", "keras_recurrent.cells")


@pytest.mark.parametrize("path", _files(PACKAGE / "cells"), ids=_name)
def test_cells_import_what_is_below_them(path):
    below = ("cells", "finite", "gates", "keras_hooks", "options", "products")
    allowed = _inside(_imports(path), *(f"keras_recurrent.{name}" for name in below))
    assert _inside(_imports(path), "keras_recurrent") - {"keras_recurrent"} <= allowed


@pytest.mark.parametrize(
    "path",
    [PACKAGE / f"{n}.py" for n in ("gates", "options", "keras_hooks", "finite", "products")],
    ids=_name,
)
def test_the_lowest_files_import_nothing_above_them(path):
    used = _inside(_imports(path), "keras_recurrent") - {"keras_recurrent"}
    lowest = ("options", "finite", "products") if path.name == "gates.py" else ()
    assert used <= _inside(used, *(f"keras_recurrent.{name}" for name in lowest))


SOURCES = _files(PACKAGE, ROOT / "export", ROOT / "examples")


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_nothing_private_is_imported(path):
    private = _inside(_imports(path), "keras.src", "tensorflow.python", "tf_keras", "export")
    assert not private
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            assert not text.startswith(("keras.src.", "tf.python.", "tensorflow.python."))
