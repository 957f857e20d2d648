"""The table of exports: how it is written, and one cell really tried."""

import pytest
from conformance import support, support_table
from conformance.exported import Outcome, try_all
from conformance.registry import CASES

OPEN = "This file has open sizes. Give numbers. Received: None"


def outcomes() -> list[Outcome]:
    return [
        Outcome("lstm-plain", "loop", None, {"TFLM": 3e-7, "Interpreter": 1.2e-7}),
        Outcome("gru-after", "loop", None, {"Interpreter": 0.0}, {"TFLM": OPEN}),
        Outcome("gru-before", "loop", None, {}, {"TFLM": OPEN, "Interpreter": "No such thing."}),
        Outcome("lstm-plain", "unroll", "int8", failed=["target='micro': off by 1"]),
        Outcome("gru-after", "unroll", "int8", unstable=["off by 2"]),
    ]


def cells_of(table: str, start: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {start} ")]
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_full_table():
    table = support_table.full(outcomes())
    loop, unroll = table.split("## unroll")
    assert cells_of(loop, "lstm-plain") == ["lstm-plain", "3e-7 IM", "", "", "", ""]
    assert cells_of(loop, "gru-after")[1] == "0 I [1]"
    assert cells_of(loop, "gru-before")[1] == "[1,2]"
    assert cells_of(unroll, "lstm-plain")[4] == "**fails**"
    assert cells_of(unroll, "gru-after")[4] == "unstable"
    assert "\n1. This file has open sizes. Give numbers.\n2. No such thing.\n" in table
    assert "Not there to try: CompiledModel, LiteRT.js." in table


def test_condensed_table_takes_the_worst_of_a_family():
    table = support_table.condensed(outcomes())
    row = cells_of(table, "loop, float32")
    assert row == ["loop, float32", "IM", "3e-7", "-", "0 [1]", "-", "-", "-"]
    assert cells_of(table, "unroll, int8")[2] == "**fails**"
    assert cells_of(table, "unroll, int8")[4] == "(u)"
    assert "float16" not in table  # nothing of it was tried
    assert max(len(line) for line in table.splitlines() if line.startswith("|")) <= 100


def test_every_cell_has_a_family():
    families = {support_table.family(str(case)) for case in CASES}
    assert families == set(support_table.FAMILIES)


def test_readme_changes_between_the_markers_only():
    text = f"before\n{support_table.BEGIN}\nold\n{support_table.END}\nafter\n"
    new = support_table.with_table(text, "| new |\n")
    assert new == f"before\n{support_table.BEGIN}\n| new |\n{support_table.END}\nafter\n"
    assert support_table.with_table(new, "| new |\n") == new
    assert support_table.with_table("no markers", "| new |") is None


def test_reasons_without_what_keras_adds():
    reason = (
        "Exception encountered when calling GRU.call().\n\n\x1b[1mIt cannot. Use b.\x1b[0m\n\n"
        "Arguments received by GRU.call():\n  • mask=None"
    )
    assert support_table.shortened(reason) == "It cannot. Use b."
    assert support_table.shortened("NEG (in 'a', 'b'), so no. Received: 'a'") == "NEG, so no."


def test_files_are_replaced_whole(tmp_path):
    file = tmp_path / "table.md"
    for text in ("one", "two"):
        support_table.replace_file(file, text)
        assert file.read_text() == text
    assert list(tmp_path.iterdir()) == [file]


def test_failures_are_loud(capsys):
    assert support.report_failures([o for o in outcomes() if not o.failed]) == 0
    assert "UNSTABLE gru-after, unroll, int8: off by 2" in capsys.readouterr().out
    assert support.report_failures(outcomes()) == 1
    assert "FAILED lstm-plain, unroll, int8: target='micro': off by 1" in capsys.readouterr().out


def test_without_an_earlier_run(tmp_path, monkeypatch):
    monkeypatch.setattr(support, "FOLDER", tmp_path)
    with pytest.raises(SystemExit, match="no earlier run"):
        support.main(["--again"])


def test_one_cell(micro):
    case = next(case for case in CASES if str(case) == "gru-after")
    combinations = [("step", None), ("fused", None), ("loop", "int8")]
    step, fused, loop = try_all(case, combinations)
    assert set(step.ran) >= {"Interpreter", "CompiledModel", "TFLM"}
    assert max(step.ran.values()) < 1e-5
    assert [o.failed for o in (step, fused, loop)] == [[], [], []]
    assert fused.ran == loop.ran == {}
    assert "LSTM, not GRUCell" in support_table.shortened(fused.refused["TFLM"])
    assert loop.refused.keys() >= step.ran.keys()
    assert (step.conversions, loop.conversions) == (1, 0)
