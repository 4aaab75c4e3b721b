"""The view of a reader's progress: states, evidence and links, as HTML and as text."""

import json

from workbook_lib.lab import show
from workbook_lib.lab.progress import Attempt


def _attempt(section, *, passed, given=False):
    said = ("<2> instances", "") if passed else ("", "Count again.")
    return vars(Attempt("2026-11-26T08:00:05Z", section, "larger", passed, given, *said))


def test_it_says_what_is_done_on_what_evidence_and_leads_to_each_chapter(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBOOK_DATA", str(tmp_path))
    for section in ("1", "2", "3", "4"):
        described = {"workbook": {"chapter": section, "title": f"Chapter <{section}>"}}
        notebook = {"cells": [], "metadata": described}
        (tmp_path / f"0{section}_chapter.ipynb").write_text(json.dumps(notebook))
    kept = [
        _attempt("1", passed=True),
        _attempt("2", passed=True, given=True),
        _attempt("3", passed=False),
        _attempt("3", passed=False),
    ]
    (tmp_path / "progress.jsonl").write_text("\n".join(map(json.dumps, kept)))
    shown = show.progress(tmp_path)
    assert repr(shown).splitlines() == [
        "1 of 4 chapters done, 1 with the given solution",
        "✓  1       Chapter <1>  <2> instances  2026-11-26 08:00 UTC",
        "◐  2       Chapter <2>  <2> instances (given solution)  2026-11-26 08:00 UTC",
        "…  3       Chapter <3>  Count again. (2 tries)  2026-11-26 08:00 UTC",
        "·  4       Chapter <4>",
    ]
    assert '<a href="01_chapter.ipynb">Chapter &lt;1&gt;</a>' in shown.html
    assert "&lt;2&gt; instances (given solution)" in shown.html
    assert "width:25%" in shown.html
