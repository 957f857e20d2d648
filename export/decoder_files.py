"""A generating model as files: its encoder, run once, and its decoder, run step by step."""

from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.applications.decoding_arguments import check_boundaries
from keras_recurrent.applications.id_generation import GeneratingParts
from keras_recurrent.engines import lowering
from keras_recurrent.export import files, forms, plan, tflite, verification
from keras_recurrent.export.comparison import VerificationError
from keras_recurrent.export.decoder import Decoder
from keras_recurrent.export.keras_layers import plain_errors
from keras_recurrent.export.report import Report

_ROWS, _LENGTH, _STEPS = 8, 12, 20  # of made-up sources, and of what is generated from them
_QUANTIZATIONS = tuple(kind for kind in forms.QUANTIZATIONS if kind not in forms.INTEGER)


@dataclass(frozen=True)
class DecoderReport:
    """The files of a decoder and how they agree with the model; prints as tables.

    Attributes:
        path: The folder.
        encoder, decoder: Reports of the files; no encoder for an unconditioned model.
        sources: How many made-up sources were decoded greedily.
        same: For how many of them the files gave the ids of the Keras model.
        largest_regret: By how much at most an id that the files took falls short of the best one, in
            the Keras model's output for the same beginning.
    """

    path: str
    encoder: Report | None
    decoder: Report
    sources: int = 0
    same: int = 0
    largest_regret: float | None = None

    def __str__(self) -> str:
        parts = [str(part) for part in (self.encoder, self.decoder) if part is not None]
        if self.sources:
            parts.append(
                f"Greedy decoding of {self.sources} made-up sources: the same ids for {self.same}; "
                f"largest regret of an id {self.largest_regret:.2g}"
            )
        return "\n".join(parts)


@plain_errors()
def export_decoder(
    model, folder, quantize, source_length, batch_size, begin, end, verify, tolerance
) -> DecoderReport:
    """See `to_tflite_decoder`."""
    parts = GeneratingParts(model)
    quantize = plan.one_of("quantize", quantize, _QUANTIZATIONS)
    length = _checked_length(parts, source_length)
    batch_size = plan.size_or_none("batch_size", batch_size, " or None for any")
    plan.checked_flag("verify", verify)
    tolerance = plan.checked_tolerance(tolerance)
    begin, end = check_boundaries(begin, end, parts.vocabulary)

    def to_file(part, path: Path, form: str, timesteps) -> Report:
        chosen = plan.plan_tflite(
            "mobile", form, False, quantize, None, batch_size, timesteps, block=1
        )
        return tflite.export(part, path, chosen, None, verify, tolerance, None, None)

    with files.new_folder(folder, files.DECODER) as made:
        encoder, asked = None, plan.FROM_THE_MODEL if source_length is None else length
        if parts.encoder is not None:
            encoder = to_file(parts.encoder, made / "encoder.tflite", "auto", asked)
        step = _step(parts, length)
        fixed = batch_size is not None and (length is not None or not parts.constants)
        form = "unroll" if fixed else "loop"
        decoder = to_file(step, made / "decoder.tflite", form, plan.FROM_THE_MODEL)
        checked: dict = {}
        if verify:
            allowed = verification.TOLERANCES[quantize] if tolerance is None else tolerance
            checked = _check(parts, Decoder(made, begin, end), length, begin, end, allowed)
        if (Path(folder) / "decoder.py").exists():  # a folder as it goes to a device stays whole
            Decoder.copy_to(made)
    if encoder is not None:
        encoder = replace(encoder, path=str(Path(folder) / "encoder.tflite"))
    decoder = replace(decoder, path=str(Path(folder) / "decoder.tflite"))
    return DecoderReport(str(folder), encoder, decoder, **checked)


