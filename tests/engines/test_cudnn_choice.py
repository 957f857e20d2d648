"""Whether cuDNN may serve a layer: by its cell, its arguments and the GPUs when it was made."""

import warnings

import keras
import pytest
import tensorflow as tf
from layers.kit import FEATURES, NAMES, STEPS, close, make, sequences

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.cells import cudnn_rules
from keras_recurrent.engines import cudnn

CAN = [
    kr.SimpleRNNCell(4),
    kr.SimpleRNNCell(4, activation="relu"),
    kr.SimpleRNNCell(4, activation=tf.nn.relu),
    kr.GRUCell(4),
    kr.GRUCell(4, use_bias=False, weight_dropout=0.2, dropout=0.1),
    kr.LSTMCell(4, activation=tf.tanh, recurrent_activation=tf.sigmoid),
    kr.LSTMCell(4, activation=keras.ops.tanh, recurrent_activation=keras.ops.sigmoid),
    kr.LSTMCell(4, output_activation="tanh", implementation=1, unit_forget_bias=False),
    kr.LSTMCell(4, projection_units=3, dtype="mixed_bfloat16"),
    kr.WeightDrop(kr.WeightDrop(kr.LSTMCell(4, dtype="float64"), 0.1), 0.2),
]


@pytest.mark.parametrize("cell", CAN, ids=range(len(CAN)))
def test_cells_that_it_can_serve(cell, gpu):
    assert cudnn_rules.refusal(cell) is None
    for engine in ("auto", "cudnn"):
        layer = kr.RNN(cell, engine=engine)
        assert layer.explain_engine().engine == "cudnn"
        assert layer.supports_jit is False


class _OwnLSTMCell(kr.LSTMCell):
    pass


CANNOT = [
    (
        kr.GRUCell(4, recurrent_dropout=0.1),
        r"recurrent_dropout=0\.1 masks h\(t-1\) at each step",
    ),
    (kr.GRUCell(4, normalization="layer"), "normalization='layer': cuDNN normalises nothing"),
    (kr.GRUCell(4, zoneout=0.3), r"zoneout=0\.3 keeps parts"),
    (kr.LSTMCell(4, zoneout=(0.3, 0.0)), r"zoneout=\(0\.3, 0\.0\) keeps parts"),
    (kr.GRUCell(4, activation="relu"), "activation=relu: cuDNN has tanh there"),
    (kr.GRUCell(4, recurrent_activation="hard_sigmoid"), "recurrent_activation=hard_sigmoid"),
    (kr.GRUCell(4, reset_after=False), "reset_after=False: cuDNN lets the reset gate act after"),
    (kr.SimpleRNNCell(4, activation="sigmoid"), "activation=sigmoid: cuDNN has tanh or relu there"),
    (kr.LSTMCell(4, activation=lambda x: tf.tanh(x)), "activation=<lambda>: cuDNN has tanh"),
    (kr.LSTMCell(4, peephole=True), "peephole=True: the gates of cuDNN do not see the cell"),
    (kr.LSTMCell(4, relevance_gate=True), "relevance_gate=True: cuDNN has the gates i, f and o"),
    (kr.LSTMCell(4, coupled_gates=True), "coupled_gates=True: cuDNN has a forget gate"),
    (kr.LSTMCell(4, output_activation="relu"), "output_activation=relu: cuDNN has tanh there"),
    (kr.LSTMCell(4, cell_clip=3.0), r"cell_clip=3\.0: .* no clip"),
    (kr.LSTMCell(4, projection_units=2, projection_clip=3.0), r"projection_clip=3\.0: .* no clip"),
    (kr.LSTMCell(4, projection_units=4), "projection_units=4: .* fewer than units=4"),
    (kr.IndRNNCell(4), "not subclasses or other cells, such as IndRNNCell"),
    (kr.MinimalGRUCell(4), "such as MinimalGRUCell"),
    (_OwnLSTMCell(4), "such as _OwnLSTMCell"),
    (kr.Zoneout(kr.LSTMCell(4), 0.1), "kr.Zoneout keeps parts of the state"),
    (
        kr.WeightDrop(kr.Residual(kr.LSTMCell(4)), 0.1),
        "kr.Residual adds the input within each step",
    ),
    ([kr.LSTMCell(4), kr.LSTMCell(4)], "kr.Stack runs layer by layer"),
]


