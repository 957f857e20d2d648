"""examples/web/stream.js in Chromium: streaming exports of several models, beside Keras."""

import keras
import numpy as np
import pytest

import keras_recurrent as kr
from keras_recurrent import export

STEPS, FEATURES = 12, 5
# Streams the blocks twice with a reset between; gives all outputs of both.
PROGRAM = """
const [blocks, finish] = arguments;
(async () => {
  const { loadRuntime, Stream } = await import("./stream.js");
  await loadRuntime("./node_modules/@litertjs/core/wasm/");
  const file = await fetch("model/step.tflite");
  const stream = await Stream.open(new Uint8Array(await file.arrayBuffer()));
  const outputs = [];
  for (let round = 0; round < 2; round++) {
    stream.reset();
    for (const block of blocks) outputs.push([...(await stream.push(new Float32Array(block)))]);
  }
  return outputs;
})().then(finish, (error) => finish(String(error)));
"""
LAYERS = {
    "a GRU whose output is its state": [kr.GRU(8)],
    "two layers": [kr.LSTM(8, return_sequences=True), kr.GRU(6), keras.layers.Dense(3)],
    "an output a frame": [
        keras.layers.Conv1D(6, 3, padding="causal"),
        kr.LSTM(4, return_sequences=True),
    ],
}


@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("case", list(LAYERS))
def test_streams_to_what_keras_says(case, block, browser, serve, tmp_path):
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), *LAYERS[case]])
    export.to_tflite(
        model, tmp_path / "step.tflite", target="web", streaming=True, block=block, verify=False
    )
    x = np.random.default_rng(0).normal(size=(1, STEPS, FEATURES)).astype("float32")
    browser.get(serve(tmp_path))
    blocks = x.reshape(STEPS // block, block * FEATURES).tolist()
    outputs = browser.execute_async_script(PROGRAM, blocks)
    assert isinstance(outputs, list), outputs
    first, second = np.split(np.array(outputs, "float32"), 2)
    np.testing.assert_array_equal(first, second)
    expected = np.asarray(model(x, training=False))
    if expected.ndim == 3:
        np.testing.assert_allclose(first.reshape(expected.shape), expected, rtol=0, atol=1e-6)
    else:
        np.testing.assert_allclose(first[-1:], expected, rtol=0, atol=1e-6)
