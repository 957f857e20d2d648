"""Comparisons that must fail, fail."""

import keras
import numpy as np
import pytest
from keras import layers
from tflite_files import convert, fused_lstm

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export import comparison, flatbuffer, runtimes, sample, verification
from keras_recurrent.export.runtimes.litert import InterpreterRunner
from keras_recurrent.export.signature import signature_of


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    x, h = keras.Input((4, 3), name="x"), keras.Input((2,), name="h")
    return keras.Model([x, h], kr.GRU(2)(x, initial_state=h))


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "m.tflite"
    export.to_tflite(model, path, batch_size=2)
    return path


def data(rows=5, timesteps=4):
    rng = np.random.default_rng(1)
    return [rng.normal(size=(rows, timesteps, 3)), rng.normal(size=(rows, 2))]


def test_own_data_in_parts(model, exported):
    report = export.verify(model, exported, data())  # 5 rows, the file takes 2
    assert report.largest_difference < 1e-5
    assert report.checked == ("x (2, 4, 3), h (2, 2)",)
    by_name = dict(zip(("x", "h"), data(), strict=True))
    assert export.verify(model, exported, by_name).largest_difference < 1e-5


def test_other_weights(model, exported):
    other = keras.models.clone_model(model)
    with pytest.raises(export.VerificationError, match=r"largest difference 0\..*allowed 1e-05"):
        export.verify(other, exported, data())
    assert issubclass(export.VerificationError, ValueError)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (data(timesteps=6), r"do not fit.*x float32 \(2, 4, 3\).*shape \(5, 6, 3\)"),
        (data()[:1], "2 inputs.*data for 1"),
        ([data()[0], data(rows=2)[1]], r"same number of rows.*\[5, 2\]"),
        (data(rows=0), r"shape \(0, 4, 3\)"),
    ],
)
def test_data_that_do_not_fit(model, exported, wrong, message):
    with pytest.raises(ValueError, match=message):
        export.verify(model, exported, wrong)


def test_file_of_another_model(exported):
    other = keras.Sequential([keras.Input((4, 3), name="sound"), kr.GRU(2)])
    with pytest.raises(ValueError, match="no export of this model"):
        export.verify(other, exported, data()[0])


def test_beyond_tolerance_nothing_is_written(tmp_path):
    big = keras.Sequential([keras.Input((4, 32)), kr.LSTM(32)])
    with pytest.raises(export.VerificationError, match=r"allowed 1e-09.*float16"):
        export.to_tflite(big, tmp_path / "m.tflite", quantize="float16", tolerance=1e-9)
    assert not list(tmp_path.iterdir())


def test_kept_state_is_found(tmp_path):
    """A graph with a variable of its own gives something else on its second call."""

    class Counter(layers.Layer):
        def build(self, shape):
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x):
            self.calls.assign_add(1.0)
            return x + self.calls

    model = keras.Sequential([keras.Input((4, 3)), kr.GRU(2), Counter()])
    # The reference counts on its own account, so the difference alone would be seen, too.
    with pytest.raises(export.VerificationError, match=r"second call|numbers of the Keras model"):
        export.to_saved_model(model, tmp_path / "m")
    assert not list(tmp_path.iterdir())


class Drifting:
    """A runner whose first call is right and whose later ones are off by a little more each."""

    name, threads, milliseconds = "Drifting", "1 thread", 1.0

    def __init__(self, run, step, start=0.0):
        self.run, self.step, self.calls, self.start = run, step, 0, start
        self.reset, self.close = run.reset, run.close

    def __call__(self, inputs):
        outputs = {
            name: value + self.start + self.calls * self.step
            for name, value in self.run(inputs).items()
        }
        self.calls += 1
        return outputs


