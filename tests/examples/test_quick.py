"""The examples in their quick form: they run to their end and leave what they should.

`make test` runs one of them, `make examples` all.
"""

import importlib

from examples import outcome, results

# A study of training alone exports nothing.
WITHOUT_FILES = {"vanishing_gradients"}


def pytest_generate_tests(metafunc):
    every = metafunc.config.getoption("--examples")
    metafunc.parametrize("name", results.NAMES if every else ["vowels"])


def test_it_runs_and_leaves_its_outcome_files_and_pictures(name, tmp_path):
    main = importlib.import_module(f"examples.{name}").main
    assert main(["--quick", "--out", str(tmp_path)]) == 0
    found = outcome.read_outcome(tmp_path / outcome.FILE)
    assert found.example == name
    assert found.goal is None  # a quick run promises nothing
    assert found.minutes > 0
    for file, size in found.files.items():
        assert [path.stat().st_size for path in tmp_path.rglob(file)] == [size]
    exported = [file for file in found.files if file.endswith(".tflite")]
    assert bool(exported) != (name in WITHOUT_FILES)
    pictures = {path.name for path in tmp_path.glob("*.png")}
    light = {picture for picture in pictures if not picture.endswith("-dark.png")}
    assert light
    assert {picture.replace(".png", "-dark.png") for picture in light} == pictures - light
