"""Generates sequences from the files of `keras_recurrent.export.to_tflite_decoder`.

This file and `stream.py` beside it need NumPy and ai-edge-litert (or tflite-runtime, or TensorFlow) and
nothing else: copy both beside `encoder.tflite` and `decoder.tflite`, then

    from decoder import Decoder

    decoder = Decoder("folder of the files")
    decoder.beam_search([[5, 3, 8]]).ids
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

if __package__:
    from .stream import File, Stream, shape_of
else:
    from stream import File, Stream, shape_of

_NONE = -np.inf  # the log-probability of an id that must not come
_TINY = np.float32(1e-38)  # a probability of 0 is this one, whose logarithm is finite


class Decoded(NamedTuple):
    """Generated sequences; `beam_search` gives `beams` a row, best first: `(batch, beams, ...)`.

    Attributes:
        ids: `(batch, n)` int32 for the longest's n; the end is left out, 0 stands behind it.
        lengths: `(batch,)`, how many ids each has.
        log_probabilities: `(batch,)`, Σ_t log p(y_t | y_<t, source), the end's among them.
        finished: `(batch,)`, whether the end came within `max_steps`.
    """

    ids: np.ndarray
    lengths: np.ndarray
    log_probabilities: np.ndarray
    finished: np.ndarray


class Hypothesis(NamedTuple):
    """A sequence of the beam search: its ids, the end among them, and their log-probability."""

    ids: tuple
    total: np.float32


class Decoder:
    """What `kr.applications.Decoder` does, from files and without TensorFlow.

    `encoder.tflite`, if there is one, reads the source or the condition and gives the first states and
    what is looked up in every step; `decoder.tflite` reads the last ids and the states, and gives
    probabilities (or logits) of the next ids and new states. The methods take `inputs`, what the encoder
    reads, `(batch, ...)`; without an encoder none, and `rows`, how many sequences to generate. Sources
    are padded with 0 to the encoder's length if it is fixed. Neither 0 nor `begin` is ever generated.

    Args:
        folder: Where the files are.
        begin, end: Ids that begin and end a sequence.
        threads: How many the interpreter may use.

    Raises:
        FileNotFoundError: There is no decoder.tflite.
        ValueError: A file is no part of a decoder, or an id is unsuitable.
        ImportError: There is no interpreter.
    """

    def __init__(self, folder, begin: int = 1, end: int = 2, *, threads: int = 1):
        folder = Path(folder)
        self._decoder = File(folder / "decoder.tflite", threads)
        encoder = folder / "encoder.tflite"
        self._encoder = File(encoder, threads) if encoder.exists() else None
        reads, gives = self._decoder.inputs, self._decoder.outputs
        self._output = next((n for n in ("probabilities", "logits") if n in gives), None)
        if "previous" not in reads or self._output is None:
            raise ValueError(
                f"{str(folder / 'decoder.tflite')!r} is not the step of a decoder: export the model "
                f"with to_tflite_decoder. Received: inputs {sorted(reads)}, outputs {sorted(gives)}"
            )
        self._states = sorted(set(reads) & set(gives))
        self._constants = sorted(set(reads) - set(gives) - {"previous"})
        if self._encoder is None and self._constants:
            raise FileNotFoundError(
                f"The decoder reads {self._constants}, which encoder.tflite gives, and there is none in "
                f"{str(folder)!r}."
            )
        vocabulary = int(gives[self._output]["shape"][-1])
        for name, value in (("begin", begin), ("end", end)):
            if not _is_whole(value) or not 0 < value < vocabulary:
                raise ValueError(f"`{name}` is an id, 1 to {vocabulary - 1}. Received: {value!r}")
        if begin == end:
            raise ValueError(f"`begin` and `end` must be different ids. Received: both {begin}")
        self._begin, self._end = begin, end
        self._never = [0, begin]

    def greedy(self, inputs=None, max_steps: int = 100, rows: int | None = None) -> Decoded:
        """The most likely id in each step."""
        return self._generate(inputs, rows, max_steps, lambda log_p: log_p.argmax(-1))

    def sample(
        self,
        inputs=None,
        max_steps: int = 100,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        rows: int | None = None,
    ) -> Decoded:
        """Ids drawn from p^(1/temperature); of these from the `top_k` most likely ones, and of these
        from the fewest that have the share `top_p`."""
        if not _is_number(temperature) or not 1e-30 <= temperature <= 1e30:
            raise ValueError(
                f"`temperature` must be a positive finite number. Received: {temperature!r}"
            )
        if top_p is not None and not (_is_number(top_p) and 0 < top_p <= 1):
            raise ValueError(f"`top_p` lies in (0, 1]. Received: {top_p!r}")
        if top_k is not None:
            _check_count("top_k", top_k)
        rng = np.random.default_rng(seed)

        def choose(log_p):
            ids, q = candidates(log_p, temperature, top_k, top_p)
            before = q.cumsum(-1) - q
            places = (before <= rng.random((len(q), 1))).sum(-1, keepdims=True) - 1
            places = np.minimum(places, (q > 0).sum(-1, keepdims=True) - 1)  # sums of floats
            return np.take_along_axis(ids, places, -1)[:, 0]

        return self._generate(inputs, rows, max_steps, choose)

    def beam_search(
        self,
        inputs=None,
        max_steps: int = 100,
        beams: int = 5,
        length_penalty: float = 0.6,
        rows: int | None = None,
    ) -> Decoded:
        """The best sequences of n ids, the end counted, by log p / ((5 + n) / 6)^length_penalty."""
        _check_count("beams", beams)
        if not _is_number(length_penalty) or not 0 <= length_penalty < np.inf:
            raise ValueError(
                f"`length_penalty` must be a finite number >= 0. Received: {length_penalty!r}"
            )
        states, constants, rows = self._start(inputs, rows, max_steps)
        found = []
        for row in range(rows):
            place = slice(row, row + 1)
            states_of_row = {name: value[place] for name, value in states.items()}
            constants_of_row = {name: value[place] for name, value in constants.items()}
            best = self._search(states_of_row, constants_of_row, max_steps, beams, length_penalty)
            found += best + [Hypothesis((), _NONE)] * (beams - len(best))
        decoded = self._decoded([h.ids for h in found], [h.total for h in found])
        return Decoded(*(part.reshape(rows, beams, *part.shape[1:]) for part in decoded))

    @staticmethod
    def copy_to(folder) -> Path:
        """Copy this file and `stream.py` to `folder` and return the path of `decoder.py`.

        Raises:
            FileExistsError: There is another file of one of these names.
        """
        source, target = Path(__file__), Path(folder) / "decoder.py"
        if target.exists() and not target.read_text(errors="replace").startswith('"""Generates'):
            raise FileExistsError(f"There is another file at {str(target)!r}; it is left as it is.")
        Stream.copy_to(folder)
        shutil.copyfile(source, target)
        return target

    # ------------------------------------------------------------ sequences

    def _generate(self, inputs, rows, max_steps, choose) -> Decoded:
        """All rows together, until the last has ended; `choose` gives an id for each row."""
        states, constants, rows = self._start(inputs, rows, max_steps)
        ids, totals = [()] * rows, np.zeros(rows, "float32")
        going = np.ones(rows, bool)
        last = np.full(rows, self._begin)
        for _ in range(max_steps):
            if not going.any():
                break
            log_p, states = self._step(last, states, constants)
            new = choose(log_p)
            totals += np.where(going, log_p[np.arange(rows), new], 0)
            ids = [
                (*row, int(v)) if on else row for row, v, on in zip(ids, new, going, strict=True)
            ]
            going &= new != self._end
            last = np.where(going, new, 0)  # 0 holds the states of a row that has ended
        return self._decoded(ids, totals)

    def _search(self, states, constants, max_steps, beams, length_penalty) -> list[Hypothesis]:
        """The best hypotheses of one row: finished ones, then those that `max_steps` cut off."""

        def rank(hypothesis):
            return -hypothesis.total / ((5 + len(hypothesis.ids)) / 6) ** length_penalty

        going, finished = [Hypothesis((), np.float32(0))], []
        for _ in range(max_steps):
            last = np.array([h.ids[-1] if h.ids else self._begin for h in going])
            same = {name: value.repeat(len(going), 0) for name, value in constants.items()}
            log_p, states = self._step(last, states, same)
            totals = (log_p + np.array([[h.total] for h in going])).ravel()
            parents, longer = [], []
            # One continuation of each hypothesis ends: twice as many leave enough that do not.
            for place, candidate in enumerate(np.argsort(-totals, kind="stable")[: 2 * beams]):
                parent, new = divmod(int(candidate), log_p.shape[-1])
                hypothesis = Hypothesis((*going[parent].ids, new), totals[candidate])
                if hypothesis.total == _NONE:
                    continue
                if new != self._end and len(longer) < beams:
                    parents.append(parent)
                    longer.append(hypothesis)
                elif new == self._end and place < beams:
                    finished.append(hypothesis)
            finished = sorted(finished, key=rank)[:beams]
            if len(finished) == beams:
                return finished
            going, states = longer, {name: value[parents] for name, value in states.items()}
        return (finished + going)[:beams]

    def _decoded(self, sequences, totals) -> Decoded:
        finished = [bool(ids) and ids[-1] == self._end for ids in sequences]
        kept = [ids[:-1] if ended else ids for ids, ended in zip(sequences, finished, strict=True)]
        lengths = np.array([len(ids) for ids in kept], "int32")
        table = np.zeros((len(kept), lengths.max(initial=0)), "int32")
        for row, ids in zip(table, kept, strict=True):
            row[: len(ids)] = ids
        return Decoded(table, lengths, np.array(totals, "float32"), np.array(finished, bool))

    # ------------------------------------------------------------ the files

    def _start(self, inputs, rows, max_steps) -> tuple[dict, dict, int]:
        """First states, constants, and the number of rows."""
        _check_count("max_steps", max_steps)
        if self._encoder is None:
            if inputs is not None or not _is_whole(rows) or rows < 0:
                raise ValueError(
                    "There is no encoder: give rows=, the number of sequences, and no inputs. Received: "
                    f"rows={rows!r}"
                )
            reads = self._decoder.inputs
            shapes = {name: (rows, *shape_of(reads[name])[1:]) for name in self._states}
            return {n: np.zeros(s, reads[n]["dtype"]) for n, s in shapes.items()}, {}, rows
        if rows is not None:
            raise ValueError(f"rows= is for models without an encoder. Received: rows={rows!r}")
        ((name, detail),) = self._encoder.inputs.items()
        inputs = _fitting(inputs, name, detail)
        if not len(inputs):
            empty = np.zeros((0, 1), "float32")
            return dict.fromkeys(self._states, empty), dict.fromkeys(self._constants, empty), 0
        try:
            given = _run(self._encoder, {name: inputs})
        except RuntimeError as error:
            if inputs.dtype.kind != "i":
                raise
            raise ValueError(
                f"The encoder refuses {name!r}, which may hold ids outside its vocabulary. Received: "
                f"ids from {inputs.min()} to {inputs.max()}: {error}"
            ) from error
        states = {name: given[name] for name in self._states}
        return states, {name: given[name] for name in self._constants}, len(inputs)

    def _step(self, last, states: dict, constants: dict) -> tuple[np.ndarray, dict]:
        """log p `(rows, V)` of the next ids after `last` `(rows,)`, and the new states."""
        previous = last[:, np.newaxis].astype(self._decoder.inputs["previous"]["dtype"])
        given = _run(self._decoder, {"previous": previous, **states, **constants})
        output = given[self._output][:, 0]
        if np.isnan(output).any():
            raise ValueError(
                "The decoder gives NaN. Export a model whose training did not diverge."
            )
        if self._output == "probabilities":
            log_p = np.log(np.maximum(output, _TINY))
        else:
            output = output - output.max(-1, keepdims=True)
            log_p = output - np.log(np.exp(output).sum(-1, keepdims=True))
        log_p[:, self._never] = _NONE
        return log_p, {name: given[name] for name in self._states}


