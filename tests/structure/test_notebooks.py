"""Chapters as they are committed: without outputs, described, in small cells, and proving something."""

import ast
import importlib
import json
import re
import warnings

import pytest

from tests.structure import rules
from workbook_lib.book import chapters
from workbook_lib.lab.exercises import Exercise
from workbook_lib.lab.progress import ENTRANCE
from workbook_lib.lab.provision import SERVERS

ENTRANCE_FILE = rules.ROOT / "notebooks" / ENTRANCE
NOTEBOOKS = [path for path in rules.files("notebooks/*.ipynb") if path != ENTRANCE_FILE]
SYLLABUS = json.loads((rules.ROOT / "docs" / "syllabus.json").read_text())
WHOLE_CHAPTERS = ("2", "3", "4", "5")
WITHOUT_ROWS = ("5.5",)  # where it all comes together

every_chapter = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


@pytest.mark.parametrize("path", rules.files("*.ipynb"), ids=rules.name_of)
def test_no_outputs_are_committed(path):
    assert rules.outputs_left(path.name, rules.read_notebook(path)) == []


@every_chapter
def test_cells_are_short(path):
    assert rules.long_cells(path.name, rules.read_notebook(path)) == []


@every_chapter
def test_a_chapter_asserts_on_what_came_back(path):
    cells = [rules.parse_cell(source) for source in rules.code_cells(rules.read_notebook(path))]
    assert any(isinstance(node, ast.Assert) for cell in cells for node in ast.walk(cell))


@every_chapter
def test_a_chapter_defines_no_machinery(path):
    cells = [rules.parse_cell(source) for source in rules.code_cells(rules.read_notebook(path))]
    assert [node.name for cell in cells for node in ast.walk(cell) if isinstance(node, ast.ClassDef)] == []


@every_chapter
def test_a_chapter_says_what_it_covers_and_starts(path):
    chapter = chapters.read(path)
    assert set(chapter.covers) <= set(SYLLABUS)
    assert bool(chapter.covers) != (chapter.section in WITHOUT_ROWS)
    assert set(chapter.servers) <= set(SERVERS)
    services = {each.parent.name for each in rules.files("services/*/service.toml")}
    assert set(chapter.services) <= services
    number = chapter.section.partition(".")[0]
    assert all(row.startswith(f"{number}.") for row in chapter.covers)


@every_chapter
def test_a_chapter_is_a_valid_notebook_for_any_python_kernel(path):
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.cells[0].source.startswith("# ")


@every_chapter
def test_a_chapter_has_an_exercise_with_a_solution_and_wrong_answers_that_are_folded(path):
    notebook = rules.read_notebook(path)
    assert rules.exercise_faults(path.name, notebook) == []
    checks = importlib.import_module(f"workbook_lib.lab.exercises.{rules.exercise_module(path)}")
    section = chapters.read(path).section
    found = {name: check for name, check in vars(checks).items() if isinstance(check, Exercise)}
    assert {check.section for check in found.values()} == {section}, "progress is kept by section"
    title = next(iter(found.values())).title
    assert any(f"## Exercise · {title}" in "".join(cell["source"]) for cell in notebook["cells"])


@pytest.mark.parametrize("number", WHOLE_CHAPTERS)
def test_no_row_of_a_chapter_that_is_whole_is_left_out(number):
    claimed = {row for path in NOTEBOOKS for row in chapters.read(path).covers}
    assert not [row for row in SYLLABUS if row.startswith(f"{number}.") and row not in claimed]


def test_no_row_of_the_syllabus_is_claimed_twice():
    claimed = [row for path in NOTEBOOKS for row in chapters.read(path).covers]
    assert len(claimed) == len(set(claimed))


def test_the_entrance_shows_the_progress_and_leads_to_chapters_that_exist():
    notebook = rules.read_notebook(ENTRANCE_FILE)
    assert "show.progress()" in rules.code_cells(notebook)[0]
    assert rules.long_cells(ENTRANCE, notebook) == []
    text = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    linked = re.findall(r"\]\((\w+\.ipynb)\)", text)
    assert linked
    assert set(linked) <= {path.name for path in NOTEBOOKS}
