"""Progress is a live table on a terminal and plain lines elsewhere."""

import io

import pytest
from rich.console import Console

from workbook_lib.book.chapters import read
from workbook_lib.book.progress import LiveProgress, PlainProgress, progress_for
from workbook_lib.book.report import CellError, ChapterResult


@pytest.fixture
def chapter(write):
    return read(write("04_3_tracing", "pass", title="Tracing", servers=["kafka"]))


def _console(terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=160, color_system=None)


def _failed(chapter):
    error = CellError(cell=2, source="assert [x", name="AssertionError", message="[/red] not two")
    logs = {"kafka": "[2026-11-24] one\ntwo", "papermill": "three"}
    return ChapterResult.of(chapter, "failed", "run", first_error=error, seconds=3.21, logs=logs)


def _play(progress, chapter, result):
    with progress:
        progress.server("kafka", "43 MB of jars")
        progress.server("kafka", "4.1.1 (registry)", done=True)
        progress.started(chapter)
        progress.cells(chapter, 3)
        progress.cell_started(chapter, 1, "x = [1]")
        progress.cell_ended(chapter, 1, 0.5)
        progress.finished(result)


def test_the_kind_of_progress_follows_the_console(chapter):
    assert isinstance(progress_for(_console(True), [chapter]), LiveProgress)
    assert isinstance(progress_for(_console(False), [chapter]), PlainProgress)


def test_plain_progress_is_a_line_an_event(chapter):
    console = _console(False)
    passed = ChapterResult.of(chapter, "passed", "run", first_error=None, seconds=3.21, peak_mb=700)
    _play(PlainProgress(console), chapter, passed)
    assert console.file.getvalue().splitlines() == [
        "kafka: 43 MB of jars",
        "kafka: ready: 4.1.1 (registry)",
        "04_3  started: Tracing",
        "04_3  cell   1/3    0.50 s  x = [1]",
        "04_3  passed after 3.2 s, 700 MB at most: Tracing",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_failure_shows_its_cell_its_error_and_the_end_of_every_log(chapter, terminal):
    console = _console(terminal)
    _play(progress_for(console, [chapter]), chapter, _failed(chapter))
    printed = console.file.getvalue()
    assert "in code cell 2:\n  assert [x\nAssertionError: [/red] not two\n" in printed
    assert "the end of kafka's log:\n  [2026-11-24] one\n  two\n" in printed
    assert "the end of papermill's log:\n  three\n" in printed
    assert printed.count("04_3  failed after 3.2 s") == 1


def test_the_live_table_shows_what_runs_and_what_waits(write):
    running = read(write("01_first", "pass", title="First"))
    waiting = read(write("04_3_tracing", "pass", title="Tracing", servers=["kafka"]))
    console = _console(True)
    progress = LiveProgress(console, [running, waiting])
    progress.started(running)
    progress.cells(running, 4)
    progress.cell_started(running, 2, "await lab.start()")
    progress.server("kafka", "43 MB of jars")
    console.print(progress._render())
    printed = console.file.getvalue()
    assert "2: await lab.start()" in printed
    assert "kafka: 43 MB of jars" in printed
    assert "waits for kafka" in printed
