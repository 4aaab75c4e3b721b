"""Every chapter runs from start to end: `workbook run -j 2`, once, as a reader would type it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.structure.rules import ROOT
from workbook_lib.book.chapters import discover
from workbook_lib.book.tree import marked

CHAPTERS = discover(ROOT / "notebooks")
NOISE = 2  # budgets are of a chapter that runs alone, and two share the machine
MOST_MB = 2500
LIMIT_SECONDS = 3000  # a machine may be slow, and provisioning builds servers on one that has none

pytestmark = [pytest.mark.chapter, pytest.mark.alone, pytest.mark.timeout(LIMIT_SECONDS + 60)]
each_chapter = pytest.mark.parametrize("name", [chapter.name for chapter in CHAPTERS])


@pytest.fixture(scope="session")
def out(tmp_path_factory) -> Path:
    """The output folder of a run of all chapters; its exit code and progress are in run.log."""
    folder = tmp_path_factory.mktemp("site")
    with (folder / "run.log").open("wb") as log:
        done = subprocess.run(
            [sys.executable, "-m", "workbook_lib.cli", "run", "-j", "2", "--out", str(folder)],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        log.write(f"exit code {done.returncode}\n".encode())
    return folder


@pytest.fixture
def result(out, name):
    """What the report says of one chapter."""
    chapters = json.loads((out / "report.json").read_text())["chapters"]
    return next(each for each in chapters if each["notebook"] == name)


@each_chapter
def test_a_chapter_passes_to_its_last_cell(result):
    assert result["status"] == "passed", json.dumps(result["first_error"], indent=1) + "\n".join(
        f"\n--- {log}\n{tail}" for log, tail in result["logs"].items()
    )
    assert result["cells"] > 0


@each_chapter
def test_a_chapter_keeps_within_its_budget(result):
    assert result["seconds"] <= NOISE * result["budget_seconds"]
    assert result["peak_mb"] <= result["budget_mb"]
    most = 2000 if "kubernetes" in result["servers"] else 1200
    assert result["budget_mb"] <= most, "the most that a chapter may take"


@each_chapter
def test_a_chapter_leaves_no_process(result):
    assert result["leftovers"] == []
    assert marked(result["run_id"]) == []


@each_chapter
def test_a_chapter_has_a_page_with_its_outputs(out, name):
    page = (out / f"{name}.html").read_text()
    assert "cell_output" in page
    assert "wb-passed" in page


@each_chapter
def test_no_library_warns_in_a_chapter(out, name):
    cells = json.loads((out / "executed" / f"{name}.ipynb").read_text())["cells"]
    printed = [each for cell in cells for each in cell.get("outputs", ()) if each.get("name") == "stderr"]
    assert [each["text"] for each in printed if "Warning" in "".join(each["text"])] == []


def test_the_whole_run_takes_no_more_memory_than_a_laptop_has_left(out):
    report = json.loads((out / "report.json").read_text())
    assert report["jobs"] == 2
    assert max(each["peak_mb"] for each in report["chapters"]) < report["peak_mb"] <= MOST_MB


def test_the_whole_run_ends_well_and_its_index_lists_every_chapter(out):
    assert (out / "run.log").read_text().endswith("exit code 0\n")
    index = (out / "index.html").read_text()
    assert [chapter.name for chapter in CHAPTERS if f'href="{chapter.name}.html"' not in index] == []
