"""Runs where the wheel was installed without an extra."""

import importlib.util
import time

import keras

start = time.perf_counter()
import keras_recurrent as kr

seconds = time.perf_counter() - start
from keras_recurrent import export


def main() -> None:
    assert "site-packages" in export.__file__, export.__file__
    print(f"keras_recurrent {kr.__version__} from the wheel; {seconds:.2f} s beyond keras")
    assert seconds < 0.3, seconds
    assert importlib.util.find_spec("ai_edge_litert") is None
    model = keras.Sequential([keras.Input((4, 3)), kr.GRU(2)])
    report = export.to_saved_model(model, "bare")
    assert report.largest_difference <= report.tolerance
    try:
        export.to_tflite(model, "bare.tflite")
    except ImportError as error:
        assert "pip install 'keras-recurrent[export]'" in str(error), error
    else:
        raise AssertionError("an export without the runtime that checks it")


if __name__ == "__main__":
    main()
