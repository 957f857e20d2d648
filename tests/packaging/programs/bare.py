"""Runs where the wheel was installed without an extra."""

import importlib
import importlib.util
import time

import keras

start = time.perf_counter()
kr = importlib.import_module("keras_recurrent")
seconds = time.perf_counter() - start
export = importlib.import_module("keras_recurrent.export")


def main() -> None:
    assert "site-packages" in export.__file__, export.__file__
    print(f"keras_recurrent {kr.__version__} from the wheel; {seconds:.2f} s beyond keras")
    assert seconds < 0.3, seconds
    assert importlib.util.find_spec("ai_edge_litert") is None
    model = keras.Sequential([keras.Input((4, 3)), kr.GRU(2)])
    report = export.to_saved_model(model, "bare")
    assert report.largest_difference <= report.tolerance
    try:
        told = str(export.to_tflite(model, "bare.tflite"))
    except ImportError as error:
        told = str(error)
    assert "pip install 'keras-recurrent[export]'" in told, told


if __name__ == "__main__":
    main()
