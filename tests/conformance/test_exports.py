"""Real exports of pairs: cell, form, quantisation, mask, direction, outputs and batch size.

`make support` tries every cell in every form and quantisation; here every two values that can meet do
so at least once, each file compared with Keras as the export itself does.
"""

import functools
import itertools
from typing import NamedTuple

import keras
import numpy as np
import pytest
from conformance.exported import WIDTH
from conformance.registry import CASES, UNITS

import keras_recurrent as kr
from keras_recurrent import export
from keras_recurrent.export import forms

STEPS = 5
TOLERANCES = {None: 1e-5, "float16": 5e-3, "dynamic": 5e-2, "int8": 0.15, "int16x8": 0.06}


class Row(NamedTuple):
    cell: str
    form: str
    quantize: str | None
    mask: str | None
    backwards: bool
    sequences: bool
    batch: int

    @property
    def target(self) -> str:
        """TFLM, which has the fewest operations, where it takes the file."""
        refused = forms.refusal("micro", self.form == "step", self.quantize, self.form)
        return "mobile" if refused or self.mask == "masking" else "micro"


AXES = {
    "cell": ("lstm-plain", "gru-before", "weight_drop-ind_rnn"),
    "form": forms.FORMS,
    "quantize": forms.QUANTIZATIONS,
    "mask": (None, "lengths", "mask", "masking"),
    "backwards": (False, True),
    "sequences": (True, False),
    "batch": (1, 2),
}


def _exists(row: Row) -> bool:
    """Whether it can be exported; what cannot is refused, see below."""
    refused = [
        forms.refusal(target, row.form == "step", row.quantize, row.form)
        for target in ("micro", "mobile")
    ]
    if all(refused) or (row.mask and row.quantize == "int16x8"):
        return False
    if row.form == "fused":
        return row.cell == "lstm-plain" and row.mask is None and row.quantize != "float16"
    return row.form != "step" or (row.mask is None and not row.backwards)


def _pairs(row: Row) -> set:
    return set(itertools.combinations(zip(AXES, row, strict=True), 2))


@functools.cache
def rows() -> list[Row]:
    """Greedily: the row with the most pairs that are still missing."""
    possible = [row for row in map(Row._make, itertools.product(*AXES.values())) if _exists(row)]
    missing = set().union(*map(_pairs, possible))
    chosen = []
    while missing:
        chosen.append(max(possible, key=lambda row: len(missing & _pairs(row))))
        missing -= _pairs(chosen[-1])
    return chosen


def model_of(row: Row) -> keras.Model:
    case = next(case for case in CASES if str(case) == row.cell)
    width = WIDTH if row.quantize == "dynamic" else UNITS
    layer = kr.RNN(
        case.make(width), return_sequences=row.sequences, go_backwards=row.backwards, name="layer"
    )
    x = keras.Input((STEPS, width), name="x")
    if row.mask == "lengths":
        lengths = keras.Input((), dtype="int32", name="lengths")
        return keras.Model([x, lengths], layer(x, lengths=lengths))
    if row.mask == "mask":
        mask = keras.Input((STEPS,), dtype="bool", name="mask")
        return keras.Model([x, mask], layer(x, mask=mask))
    return keras.Model(
        x, layer(keras.layers.Masking(name="masking")(x) if row.mask == "masking" else x)
    )


def representative(model) -> dict:
    rng = np.random.default_rng(0)
    draw = {
        "x": lambda shape: rng.normal(size=shape).astype("float32"),
        "lengths": lambda shape: rng.integers(0, STEPS + 1, shape).astype("int32"),
        "mask": lambda shape: rng.random(shape) > 0.3,
    }
    return {t.name: draw[t.name]((8, *t.shape[1:])) for t in model.inputs}


@pytest.mark.parametrize("row", rows(), ids=lambda row: "-".join(map(str, row)))
def test_file_gives_the_numbers_of_the_model(row, tmp_path, needs_runtime):
    if row.target == "micro":
        needs_runtime("tflite_micro")
    model = model_of(row)
    how = {"streaming": True} if row.form == "step" else {"form": row.form}
    if row.quantize in ("int8", "int16x8"):
        how["representative_data"] = representative(model)
    report = export.to_tflite(
        model,
        tmp_path / "m.tflite",
        row.target,
        quantize=row.quantize,
        batch_size=row.batch,
        **how,
    )
    assert report.form == row.form
    assert report.tolerance <= TOLERANCES[row.quantize]
    for result in report.runtimes:
        if row.form == "fused" and result.runtime == "CompiledModel":
            assert "Variable tensors" in result.refused
        else:
            assert result.largest_difference <= report.tolerance


def test_few_rows_hold_all_pairs():
    assert len(rows()) <= 25
    assert {row.target for row in rows() if row.mask in ("lengths", "mask")} == {"micro", "mobile"}


def plain(**changes) -> Row:
    return Row("gru-before", "unroll", None, None, False, True, 1)._replace(**changes)


@pytest.mark.parametrize(
    ("row", "target", "message"),
    [
        (plain(form="fused"), "mobile", "LSTM, not GRUCell.*form='auto'"),
        (plain(cell="lstm-plain", form="fused", mask="lengths"), "mobile", "mask.*form='auto'"),
        (plain(form="step", backwards=True), "mobile", "go_backwards"),
        (plain(form="step", mask="lengths"), "mobile", "lengths"),
        (plain(mask="lengths", quantize="int16x8"), "mobile", "quantize='int8'"),
    ],
)
def test_what_is_refused_says_what_to_do(row, target, message, tmp_path, needs_runtime):
    if target == "micro":
        needs_runtime("tflite_micro")
    model = model_of(row)
    how = {"streaming": True} if row.form == "step" else {"form": row.form}
    if row.quantize:
        how["representative_data"] = representative(model)
    with pytest.raises((ValueError, RuntimeError), match=f"(?s){message}"):
        export.to_tflite(model, tmp_path / "m.tflite", target, quantize=row.quantize, **how)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rule", forms.REFUSALS, ids=lambda rule: f"{rule.form}-{rule.quantize[0]}")
def test_rules_name_what_works(rule):
    assert "se " in rule.reason
    assert rule.reason.endswith(".")