@pytest.mark.parametrize(("cell", "reason"), CANNOT, ids=range(len(CANNOT)))
def test_cells_that_it_cannot_serve(cell, reason, gpu):
    with pytest.raises(ValueError, match=rf"engine='cudnn' cannot serve this layer: .*{reason}"):
        kr.RNN(cell, engine="cudnn")
    layer = kr.RNN(cell)
    assert layer.explain_engine().engine != "cudnn"
    assert layer.supports_jit


def test_all_reasons_differ():
    reasons = {cudnn_rules.refusal(kr.RNN(cell).cell) for cell, _ in CANNOT}
    assert len(reasons) == len(CANNOT)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_gpu_it_is_refused_when_it_would_run(name):
    """The model still loads, on any machine: it may be there to be exported."""
    layer = make(name, engine="cudnn")
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), layer])
    assert layer.supports_jit
    for run in (layer, model, tf.function(layer)):
        with pytest.raises(ValueError, match="needs an NVIDIA GPU that TensorFlow can see"):
            run(tf.constant(sequences()))
    with pytest.raises(ValueError, match="needs an NVIDIA GPU"):
        layer.explain_engine()


def test_a_model_that_insists_on_it_loads_and_exports_without_a_gpu(tmp_path):
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), kr.LSTM(4, use_cudnn=True)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].use_cudnn is True
    export.to_saved_model(loaded, tmp_path / "folder")
    run = tf.saved_model.load(tmp_path / "folder").signatures["serving_default"]
    (output,) = run(tf.constant(sequences())).values()
    expected = kr.LSTM(4)
    expected.build((None, STEPS, FEATURES))
    expected.set_weights(model.get_weights())
    close(output, expected(sequences()))


def _supports_jit(**arguments):
    return kr.LSTM(4, **arguments).supports_jit


def test_supports_jit_is_settled_at_construction(gpu):
    assert not _supports_jit()
    assert not _supports_jit(engine="cudnn")
    assert not _supports_jit(use_cudnn=True)
    assert _supports_jit(use_cudnn=False)
    assert _supports_jit(engine="loop")
    assert _supports_jit(engine="compiled")
    assert _supports_jit(unroll=True)
    assert _supports_jit(recurrent_dropout=0.1)
    assert _supports_jit(peephole=True)
    pair = keras.Sequential([keras.Input((STEPS, FEATURES)), kr.Bidirectional(kr.LSTM(4))])
    pair.compile("sgd", "mse", jit_compile="auto")
    assert not pair.jit_compile
    pair = keras.Sequential(
        [keras.Input((STEPS, FEATURES)), kr.Bidirectional(kr.LSTM(4, use_cudnn=False))]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras warns where it must leave XLA off
        pair.compile("sgd", "mse", jit_compile=True)
    assert pair.jit_compile


def test_without_a_gpu_xla_stays_possible():
    assert _supports_jit()
    assert _supports_jit(use_cudnn=True)


def test_a_call_never_turns_to_it_later(monkeypatch):
    before = [kr.LSTM(4), kr.GRU(4), kr.SimpleRNN(4)]
    monkeypatch.setattr(cudnn, "visible_gpus", lambda: 1)
    ruled_out = [
        kr.LSTM(4, recurrent_dropout=0.5),
        kr.LSTM(4, engine="loop"),
        kr.GRU(4, use_cudnn=False),
    ]
    for layer in ruled_out:
        layer.engine = "auto"
    ruled_out[0].cell.recurrent_dropout = 0.0
    for layer in (*before, *ruled_out):
        assert layer.explain_engine().engine == "loop"
        assert layer.supports_jit


def test_a_call_may_fall_back_later(gpu):
    layer = kr.LSTM(4)
    assert layer.explain_engine().engine == "cudnn"
    assert layer.explain_engine((None, 1, 2)).engine == "unroll"
    layer.cell.recurrent_dropout = 0.5
    assert layer.explain_engine().engine == "loop"
    with pytest.raises(ValueError, match=r"recurrent_dropout=0\.5"):
        layer.use_cudnn = True


def test_this_machine_is_asked():
    expected = tf.config.get_visible_devices("GPU") if tf.test.is_built_with_cuda() else []
    assert cudnn.visible_gpus() == len(expected)
