"""`to_tflite`: whole models through the converter and the Interpreter."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_recurrent as kr
from keras_recurrent import export

EXACT = 1e-5
RANDOM = ("RANDOM", "MULTINOMIAL", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")


def one_input(*run, shape=(None, 4)):
    x = keras.Input(shape, name="x")
    y = x
    for layer in run:
        y = layer(y)
    return keras.Model(x, y)


def with_lengths(dtype="int32"):
    x, lengths = keras.Input((None, 4), name="x"), keras.Input((), dtype=dtype, name="lengths")
    layer = kr.Bidirectional(kr.GRU(3, return_sequences=True), merge_mode="ave")
    return keras.Model([x, lengths], layer(x, lengths=lengths))


def with_states():
    x, h, c = (keras.Input(s, name=n) for n, s in (("x", (None, 4)), ("h", (3,)), ("c", (3,))))
    y, *states = kr.LSTM(3, return_sequences=True, return_state=True, go_backwards=True)(
        x, initial_state=[h, c]
    )
    return keras.Model({"x": x, "h": h, "c": c}, {"y": y, "h": states[0], "c": states[1]})


def with_embedding():
    ids = keras.Input((None,), dtype="int32", name="ids")
    y = layers.Embedding(7, 4, mask_zero=True)(ids)
    y = kr.Bidirectional(kr.LSTM(3, return_sequences=True))(y)
    return keras.Model(ids, kr.GRU(3, reset_after=False, return_state=True)(y))


def every_lstm_variant():
    return one_input(
        layers.Masking(),
        layers.Dropout(0.5),
        kr.LSTM(
            4,
            projection_units=3,
            peephole=True,
            relevance_gate=True,
            normalization="layer",
            cell_clip=0.5,
            projection_clip=0.4,
            zoneout=(0.2, 0.1),
            dropout=0.2,
            recurrent_dropout=0.2,
            weight_dropout=0.2,
            zero_output_for_mask=True,
            return_sequences=True,
        ),
        kr.LSTM(3, coupled_gates=True, output_activation="relu"),
    )


def wrapped_cells():
    cells = [
        kr.Zoneout(kr.IndRNNCell(4), 0.1),
        kr.Residual(kr.MinimalGRUCell(4)),
        kr.WeightDrop(kr.SimpleRNNCell(3), 0.2),
        kr.GRUCell(3, normalization="layer"),
    ]
    return one_input(kr.RNN(cells, return_state=True, return_sequences=True))


def stack():
    inner = [kr.GRU(4, return_sequences=True), kr.LSTM(4, return_sequences=True)]
    return one_input(kr.Stack(inner, residual=True), layers.Dense(2))


MODELS = [
    with_lengths,
    with_states,
    with_embedding,
    every_lstm_variant,
    wrapped_cells,
    stack,
]


@pytest.mark.parametrize("sizes", ["static", "dynamic"])
@pytest.mark.parametrize("build", MODELS)
def test_loop_is_exact_and_builtin(build, sizes, tmp_path):
    keras.utils.set_random_seed(1)
    model = build()
    options = {"timesteps": 5} if sizes == "static" else {"batch_size": None}
    report = export.to_tflite(model, tmp_path / "m.tflite", **options)
    assert report.largest_difference < EXACT
    assert not report.custom_ops
    assert not report.variables
    assert not [op for op in report.ops if op.startswith(RANDOM)]
    assert report.ops["WHILE"] >= 1
    sizes_tried = 1 if sizes == "static" else 4
    has_floats = any(tensor.dtype == "float32" for tensor in report.inputs)
    # Once more with large floats, but where the model itself hangs on their last bits.
    assert len(report.checked) - sizes_tried in (
        (0, 1) if build is every_lstm_variant else (has_floats,)
    )
    interpreter, compiled = report.runtimes
    assert interpreter.largest_difference == report.largest_difference
    if sizes == "static":
        assert compiled.largest_difference < EXACT
    else:
        assert "open sizes" in compiled.refused
    for tensor in report.inputs:
        assert tensor.shape[0] == (1 if sizes == "static" else None)


def test_against_plain_calls(tmp_path):
    """The file gives what the model gives, checked without the package's own comparison."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    model = with_lengths("int64")
    path = tmp_path / "m.tflite"
    export.to_tflite(model, path, batch_size=None, verify=False)
    run = interpreter.Interpreter(str(path)).get_signature_runner()
    x = np.random.default_rng(0).normal(size=(3, 6, 4)).astype("float32")
    lengths = np.array([6, 0, 2])
    output = run(x=x, lengths=lengths)["output_0"]
    np.testing.assert_allclose(output, model([x, lengths]), atol=EXACT)
    assert not output[1].any()


