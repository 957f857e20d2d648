"""The table of results: built up row by row, from runs that may fail or miss their goals."""

import json
import sys
from dataclasses import asdict

import pytest

from examples import outcome, results, results_table

FOUND = outcome.Outcome(
    example="good",
    kind="many to one",
    data="a | b",
    metric="rows right, %",
    reached=98.765,
    baseline="counting: 90",
    goal=97.0,
    seed=7,
    minutes=1.25,
    command="python examples/good.py",
    files={"good.tflite": 12345, "good.keras": 1},
    notes=["A note."],
)

SCRIPT = """\
import json, sys
from pathlib import Path
out = Path(sys.argv[sys.argv.index("--out") + 1])
print("words of", {name!r}, "--quick" in sys.argv)
if {reached!r} is not None:
    found = json.loads({found!r}) | {{"example": {name!r}, "reached": {reached!r}}}
    (out / "outcome.json").write_text(json.dumps(found))
sys.exit({status})
"""


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """Three examples that end differently, and a function that runs the command on them."""
    for name, reached, status in (("good", 98.765, 0), ("missed", 90.0, 1), ("broken", None, 3)):
        text = SCRIPT.format(
            name=name, reached=reached, status=status, found=json.dumps(asdict(FOUND))
        )
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(results, "HERE", tmp_path)
    monkeypatch.setattr(results, "NAMES", ("good", "missed", "broken"))
    monkeypatch.setattr(results_table, "machine", lambda: "2 cores")

    def run(*arguments):
        places = {"out": "outputs", "table": "RESULTS.md", "rows": "rows"}
        places = [part for o, p in places.items() for part in (f"--{o}", str(tmp_path / p))]
        return results.main([*arguments, *places])

    return run


def rows_of(table):
    return [
        line.split(" | ")
        for line in table.splitlines()
        if line.startswith("| ") and "---" not in line
    ][1:]


def test_the_table_is_built_up_and_says_what_is_missed(examples, tmp_path, capsys):
    assert examples("good") == 0
    assert examples("missed") == 0  # a goal that is missed is a result
    table = (tmp_path / "RESULTS.md").read_text()
    good, missed = rows_of(table)
    assert good[0] == "| good"
    assert good[2] == r"a \| b"
    assert good[4:8] == ["**98.77**", "counting: 90", "≥ 97", "yes"]
    assert good[8:12] == ["7", "1.2", "`python examples/good.py`", "12,345"]
    assert good[12] == "2 cores"
    assert missed[0] == "| missed"
    assert missed[7] == "no"
    assert "* good: A note." in table
    assert "MISSED   missed: rows right, %: 90, goal 97" in capsys.readouterr().out
    assert sys.executable not in table


def test_a_run_that_fails_keeps_the_row_it_had_and_is_shown(examples, tmp_path, capsys):
    assert examples("good") == 0
    kept = (tmp_path / "rows" / "good.json").read_text()
    (tmp_path / "good.py").write_text("raise RuntimeError('no data')")
    assert examples() == 1
    assert (tmp_path / "rows" / "good.json").read_text() == kept
    assert [row[0] for row in rows_of((tmp_path / "RESULTS.md").read_text())] == [
        "| good",
        "| missed",
    ]
    shown = capsys.readouterr().out
    assert "RuntimeError: no data" in shown
    assert "failed: good, broken" in shown


def test_an_example_may_have_several_outcomes(examples, tmp_path):
    script = (tmp_path / "good.py").read_text()
    more = 'deeper = out / "by" ; deeper.mkdir(exist_ok=True)\n'
    more += '(deeper / "outcome.json").write_text(json.dumps(found | {"example": "good, by"}))\n'
    (tmp_path / "good.py").write_text(script.replace("sys.exit", more + "sys.exit"))
    assert examples("good") == 0
    rows = rows_of((tmp_path / "RESULTS.md").read_text())
    assert [row[0] for row in rows] == ["| good", "| good, by"]
    (tmp_path / "good.py").write_text(script)
    assert examples("good") == 0  # without what an earlier run left
    assert len(rows_of((tmp_path / "RESULTS.md").read_text())) == 1


def test_quick_runs_write_no_table(examples, tmp_path):
    assert examples("--quick", "good", "missed") == 0
    assert "words of good True" in (tmp_path / "outputs" / "good.log").read_text()
    assert examples("--quick", "broken") == 1
    assert not (tmp_path / "RESULTS.md").exists()
    assert not (tmp_path / "rows").exists()


def test_full_runs_have_rows_of_their_own(examples, tmp_path):
    script = (tmp_path / "good.py").read_text()
    better = script.replace("sys.exit", 'assert "--full" in sys.argv\nsys.exit')
    assert examples("good") == 0
    (tmp_path / "good.py").write_text(better.replace("98.765", "99.5"))
    assert examples("--full", "good") == 0
    assert examples("missed") == 0
    rows = rows_of((tmp_path / "RESULTS.md").read_text())
    assert [row[4] for row in rows] == ["**98.77**", "**99.5**", "**90**"]
    with pytest.raises(SystemExit):
        examples("--full", "--quick", "good")


def test_a_failed_check_is_no_missed_goal(examples, tmp_path):
    script = (tmp_path / "good.py").read_text()
    (tmp_path / "good.py").write_text(script.replace("sys.exit(0)", "sys.exit(1)"))
    assert examples("good") == 1  # the goal is reached, so that something else was wrong
    script = (tmp_path / "missed.py").read_text()
    (tmp_path / "missed.py").write_text(script.replace("sys.exit(1)", "sys.exit(2)"))
    assert examples("missed") == 1


def test_the_verdict_tells_checks_from_goals(capsys):
    assert outcome.verdict({"same": True}) == 0
    assert outcome.verdict({"same": True}, {"better": False}) == 1
    assert outcome.verdict({"same": False}, {"better": False}) == 2
    assert capsys.readouterr().out.count("MISSED   better") == 2


def test_names_that_do_not_exist_are_refused(examples, capsys):
    with pytest.raises(SystemExit):
        examples("goods")
    assert "there is no example goods; there are good, missed, broken" in capsys.readouterr().err


def test_goals_below_and_without():
    low = results_table.Row(
        outcome.Outcome(**{**asdict(FOUND), "higher_is_better": False, "seed": [1, 2]}), "m", "d"
    )
    none = results_table.Row(outcome.Outcome(**{**asdict(FOUND), "goal": None}), "m", "d")
    assert low.cells()[6:9] == ["≤ 97", "no", "1, 2"]
    assert none.cells()[6:8] == ["", ""]


def test_the_machine_has_no_name_of_its_own():
    import platform

    assert platform.node() not in results_table.machine()
    assert results_table.machine().split()[1] == "cores,"