def _is_whole(value) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_number(value) -> bool:
    return _is_whole(value) or isinstance(value, float | np.floating)


def _check_count(name: str, value) -> None:
    if not _is_whole(value) or value < 1:
        raise ValueError(f"`{name}` must be a positive whole number. Received: {value!r}")


def candidates(log_p, temperature: float, top_k=None, top_p=None) -> tuple[np.ndarray, np.ndarray]:
    """The ids of each row, most likely first, and how likely they are to be drawn."""
    ids = np.argsort(-log_p, -1, kind="stable")
    q = np.exp((np.take_along_axis(log_p, ids, -1) - log_p.max(-1, keepdims=True)) / temperature)
    if top_k is not None:
        q[:, top_k:] = 0
    q /= q.sum(-1, keepdims=True)
    if top_p is not None and top_p < 1:
        q[q.cumsum(-1) - q >= top_p] = 0
        q /= q.sum(-1, keepdims=True)
    return ids, q


def _run(file: File, inputs: dict) -> dict:
    """A call for any number of rows: in parts, the last filled up, if the file takes a fixed one."""
    size = shape_of(next(iter(file.inputs.values())))[0]
    rows = len(next(iter(inputs.values())))
    if size in (None, rows):
        return file.run(inputs)
    parts = []
    for start in range(0, rows, size):
        places = np.arange(start, start + size).clip(max=rows - 1)
        parts.append(file.run({name: value[places] for name, value in inputs.items()}))
    return {name: np.concatenate([part[name] for part in parts])[:rows] for name in file.outputs}