def test_unroll_has_no_loop(tmp_path):
    model = one_input(kr.LSTM(3, engine="loop"), shape=(4, 4))
    report = export.to_tflite(model, tmp_path / "m.tflite", form="unroll")
    assert "WHILE" not in report.ops
    assert (report.form, report.largest_difference < EXACT) == ("unroll", True)


def test_unroll_needs_a_length(tmp_path):
    with pytest.raises(ValueError, match=r"needs a fixed number of time steps.*timesteps='from"):
        export.to_tflite(one_input(kr.LSTM(3)), tmp_path / "m.tflite", form="unroll")
    assert not list(tmp_path.iterdir())


def test_float16_halves_the_file(tmp_path):
    keras.utils.set_random_seed(0)
    model = one_input(kr.LSTM(96), shape=(6, 40))
    plain = export.to_tflite(model, tmp_path / "a.tflite")
    half = export.to_tflite(model, tmp_path / "b.tflite", quantize="float16")
    eighth = export.to_tflite(model, tmp_path / "c.tflite", quantize="dynamic")
    assert [r.quantize for r in (plain, half, eighth)] == [None, "float16", "dynamic"]
    assert plain.bytes > 1.6 * half.bytes > 1.6 * 1.3 * eighth.bytes
    assert EXACT < half.largest_difference < half.tolerance == 5e-3
    assert half.largest_difference < eighth.largest_difference < eighth.tolerance == 5e-2


def test_dynamic_says_when_nothing_is_quantised(tmp_path):
    report = export.to_tflite(one_input(kr.LSTM(3)), tmp_path / "m.tflite", quantize="dynamic")
    assert report.quantize is None
    assert "1,024" in report.notes[0]


def test_subclassed_model(tmp_path):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = kr.GRU(3)

        def call(self, pair):
            return {"y": self.layer(pair["x"]) + pair["offset"]}

    model = Own()
    model({"x": np.zeros((2, 5, 4)), "offset": np.zeros((2, 3))})
    report = export.to_tflite(model, tmp_path / "m.tflite")
    assert {str(t) for t in report.inputs} == {"x float32 (1, 5, 4)", "offset float32 (1, 3)"}
    assert report.outputs[0].name == "y"
    report = export.to_tflite(model, tmp_path / "m.tflite", batch_size=None, timesteps=None)
    assert {str(t) for t in report.inputs} == {"x float32 (?, ?, 4)", "offset float32 (?, 3)"}