def _checked_length(parts: GeneratingParts, source_length) -> int | None:
    """The length of the sources in the files; None for any, or where there are no sources."""
    symbolic = parts.input
    has_length = symbolic is not None and symbolic.name == "source"
    if source_length is None:
        return symbolic.shape[1] if has_length else None
    if not has_length:
        raise ValueError(
            "`source_length` is for models that read a source; this one reads "
            f"{'nothing' if symbolic is None else repr(symbolic.name)}. Leave it out. Received: "
            f"source_length={source_length!r}"
        )
    length = plan.size_or_none("source_length", source_length, "")
    if symbolic.shape[1] not in (None, length):
        raise ValueError(
            f"The model's sources have {symbolic.shape[1]} time steps. Received: source_length={length}"
        )
    return length


def _step(parts: GeneratingParts, length: int | None) -> keras.Model:
    """The decoder for one step; its output's name tells what the numbers are."""
    reads = parts.decoder.input
    inputs = {"previous": keras.Input((1,), dtype=reads["previous"].dtype, name="previous")}
    for name in (*parts.states, *parts.constants):
        shape = list(reads[name].shape[1:])
        if name in parts.constants:
            shape[0] = length
        inputs[name] = keras.Input(shape, dtype=reads[name].dtype, name=name)
    given = dict(parts.decoder(inputs))
    output = "logits" if parts.logits else "probabilities"
    return keras.Model(inputs, {output: given.pop("output"), **given}, name="step")


def _check(parts: GeneratingParts, decoder: Decoder, length, begin, end, tolerance) -> dict:
    """Greedy decoding by the files: each id is the Keras model's best one but for rounding."""
    inputs = _made_up(parts, length or _LENGTH)
    decoded = decoder.greedy(inputs, _STEPS, rows=_ROWS if inputs is None else None)
    ends = np.zeros((len(decoded.ids), 1), "int32")
    taken = np.concatenate([decoded.ids, ends], 1)
    taken[np.arange(len(taken)), decoded.lengths] = np.where(decoded.finished, end, 0)
    with lowering("saved_model"):
        start = parts.start(_ROWS if inputs is None else tf.constant(inputs))
        previous = np.concatenate([np.full_like(ends, begin), taken[:, :-1]], 1)
        # What stands behind the end would be masked, as in decoding.
        previous[previous == end] = 0
        read = {"previous": tf.constant(previous), **start}
        output = np.asarray(parts.decoder(read, training=False)["output"], "float64")
    scale = max(1.0, np.abs(output).max())
    output[..., [0, begin]] = -np.inf
    chosen = np.take_along_axis(output, taken[..., np.newaxis], -1)[..., 0]
    regrets = np.where(taken != 0, output.max(-1) - np.where(taken != 0, chosen, 0), 0)
    largest = float(regrets.max())
    if not largest <= 2 * tolerance * scale:
        raise VerificationError(
            f"Greedy decoding from the files takes ids that fall short of the Keras model's best by up "
            f"to {largest:.3g}, more than twice the tolerance {tolerance:g} of its outputs. Received: "
            f"{int((regrets > 2 * tolerance * scale).any(1).sum())} of {len(taken)} made-up sources; "
            "use quantize=None, or give a tolerance."
        )
    same = int((regrets == 0).all(1).sum())
    return {"sources": len(taken), "same": same, "largest_regret": largest}


def _made_up(parts: GeneratingParts, length: int) -> np.ndarray | None:
    """Sources of several lengths, padded, or conditions; the same on every call."""
    symbolic, rng = parts.input, np.random.default_rng(0)
    if symbolic is None:
        return None
    sizes = parts.input_sizes
    shape = (_ROWS, *(length if size is None else size for size in symbolic.shape[1:]))
    if sizes is None:
        return rng.normal(size=shape).astype(keras.backend.standardize_dtype(symbolic.dtype))
    low = 0 if isinstance(sizes, tuple) else min(3, sizes - 1)
    ids = rng.integers(low, np.array(sizes), shape)
    if isinstance(sizes, int):
        lengths = rng.integers(1, length + 1, (_ROWS, 1))
        ids = (ids * (np.arange(length) < lengths))[:, : lengths.max()]
    return ids.astype("int32")
