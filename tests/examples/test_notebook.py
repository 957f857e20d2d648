"""The notebook as it is committed: run from top to bottom, tidy, small; see `make notebook`."""

from pathlib import Path

import nbformat
import pytest

from examples.tidy_notebook import tidy

PATH = Path(__file__).resolve().parents[2] / "examples" / "from_equations_to_the_phone.ipynb"


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(PATH, as_version=4)


def test_it_was_run_in_order_and_without_errors(notebook):
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert kinds <= {"stream", "execute_result", "display_data"}
    assert sum("image/png" in o.get("data", {}) for cell in code for o in cell.outputs) >= 4


def test_it_is_tidy_and_small(notebook):
    assert nbformat.writes(tidy(nbformat.from_dict(notebook))) == nbformat.writes(notebook)
    assert PATH.stat().st_size < 500_000


def test_folders_of_a_machine_are_refused_and_logs_dropped():
    cell = nbformat.v4.new_code_cell("print(1)", metadata={"execution": {"began": "now"}})
    cell.outputs = [
        nbformat.v4.new_output("stream", name=name, text=text)
        for name, text in (("stdout", "1\n"), ("stderr", "a warning"), ("stdout", "2\n"))
    ]
    notebook = tidy(nbformat.v4.new_notebook(cells=[cell]))
    assert [output.text for output in notebook.cells[0].outputs] == ["1\n2\n"]
    assert not notebook.cells[0].metadata
    notebook.cells[0].outputs[0].text = f"written to {Path.cwd()}/model.tflite"
    with pytest.raises(ValueError, match="names folders of this machine"):
        tidy(notebook)