def test_timesteps(tmp_path):
    path = tmp_path / "m.tflite"
    report = export.to_tflite(one_input(kr.GRU(3)), path, timesteps=6, batch_size=2)
    assert report.inputs[0].shape == (2, 6, 4)
    assert "x (2, 6, 4), 1 thread" in report.timed
    fixed = one_input(kr.GRU(3), shape=(5, 4))
    with pytest.raises(ValueError, match=r"fix the number of time steps.*timesteps=6"):
        export.to_tflite(fixed, path, timesteps=6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "phone"}, r"'mobile' \| 'web' \| 'micro'\. Received: target='phone'"),
        ({"target": "micro"}, r"'micro'.*fixed number of time steps.*\(1, \?, 4\)"),
        ({"target": "web"}, r"'web'.*fixed number of time steps.*\(1, \?, 4\)"),
        ({"form": "compiled"}, r"'fused' \| 'unroll' \| 'step'\. Received: form='compiled'"),
        ({"form": "fused"}, "form='fused' needs a fixed number of time steps"),
        ({"form": "step"}, "streaming=True"),
        ({"form": "loop", "streaming": True}, "A streaming export is a step"),
        ({"target": "web", "form": "fused"}, "Use form='loop'"),
        ({"target": "micro", "quantize": "dynamic"}, "NaN.*quantize='int8'"),
        ({"form": "loop", "quantize": "int8", "representative_data": [1]}, "streaming=True"),
        ({"quantize": "int4"}, r"'int8' \| 'int16x8'\. Received: quantize='int4'"),
        ({"quantize": "int8"}, "needs `representative_data`.*Received: None"),
        ({"quantize": False}, "Received: quantize=False"),
        ({"streaming": 1}, "streaming=1"),
        ({"streaming": True, "timesteps": 4}, "leave `timesteps` out.*timesteps=4"),
        ({"streaming": True, "batch_size": None}, "batch_size=None"),
        ({"target": "web", "timesteps": 5, "batch_size": None}, "batch_size=None"),
        ({"block": 4}, "block=4"),
        ({"verify": "yes"}, "verify='yes'"),
        ({"representative_data": [1]}, "representative_data"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"timesteps": "all"}, "timesteps='all'"),
        ({"timesteps": np.array([1, 2])}, r"timesteps=array\(\[1, 2\]\)"),
        ({"batch_size": np.array([1, 2])}, r"batch_size=array\(\[1, 2\]\)"),
        ({"block": np.array([1, 2])}, r"block=array\(\[1, 2\]\)"),
        ({"form": np.array(["loop", "auto"])}, "form=array"),
        ({"tolerance": -1}, "tolerance=-1"),
        ({"tolerance": float("inf")}, "positive finite number"),
        ({"tolerance": True}, "tolerance=True"),
        ({"tolerance": float("nan")}, "tolerance=nan"),
        ({"tolerance": np.array([1e-3, 1e-3])}, "tolerance=array"),
    ],
)
def test_arguments_that_contradict(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export.to_tflite(one_input(kr.LSTM(3)), tmp_path / "m.tflite", **arguments)


def test_numbers_of_numpy(tmp_path):
    report = export.to_tflite(
        one_input(kr.LSTM(3)),
        tmp_path / "m.tflite",
        batch_size=np.int64(2),
        timesteps=np.array(3),
        tolerance=np.float32(1e-3),
    )
    assert report.inputs[0].shape == (2, 3, 4)
    assert type(report.tolerance) is float
    assert report.tolerance == pytest.approx(1e-3)
    assert "tolerance" in report.to_json()


def test_not_a_model(tmp_path):
    path = tmp_path / "m.tflite"
    with pytest.raises(TypeError, match=r"keras\.Model.*Received: 'model'"):
        export.to_tflite("model", path)
    with pytest.raises(TypeError, match="LSTM"):
        export.to_tflite(kr.LSTM(3), path)
    with pytest.raises(ValueError, match="not built"):
        export.to_tflite(keras.Sequential([kr.LSTM(3)]), path)


def test_stateful_layers(tmp_path):
    x = keras.Input(batch_shape=(1, 5, 4))
    model = keras.Model(x, kr.LSTM(3, stateful=True, name="kept")(x))
    with pytest.raises(ValueError, match=r"stateful=False.*\['kept'\]"):
        export.to_tflite(model, tmp_path / "m.tflite")


def test_nan_weights(tmp_path):
    model = one_input(kr.LSTM(3, name="bad"))
    weights = model.get_weights()
    weights[1][0, 0] = np.nan
    model.set_weights(weights)
    with pytest.raises(ValueError, match=r"bad/.*recurrent_kernel' holds NaN in 1 of 36"):
        export.to_tflite(model, tmp_path / "m.tflite")


def test_half_precision(tmp_path):
    model = one_input(kr.LSTM(3, dtype="mixed_float16", name="half"))
    with pytest.raises(ValueError, match="'half' computing in float16"):
        export.to_tflite(model, tmp_path / "m.tflite")


@pytest.mark.parametrize("with_embedding", [True, False])
def test_subclassed_model_that_hides_its_inputs(with_embedding, tmp_path):
    class Hidden(keras.Model):
        def __init__(self):
            super().__init__()
            self.embed = layers.Embedding(5, 4) if with_embedding else None
            self.layer = kr.GRU(3)

        if with_embedding:

            def call(self, ids):
                return self.layer(self.embed(ids))
        else:

            def call(self, x, offset):
                return self.layer(x) + offset

    model = Hidden()
    model(np.zeros((1, 2))) if with_embedding else model(np.zeros((1, 2, 4)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"Wrap it: inputs = keras\.Input"):
        export.to_tflite(model, tmp_path / "m.tflite")
    inputs = [keras.Input((6,), dtype="int32")]
    if not with_embedding:
        inputs = [keras.Input((6, 4)), keras.Input((3,))]
    wrapped = keras.Model(inputs, model(*inputs))
    report = export.to_tflite(wrapped, tmp_path / "m.tflite")
    assert report.largest_difference < EXACT


def test_missing_operations_are_named(tmp_path):
    model = one_input(kr.LSTM(3), layers.Lambda(lambda x: keras.ops.erfinv(x / 2)))
    with pytest.raises(RuntimeError, match="no built-in operation for Erfinv"):
        export.to_tflite(model, tmp_path / "m.tflite")
    assert not list(tmp_path.iterdir())
