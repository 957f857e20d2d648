"""The README's Python runs as it stands, in order."""

import re
from pathlib import Path

import keras
import pytest

README = Path(__file__).resolve().parents[1] / "README.md"


def test_code_runs(tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert", reason="the README's export needs the extra 'export'")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 3
    keras.utils.clear_session()  # layers are named as in a reader's own process
    namespace = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
    assert (tmp_path / "model.tflite").stat().st_size > 1000
    assert namespace["layer"](namespace["np"].ones((2, 5, 3), "float32")).shape == (2, 5, 16)