def _fitting(inputs, name: str, detail: dict) -> np.ndarray:
    """The source or condition in the encoder's dtype and length."""
    _, *shape = shape_of(detail)
    try:
        array = np.asarray(inputs)
    except ValueError:  # rows of different lengths
        array = None
    if array is None or array.dtype == object:
        raise ValueError(
            f"{name!r} must be one array; pad sequences of different lengths with 0 on the right. "
            f"Received: {type(inputs).__name__}"
        )
    whole = np.issubdtype(detail["dtype"], np.integer)
    if array.dtype.kind not in ("iu" if whole else "iuf") and array.size:
        kind = "whole numbers" if whole else "numbers"
        raise ValueError(f"{name!r} must be an array of {kind}. Received: {array.dtype}")
    if whole and name == "source" and shape[0] is not None and array.ndim == 2:
        array = np.pad(array, [(0, 0), (0, max(0, shape[0] - array.shape[1]))])
    fits = array.ndim == 1 + len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape[1:], strict=True)
    )
    if not fits or 0 in array.shape[1:]:
        said = ", ".join(["batch", *("any" if size is None else str(size) for size in shape)])
        raise ValueError(f"{name!r} must have the shape ({said}). Received: {np.shape(inputs)}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name!r} must hold finite numbers. Received: NaN or infinity among them")
    if whole and (array < 0).any():
        raise ValueError(f"{name!r} must hold ids, 0 and more. Received: {array.min()}")
    if whole and name == "source" and not array.any(1).all():
        raise ValueError(f"{name!r} has rows of padding (0) alone: leave them out.")
    return np.array(array, detail["dtype"], order="C")