def test_second_call_that_differs(model, exported, monkeypatch):
    monkeypatch.setattr(
        runtimes, "open_runner", lambda path, name: Drifting(InterpreterRunner(path), 3e-6)
    )
    message = r"keeps state: a second call with the same inputs .* by 3\.\d*e-06 in output_0"
    with pytest.raises(export.VerificationError, match=message):
        export.verify(model, exported, data(rows=2))


def with_masking():
    return [layers.Masking(), kr.LSTM(3), layers.Dense(2)]


def with_convolution():
    return [layers.Conv1D(4, 3), kr.GRU(3)]


@pytest.mark.parametrize("parts", [with_masking, with_convolution])
def test_fixed_batch_is_fed_whole(parts, tmp_path):
    """These refuse any other batch size than the file's, a bare recurrent layer does not."""
    model = keras.Sequential([keras.Input((7, 4), name="x"), *parts()])
    path = tmp_path / "m.tflite"
    export.to_tflite(model, path, batch_size=4)
    for rows in (4, 6, 1):
        x = np.random.default_rng(0).normal(size=(rows, 7, 4))
        report = export.verify(model, path, x)
        assert report.timed == "x (4, 7, 4), 1 thread"
        assert report.checked == ("x (4, 7, 4)",)
    export.to_tflite(model, path, batch_size=None)
    assert export.verify(model, path, x.repeat(3, 0)).timed == "x (1, 7, 4), 1 thread"


def test_tolerance_of_the_callers(model, exported):
    other = keras.models.clone_model(model)
    report = export.verify(other, exported, data(), tolerance=np.float32(10))
    assert (report.tolerance, type(report.tolerance)) == (10, float)
    assert report.largest_difference > 1e-5
    with pytest.raises(ValueError, match="tolerance=0"):
        export.verify(model, exported, data(), tolerance=0)


def test_nan_in_the_outputs(tmp_path):
    model = keras.Sequential([keras.Input((4, 3)), kr.GRU(2), layers.Activation(keras.ops.log)])
    with pytest.raises(export.VerificationError, match="model itself gives NaN in output_0"):
        export.to_tflite(model, tmp_path / "m.tflite")
    assert not list(tmp_path.iterdir())


def test_lengths_that_the_model_refuses_are_left_out(tmp_path):
    model = keras.Sequential(
        [keras.Input((None, 3)), layers.Conv1D(4, 3, padding="valid"), kr.GRU(2)]
    )
    report = export.to_tflite(model, tmp_path / "m.tflite")
    assert report.largest_difference < 1e-5
    assert any("(1, 33, 3)" in shapes for shapes in report.checked)


STEPS = 40


@pytest.fixture(scope="module")
def lstm():
    keras.utils.set_random_seed(0)
    x = keras.Input((STEPS, 3), batch_size=1, name="x")
    return keras.Model(x, {"y": kr.LSTM(4, return_sequences=True)(x)})


@pytest.fixture(scope="module")
def fused(lstm, tmp_path_factory):
    """The fused operation as the converter makes it: its cell state is clipped at 10."""
    path = tmp_path_factory.mktemp("fused") / "m.tflite"
    return convert(fused_lstm(lstm), (1, STEPS, 3), path)


def check(model, path, **options):
    return verification.check_on_samples(
        model, signature_of(model), path, flatbuffer.describe(path), None, **options
    )


def test_file_that_keeps_state(lstm, fused):
    x = np.random.default_rng(0).normal(size=(1, STEPS, 3))
    report = export.verify(lstm, fused, x)  # its variables are reset before every call
    assert report.largest_difference < 1e-5
    interpreter, compiled = report.runtimes
    assert interpreter.largest_difference == report.largest_difference
    assert (interpreter.runtime, interpreter.threads) == ("Interpreter", "1 thread")
    assert "Variable tensors" in compiled.refused
    for part in ("Interpreter: largest", "CompiledModel: no. ", "Variable tensors", "1 thread"):
        assert part in str(report)
    with pytest.raises(export.VerificationError, match=r"keeps state.*in Interpreter"):
        check(lstm, fused, target="mobile", stateful=False)


