"""Take out of an executed notebook what differs from run to run and from machine to machine."""

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import nbformat


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop times of execution, log messages and the kernel's version; what is printed is one piece.

    Raises:
        ValueError: What remains names a folder of this machine.
    """
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _joined(out for out in cell.outputs if out.get("name") != "stderr")
    found = sorted(folder for folder in _folders() if folder in _words(notebook))
    if found:
        raise ValueError(
            f"The notebook names folders of this machine, which no reader has. Received: {found}. "
            "Print names instead of paths."
        )
    return notebook


def _joined(outputs: Iterable) -> list:
    """What is printed piece by piece comes in as many outputs as time allowed."""
    joined: list = []
    for output in outputs:
        if joined and output.output_type == joined[-1].output_type == "stream":
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _folders() -> set[str]:
    folders = {Path.home(), Path.cwd(), Path(tempfile.gettempdir()), Path(sys.prefix)}
    return {f"{folder}/" for folder in map(str, folders) if folder != "/"}


def _words(notebook: nbformat.NotebookNode) -> str:
    """All that is there to be read; pictures are no words."""
    words = [cell.source for cell in notebook.cells]
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            words.append(str(output.get("text", "")))
            words += [
                str(v) for k, v in output.get("data", {}).items() if not k.startswith("image/")
            ]
    return "\n".join(words)


def main() -> None:
    for path in map(Path, sys.argv[1:]):
        temporary = path.with_name(f".{path.name}.part")
        nbformat.write(tidy(nbformat.read(path, as_version=4)), temporary)
        os.replace(temporary, path)


if __name__ == "__main__":
    main()
