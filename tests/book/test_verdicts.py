"""A chapter whose checks say anything else than their cells' tags promise doesn't pass."""

import json

import pytest

from workbook_lib.book.report import ExerciseResult
from workbook_lib.book.verdicts import judged
from workbook_lib.lab.exercises import MIME_TYPE, Verdict

RIGHT = Verdict("9.1", "larger", "Larger", True, "it is 2")
NOT_YET = Verdict("9.1", "larger", "Larger", False, "it is 1", "Think of two.")


def _cell(tag, *verdicts, hint=""):
    outputs = [
        {"output_type": "execute_result", "data": each._repr_mimebundle_(), "metadata": {}}
        for each in verdicts
    ]
    metadata = {"tags": [tag] if tag else [], **({"workbook": {"hint": hint}} if hint else {})}
    return {"cell_type": "code", "source": "await larger.check()", "metadata": metadata, "outputs": outputs}


def _judged(folder, *cells):
    said = {"output_type": "stream", "name": "stdout", "text": "hello"}
    before = [
        {"cell_type": "markdown", "source": "# Title", "metadata": {}},
        {"cell_type": "code", "source": "", "metadata": {}, "outputs": []},
        {"cell_type": "code", "source": "x = 1", "metadata": {}, "outputs": [said]},
    ]
    path = folder / "executed.ipynb"
    path.write_text(json.dumps({"cells": [*before, *cells]}))
    return judged(path)


def test_verdicts_as_their_cells_tags_promise_are_counted_for_each_exercise(tmp_path):
    other = Verdict("9.1", "other", "Another", True, "so it is")
    found = _judged(
        tmp_path,
        _cell("exercise", NOT_YET),
        _cell("solution", RIGHT),
        _cell("wrong-answer", NOT_YET, hint="of two"),
        _cell("wrong-answer", NOT_YET, hint="Think"),
        _cell("solution", other),
    )
    assert found.mismatch is None
    assert found.exercises == (
        ExerciseResult(name="larger", title="Larger", starters=1, solutions=1, wrong_answers=2),
        ExerciseResult(name="other", title="Another", starters=0, solutions=1, wrong_answers=0),
    )


def test_a_chapter_without_exercises_has_none_and_is_not_wrong(tmp_path):
    found = _judged(tmp_path, _cell(None))
    assert (found.exercises, found.mismatch) == ((), None)


SILENT = Verdict("9.1", "larger", "Larger", False, "it is 1")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (_cell("exercise", RIGHT), "the exercise cell of 'Larger' was found right"),
        (_cell("exercise", SILENT), "was to be told 'a hint'"),
        (_cell("solution", NOT_YET), "was found not yet right (hint: 'Think of two.', observed: 'it is 1')"),
        (_cell("wrong-answer", RIGHT, hint="two"), "the wrong-answer cell of 'Larger' was found right"),
        (_cell("wrong-answer", NOT_YET, hint="three"), "was to be told 'three' (hint: 'Think of two.'"),
        (_cell("wrong-answer", NOT_YET), "says in its metadata, workbook.hint"),
        (_cell("solution"), "this one shows 0"),
        (_cell("solution", RIGHT, RIGHT), "this one shows 2"),
        (_cell(None, RIGHT), "a cell with a verdict is tagged"),
    ],
)
def test_any_other_verdict_is_told_with_its_cell(tmp_path, cell, message):
    found = _judged(tmp_path, cell)
    assert found.mismatch.cell == 2  # as in `In [2]`: empty cells don't run
    assert message in found.mismatch.message
    assert found.exercises == ()


CHECK = """
from workbook_lib.lab.exercises import exercise, no, yes

@exercise("9.1", "Larger")
async def larger(number):
    return yes(f"it is {number}") if number > 1 else no("Think of two.", evidence=f"it is {number}")
"""


@pytest.mark.timeout(120)
def test_a_run_fails_the_chapter_counts_the_exercises_and_shows_it_on_the_page(write, workbook, tmp_path):
    cells = [CHECK, "await larger.check(1)", "await larger.check(2)"]
    for name, tags in {
        "01_honest": ("exercise", "solution"),
        "02_generous": ("exercise", "wrong-answer"),
    }.items():
        path = write(name, *cells)
        notebook = json.loads(path.read_text())
        for cell, tag in zip(notebook["cells"][2:], tags, strict=True):
            cell["metadata"]["tags"] = [tag]
        path.write_text(json.dumps(notebook))
    done = workbook("run", "-j", "2", "--no-pages", "--out", "out")
    assert done.returncode == 1, done.stdout + done.stderr
    honest, generous = json.loads((tmp_path / "out" / "report.json").read_text())["chapters"]
    assert (honest["status"], generous["status"]) == ("passed", "failed")
    assert honest["exercises"] == [
        {"name": "larger", "title": "Larger", "starters": 1, "solutions": 1, "wrong_answers": 0}
    ]
    assert generous["first_error"]["cell"] == 3
    assert generous["first_error"]["source"] == "await larger.check(2)"
    assert "the wrong-answer cell of 'Larger' was found right" in done.stdout
    executed = json.loads((tmp_path / "out" / "executed" / "02_generous.ipynb").read_text())
    assert executed["cells"][-1]["outputs"][-1]["ename"] == "Verdict"
    assert MIME_TYPE in executed["cells"][-1]["outputs"][0]["data"]
