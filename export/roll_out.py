"""Streams run block by block: to record what a step reads, and to hold it against whole sequences."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.engines import lowering
from keras_recurrent.export import sample
from keras_recurrent.export.comparison import Spans, VerificationError
from keras_recurrent.export.report import Tensor
from keras_recurrent.export.signature import Signature, name_outputs
from keras_recurrent.export.streaming import Step
from keras_recurrent.export.streaming_model import StreamingModel
from keras_recurrent.keras_hooks import all_layers

LONGEST = 40  # time steps of the longest made-up sequence: errors that grow over time show
TOLERANCE = 1e-6
_CALLS = 2000  # of a step on the caller's data, at most
_ROWS = 2  # of a batch, where the step takes any number

Run = Callable[[dict], dict]


def roll_out(
    streaming: StreamingModel, signature: Signature, data, size: int | None = None
) -> list[dict[str, np.ndarray]]:
    """What each call of a step reads when sequences stream through it, states included.

    All rows go through the step together, in TensorFlow.

    Args:
        streaming: What `check_streamable` gave.
        signature: That of the original model.
        data: Whole sequences, as the model takes them. Frames behind the last full block are left
            out.
        size: Rows of a call; all by default. The last batch is filled up with first rows.

    Returns:
        One dictionary of arrays by input name for every call: batch after batch, each in order.
    """
    step = Step(streaming, signature, None)
    specs = [tf.TensorSpec(t.shape, t.dtype, t.name) for t in (*step.inputs, *step.states)]
    function = tf.function(step, specs, autograph=False)
    calls: list[dict] = []

    def run(inputs):
        calls.append(inputs)
        outputs = function(*(tf.constant(inputs[spec.name]) for spec in specs))
        return {name: value.numpy() for name, value in outputs.items()}

    recorded = []
    (rows,) = batches(streaming, signature, data, None)
    for _ in blocks(run, streaming, rows, step.states):
        pass
    count = len(rows[0])
    size = count if size is None else size
    for start in range(0, count, size):
        places = np.arange(start, start + size) % count
        recorded += [{name: value[places] for name, value in call.items()} for call in calls]
    return recorded


def batches(
    streaming: StreamingModel, signature: Signature, data, size: int | None
) -> Iterator[list[np.ndarray]]:
    """The caller's sequences in batches of `size` rows, in the signature's order; checked."""
    inputs = streaming.inputs(signature, None, None)
    arrays = []
    for tensor, value in zip(inputs, signature.flatten(data), strict=True):
        array = np.asarray(value).astype(tf.as_dtype(tensor.dtype).as_numpy_dtype)
        fits = array.ndim == len(tensor.shape) and all(
            wanted in (None, got) for wanted, got in zip(tensor.shape, array.shape, strict=True)
        )
        if not fits or not array.size:
            raise ValueError(
                f"The data do not fit the model's input {tensor}. Received: shape {array.shape}"
            )
        arrays.append(array)
    lengths = {a.shape[1] for a, long in zip(arrays, streaming.sequences, strict=True) if long}
    rows = {len(a) for a in arrays}
    if len(lengths) > 1 or len(rows) > 1 or min(lengths) < streaming.block:
        raise ValueError(
            "All sequences of a batch must have the same number of rows and of time steps, at least "
            f"the {streaming.block} of a block. Received: shapes {[a.shape for a in arrays]}"
        )
    (count,) = rows
    size = count if size is None else size
    for start in range(0, count, size):
        yield [a[np.arange(start, start + size) % count] for a in arrays]


def blocks(
    run: Run, streaming: StreamingModel, inputs: list, states: Sequence[Tensor]
) -> Iterator[dict]:
    """Stream a batch from zero states: the outputs of every call, new states included."""
    named = list(zip(streaming.names, inputs, streaming.sequences, strict=True))
    steps = min(array.shape[1] for _, array, long in named if long)
    kept = zeros_of(states, len(inputs[0]))
    for start in range(0, steps - streaming.block + 1, streaming.block):
        cut = slice(start, start + streaming.block)
        outputs = run({name: a[:, cut] if long else a for name, a, long in named} | kept)
        kept = {t.name: outputs[t.name] for t in states}
        yield outputs


def zeros_of(states: Sequence[Tensor], rows: int) -> dict[str, np.ndarray]:
    return {
        t.name: np.zeros((rows, *t.shape[1:]), tf.as_dtype(t.dtype).as_numpy_dtype) for t in states
    }


def check_roll_out(
    model,
    streaming: StreamingModel,
    signature: Signature,
    runner: Run,
    states: Sequence[Tensor],
    data=None,
    tolerance: float | None = None,
    *,
    made_up: bool = True,
    saturate: bool = True,
    reference: "Reference | None" = None,
    spans: Spans | None = None,
) -> tuple[float, float, tuple[str, ...]]:
    """Hold a stream, block by block, against the Keras model on whole sequences.

    Made-up sequences of one block, of several and of about 40 steps from zero states, then once more
    after a reset; inputs ten times as large; one call from random states.

    Args:
        model: The original model.
        streaming: What `check_streamable` gave for it.
        signature: That of the original model.
        runner: Runs one call of the exported step: arrays by name to arrays by name.
        states: What `trace_step` gave; their first axis says how many rows a call takes.
        data: Sequences of the caller's.
        tolerance: Largest difference allowed, relative to max(1, largest output); default 1e-6.
        made_up: Whether to use made-up sequences: not where integers stand for a measured range.
        saturate: Whether these are to be large once: not where the rounding grows with the values.
        reference: Keeps the graphs of the models from one comparison to the next.
        spans: Takes in how far each output is off.

    Returns:
        The largest and the mean difference, and what was compared.

    Raises:
        VerificationError: It differs, or gives NaN where the model does not.
    """
    rows = states[0].shape[0]
    reference = Reference(signature) if reference is None else reference
    check = _Check(model, streaming, signature, runner, states, reference, spans or Spans())
    if made_up:
        _check_made_up(check, rows, saturate)
    if data is not None:
        check.given(batches(streaming, signature, data, rows))
        if not check.count:
            raise VerificationError(
                "The Keras model itself gives NaN for all of the data, there is nothing to compare "
                "with. Use data without NaN."
            )
    mean = check.total / max(check.count, 1)
    tolerance = TOLERANCE if tolerance is None else tolerance
    if not check.largest <= tolerance:
        raise VerificationError(
            "The stream does not give the numbers of the Keras model on whole sequences. Received: "
            f"largest difference {check.largest:.3g} ({check.worst}), mean {mean:.3g}, allowed "
            f"{tolerance:.3g}. A layer of your own that looks at several time steps cannot stream; "
            "where rounding is amplified (layer normalisation over a few units), `tolerance` allows "
            "more."
        )
    return check.largest, mean, tuple(check.checked)


def _check_made_up(check: "_Check", rows: int | None, saturate: bool) -> None:
    lengths = check.lengths()
    drawn = [check.draw(rows or _ROWS, length) for length in lengths]
    for inputs, length in zip(drawn, lengths, strict=True):
        check.whole(inputs, f"{length} steps")
    check.whole(drawn[0], f"{lengths[0]} steps after a reset")
    if saturate and any(a.dtype.kind == "f" for a in drawn[-1]):
        large = [_ten_times(a) for a in drawn[-1]]
        # States get as much larger, and so does their rounding.
        check.whole(large, f"{lengths[-1]} steps, ten times as large", unit=10.0)
    check.random_states(drawn[0], rows)
    check.copy()


def _ten_times(array):
    return 10 * array if array.dtype.kind == "f" else array


class Reference:
    """Keras models on flat lists of arrays: as graphs, since loops take milliseconds a step eagerly."""

    def __init__(self, signature: Signature):
        self._signature = signature
        self._graphs: dict[tuple, Callable] = {}

    def __call__(self, model, inputs: list[np.ndarray]) -> dict[str, np.ndarray]:
        tensors = [tf.constant(array) for array in inputs]
        key = (id(model), *(tensor.shape for tensor in tensors))
        if key not in self._graphs:
            self._graphs[key] = self._graph(model, tensors)
        outputs = self._graphs[key](*tensors)
        return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}

    def _graph(self, model, tensors):
        def call(*flat):
            with lowering("saved_model"):  # XLA would compile for each shape
                return name_outputs(model(self._signature.pack(flat), training=False))

        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors]
        return tf.function(call, autograph=False).get_concrete_function(*specs)


class _Check:
    """Comparisons, and the differences found so far."""

    def __init__(self, model, streaming, signature, runner, states, reference, spans):
        self.largest, self.total, self.count, self.worst = 0.0, 0.0, 0, ""
        self.checked: list[str] = []
        self._model, self._streaming, self._signature = model, streaming, signature
        self._run, self._states, self._call, self._spans = runner, states, reference, spans
        # Those that keep a state of their own, or insist on a GPU: their copy in the stream does not.
        self._bound = any(
            getattr(la, "stateful", False) or getattr(la, "engine", None) == "cudnn"
            for la in all_layers(model)
        )
        self._fixed = next(
            t.shape[1]
            for t, long in zip(signature.inputs, streaming.sequences, strict=True)
            if long
        )
        if not signature.declared:
            self._fixed = None

    def lengths(self) -> list[int]:
        block = self._streaming.block
        return sorted({block, 3 * block, max(LONGEST // block, 1) * block})

    def draw(self, batch: int, length: int) -> list[np.ndarray]:
        inputs = self._streaming.inputs(self._signature, batch, length)
        return sample.draw(
            replace(self._signature, inputs=tuple(inputs)),
            self._model,
            sample.Size(batch, length),
        )

    def whole(self, inputs, what: str, unit: float = 1.0) -> None:
        """All blocks of a batch against the whole sequence; an output for the last step, the last."""
        steps = self._streaming.block * (self._steps(inputs) // self._streaming.block)
        cut = [
            a[:, :steps] if long else a
            for a, long in zip(inputs, self._streaming.sequences, strict=True)
        ]
        expected = self._reference(cut, steps)
        received = list(blocks(self._run, self._streaming, inputs, self._states))
        for name, values in expected.items():
            parts = [outputs.get(name) for outputs in received]
            together = joined(parts, np.shape(values))
            self._compare(together, values, f"{name}, {what}", unit)
            self._spans.add(name, together, values)
        self.checked.append(what)

    def given(self, all_batches) -> None:
        calls = 0
        for place, inputs in enumerate(all_batches):
            calls += self._steps(inputs) // self._streaming.block
            if place and calls > _CALLS:
                return
            self.whole(inputs, f"{self._steps(inputs)} steps of the data, batch {place + 1}")

    def random_states(self, inputs, rows: int | None) -> None:
        """One call from other states than zeros against the Keras layers, each in a loop."""
        rng = np.random.default_rng(1)
        given = {
            name: rng.uniform(-1, 1, zero.shape).astype(zero.dtype)
            for name, zero in zeros_of(self._states, rows or _ROWS).items()
        }
        named = dict(zip(self._streaming.names, inputs, strict=True))
        received = self._run({**named, **given})
        step = Step(self._streaming, self._signature, rows)
        outputs, carry = step.run(
            [tf.constant(a) for a in inputs],
            {name: tf.constant(value) for name, value in given.items()},
            "saved_model",
        )
        for name, values in {**outputs, **carry.new}.items():
            values = keras.ops.convert_to_numpy(values)
            self._compare(received.get(name), values, f"{name}, from random states")
        self.checked.append("random states")

    def copy(self) -> None:
        """Where the model takes one length only, its copy serves as the truth for all others."""
        if self._fixed is None or self._bound:
            return
        inputs = self.draw(_ROWS, self._fixed)
        received = self._call(self._streaming.model, inputs)
        for name, values in self._call(self._model, inputs).items():
            self._compare(received[name], values, f"{name}, {self._fixed} steps at once")
        self.checked.append(f"{self._fixed} steps at once")

    def _steps(self, inputs) -> int:
        pairs = zip(inputs, self._streaming.sequences, strict=True)
        return next(a.shape[1] for a, long in pairs if long)

    def _reference(self, inputs, steps: int) -> dict[str, np.ndarray]:
        fits = self._fixed in (None, steps) and not self._bound
        return self._call(self._model if fits else self._streaming.model, inputs)

    def _compare(self, received, expected, what: str, unit: float = 1.0) -> None:
        found = _difference(received, expected, what) / unit
        if not found.size:
            return
        if found.max() > self.largest:
            self.largest, self.worst = float(found.max()), what
        self.total, self.count = self.total + float(found.sum()), self.count + found.size


def joined(parts: list, shape: tuple):
    """The outputs of all blocks if they have the shape of a sequence's, else those of the last."""
    if parts[0] is not None and np.ndim(parts[0]) > 1:
        joined = np.concatenate(parts, 1)
        if joined.shape == shape:
            return joined
    return parts[-1]


def _difference(received, expected, what: str) -> np.ndarray:
    """Absolute differences by max(1, largest absolute value), but those of NaN and NaN."""
    if np.shape(received) != np.shape(expected):
        shape = "none" if received is None else f"shape {np.shape(received)}"
        raise VerificationError(
            f"The step must give an output of shape {np.shape(expected)} ({what}). Received: {shape}"
        )
    received, expected = (np.asarray(v).astype(np.float64) for v in (received, expected))
    with np.errstate(invalid="ignore"):
        found = np.where(received == expected, 0.0, np.abs(received - expected))
    found = found[~(np.isnan(received) & np.isnan(expected))]
    if np.isnan(found).any():
        raise VerificationError(f"NaN in one of the stream and the Keras model alone: {what}")
    return found / max(1.0, np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
