"""A report is written whole, read back equal, and merged with an earlier one."""

import pytest

from workbook_lib.book.chapters import discover
from workbook_lib.book.report import ChapterResult, Machine, Report, now_rfc3339


@pytest.fixture
def chapters(write):
    write("01_first", "pass")
    return discover(write("02_second", "pass").parent)


def _report(*results):
    now = now_rfc3339()
    return Report(started=now, finished=now, seconds=1.5, machine=Machine(), chapters=list(results))


def test_a_report_is_read_back_as_it_was_written(tmp_path, chapters):
    report = _report(ChapterResult.of(chapters[0], "passed", "run", first_error=None, seconds=1.234))
    report.write(tmp_path)
    assert Report.read(tmp_path) == report
    assert report.chapters[0].page == "01_first.html"
    assert report.chapters[0].passed


@pytest.mark.parametrize("text", [None, "", "{}", '{"chapters": 1}'])
def test_no_report_or_a_broken_one_is_none(tmp_path, text):
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    assert Report.read(tmp_path) is None


def test_newer_results_replace_earlier_ones_and_chapters_that_are_gone_drop_out(chapters):
    first, second = chapters
    earlier = _report(
        ChapterResult.of(first, "failed", "old", first_error=None),
        ChapterResult.of(second, "passed", "old", first_error=None),
    )
    newer = _report(ChapterResult.of(first, "passed", "new", first_error=None))
    merged = newer.with_earlier(earlier, chapters)
    assert [(each.notebook, each.run_id) for each in merged.chapters] == [
        ("01_first", "new"),
        ("02_second", "old"),
    ]
    assert len(newer.with_earlier(earlier, chapters[:1]).chapters) == 1
    assert newer.with_earlier(None, chapters).chapters == newer.chapters