def test_large_inputs_show_a_clipped_state(lstm, fused):
    signature = signature_of(lstm)
    assert sample.saturating_sizes(signature) == [(1, 1, 10.0)]
    with pytest.raises(export.VerificationError, match=r"numbers of the Keras.*floats times 10"):
        check(lstm, fused, target="mobile", stateful=True)


def test_web_needs_compiled_model(lstm, fused):
    with pytest.raises(export.VerificationError, match=r"must run in CompiledModel.*Variable"):
        check(lstm, fused, target="web", stateful=True)


def test_micro(model, tmp_path, micro):
    path = tmp_path / "m.tflite"
    export.to_tflite(model, path, form="unroll", verify=False)
    signature = signature_of(model).pinned(1, "from the model")
    report = verification.check_on_samples(
        model, signature, path, flatbuffer.describe(path), None, "micro"
    )
    (micro,) = report.runtimes
    assert micro.runtime == "TFLM"
    assert report.largest_difference == micro.largest_difference < 1e-5
    assert report.milliseconds == micro.milliseconds
    assert 1_000 < report.arena_bytes < 100_000
    assert f"{report.arena_bytes:,} bytes in TFLM" in str(report)


def test_a_second_runtime_may_refuse_but_not_differ(model, exported, monkeypatch):
    opened = runtimes.open_runner

    def wrong(path, name):
        run = opened(path, name)
        return run if name == "Interpreter" else Drifting(InterpreterRunner(path), 1e-7, start=0.1)

    monkeypatch.setattr(runtimes, "open_runner", wrong)
    with pytest.raises(export.VerificationError, match=r"largest difference 0\..*in Drifting"):
        export.verify(model, exported, data(rows=2))

    def absent(path, name):
        if name == "Interpreter":
            return opened(path, name)
        raise runtimes.Refused("It is not here.")

    monkeypatch.setattr(runtimes, "open_runner", absent)
    report = export.verify(model, exported, data(rows=2))
    assert report.runtimes[1].refused == "It is not here."


def test_large_floats():
    x = keras.Input((8, 3), name="x")
    ids = keras.Input((8,), dtype="int32", name="ids")
    model = keras.Model([x, ids], kr.GRU(2)(layers.concatenate([x, layers.Embedding(5, 2)(ids)])))
    signature = signature_of(model).pinned(1, "from the model")
    (size,) = sample.saturating_sizes(signature)
    large, whole = sample.draw(signature, model, size)
    assert 5 < np.abs(large).max() < 50
    np.testing.assert_array_equal(large[:, :4], -large[:, 4:])
    assert whole.min() >= 0
    assert whole.max() < 5
    only_ids = keras.Model(ids, kr.GRU(2)(layers.Embedding(5, 2)(ids)))
    assert not sample.saturating_sizes(signature_of(only_ids))


def test_noise_below_the_tolerance_is_told():
    """Of outputs far below 1 a tolerance that counts from 1 lets everything pass."""
    small = np.linspace(-1e-3, 1e-3, 10)
    spans = comparison.Spans()
    spans.add("fine", small + 1e-5, small)
    spans.add("lost", 0 * small, small)
    spans.add("lost", small, small)
    spans.add("rounded", np.full(3, 1 + 2e-7), np.ones(3))
    assert spans.notes() == (
        "lost is off by up to 0.001 where the model's own numbers lie between -0.001 and 0.001: within "
        "the tolerance, but it says little.",
    )


def test_noise_below_the_tolerance_is_in_the_report(model, exported):
    other = keras.models.clone_model(model)
    other.set_weights([1e-3 * weights for weights in model.get_weights()])
    inputs = [data()[0], 0 * data()[1]]
    report = export.verify(other, exported, inputs, tolerance=2.0)
    assert "output_0 is off by up to" in report.notes[-1]
