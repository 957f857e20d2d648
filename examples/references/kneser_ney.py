"""A 5-gram language model with modified Kneser-Ney smoothing to compare with: that of MITLM.

The MIT Language Modeling Toolkit (Hsu and Glass, "Iterative Language Model Estimation", Interspeech
2008) comes as a program inside the Python package phonetisaurus.
"""

import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from examples.datasets.packages import Package, read_package_file

PHONETISAURUS = Package(
    name="phonetisaurus",
    version="0.3.0",
    sha256="4ad830d748234d778c9e55da731df319f92805120d158825cf8162616bbccc09",
)
PROGRAM = "bin/x86_64/estimate-ngram"
LIBRARIES = ("lib/x86_64/libmitlm.so.1", "lib/x86_64/libgfortran.so.3")


def perplexities(training: Path, held_out: Sequence[Path], order: int = 5) -> list[float]:
    """Of each held-out text: exp of the mean -log p of its words and ends of sentences.

    All texts have a sentence a line and words between spaces; the words of the held-out ones must
    occur in the training text, since others are left out. Takes some seconds for a million words.

    Raises:
        OSError: On other machines than Linux on x86-64, for which there is no program.
        RuntimeError: If the program fails.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise OSError(
            "The Kneser-Ney model is made by a program for Linux on x86-64, and this machine is "
            f"{platform.machine()} with {sys.platform}."
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in (PROGRAM, *LIBRARIES):
            stored = read_package_file(PHONETISAURUS, f"phonetisaurus/{path}")
            (folder / Path(path).name).write_bytes(stored)
        _lend_libquadmath(folder)
        program = folder / Path(PROGRAM).name
        program.chmod(0o700)
        texts = [folder / f"{number}.txt" for number in range(len(held_out))]
        for link, text in zip(texts, held_out, strict=True):
            link.symlink_to(Path(text).resolve())
        command = [program, "-order", order, "-smoothing", "ModKN", "-text", training]
        command += ["-eval-perp", ",".join(map(str, texts))]
        return _run([str(part) for part in command], folder, texts)


def _lend_libquadmath(folder: Path) -> None:
    """The package forgot one library of the Fortran compiler, which NumPy's wheels bring as well."""
    for library in Path(np.__file__).parent.with_name("numpy.libs").glob("libquadmath*"):
        (folder / "libquadmath.so.0").symlink_to(library)


def _run(command: list[str], libraries: Path, texts: list[Path]) -> list[float]:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    said = done.stdout + done.stderr
    found = dict(re.findall(r"\t([^\t\r\n]+)\t([\d.]+)\s*$", said, flags=re.MULTILINE))
    if done.returncode or any(str(text) not in found for text in texts):
        raise RuntimeError(
            f"MITLM's estimate-ngram failed (exit status {done.returncode}). It said:\n{said[-1500:]}"
        )
    return [float(found[str(text)]) for text in texts]
