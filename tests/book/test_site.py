"""The pages show what a run left, and need no network."""

import html.parser
import json

import pytest

from tests.book.conftest import notebook
from workbook_lib.book.chapters import discover
from workbook_lib.book.report import CellError, ChapterResult, Machine, Report
from workbook_lib.book.site import build

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore::sphinx.deprecation.RemovedInSphinx11Warning"),  # the theme's own
]

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class _Resources(html.parser.HTMLParser):
    """What a browser fetches by itself to show a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag in ("script", "img", "iframe") and values.get("src"):
            self.found.append(values["src"])
        if tag == "link" and values.get("rel") in ("stylesheet", "preload", "icon", "modulepreload"):
            self.found.append(values["href"])


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out" / "executed").mkdir(parents=True)
    return tmp_path / "out"


@pytest.fixture
def chapters(write):
    write("01_first", "print('hi')", title="First")
    return discover(write("02_bad", "1 / 0", title="Bad").parent)


def _execute(out, chapter, outputs):
    executed = json.loads(chapter.path.read_text())
    executed["cells"][1] |= {"outputs": outputs, "execution_count": 1}
    (out / "executed" / chapter.path.name).write_text(json.dumps(executed))


def _report(*results):
    at = "2026-11-24T04:00:00Z"
    return Report(started=at, finished=at, seconds=1, machine=Machine(), chapters=list(results))


def _results(chapters):
    error = CellError(
        cell=1, source="1 / 0", name="ZeroDivisionError", message="division by <zero>\n\nreally"
    )
    return [
        ChapterResult.of(chapters[0], "passed", "run", first_error=None, seconds=12.34, peak_mb=321),
        ChapterResult.of(chapters[1], "failed", "run", first_error=error, logs={"redis": "a\n\n# b\n<c>"}),
    ]


def test_pages_show_outputs_pictures_results_and_failures_without_the_network(out, chapters):
    picture = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": PIXEL, "text/html": "<table><tr><td>cell</td></tr></table>"},
    }
    _execute(out, chapters[0], [{"output_type": "stream", "name": "stdout", "text": "hi there\n"}, picture])
    _execute(out, chapters[1], [])
    index = build(out, chapters, _report(*_results(chapters)))
    page = (out / "01_first.html").read_text()
    assert "hi there" in page
    assert "<td>cell</td>" in page
    assert "12.3 s" in page
    bad = (out / "02_bad.html").read_text()
    assert "ZeroDivisionError: division by &lt;zero&gt;" in bad
    assert "the end of redis's log" in bad
    assert "&lt;c&gt;" in bad
    listed = index.read_text()
    assert 'href="01_first.html"' in listed
    assert "<b>1 of 2</b><span>chapters passed" in listed
    assert "321 MB" in listed
    for each in out.glob("*.html"):
        parser = _Resources()
        parser.feed(each.read_text())
        assert [url for url in parser.found if "//" in url] == []


def test_a_chapter_that_has_not_run_is_listed_without_a_page(out, chapters):
    _execute(out, chapters[0], [])
    index = build(out, chapters, _report(_results(chapters)[0])).read_text()
    assert "Bad" in index
    assert "not run" in index
    assert not (out / "02_bad.html").exists()


def test_chapters_may_link_to_each_other(out, write):
    write("01_first", "pass")
    path = write("02_next", "pass")
    linked = json.loads(notebook(["pass"]))
    linked["cells"][0]["source"] = "# Next\n\nAfter [the first](01_first.ipynb)."
    path.write_text(json.dumps(linked))
    chapters = discover(path.parent)
    for chapter in chapters:
        _execute(out, chapter, [])
    results = [ChapterResult.of(chapter, "passed", "run", first_error=None) for chapter in chapters]
    build(out, chapters, _report(*results))
    assert 'href="01_first.html"' in (out / "02_next.html").read_text()
