"""How far the reader has come, as a table that leads to the chapters."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Final

from workbook_lib.lab.progress import ChapterProgress, overview
from workbook_lib.lab.show.output import Shown
from workbook_lib.lab.show.tables import CELL

__all__ = ["progress"]

# Mid-tones, which read on a light page and on a dark one.
_MARKS: Final = {
    "done": ("✓", "#2f855a"),
    "solution seen": ("◐", "#3b7dd8"),
    "tried": ("…", "#b7791f"),
    "open": ("·", "#888888"),
}


def progress(notebooks: Path | None = None) -> Shown:
    """Show each chapter with its exercise: done or not, on what evidence, and when.

    `notebooks` is the folder of the chapters, the project's by default. Links are relative to that folder.
    """
    chapters = overview(notebooks)
    done = sum(chapter.state == "done" for chapter in chapters)
    looked_up = sum(chapter.state == "solution seen" for chapter in chapters)
    head = f"{done} of {len(chapters)} chapters done"
    head += f", {looked_up} with the given solution" if looked_up else ""
    text = "\n".join([head, *(_line(chapter) for chapter in chapters)])
    return Shown(_html(head, done, chapters), text)


def _line(chapter: ChapterProgress) -> str:
    mark, _ = _MARKS[chapter.state]
    parts = (mark, f"{chapter.section:6}", chapter.title, _said(chapter), _when(chapter))
    return "  ".join(part for part in parts if part)


def _html(head: str, done: int, chapters: list[ChapterProgress]) -> str:
    share = 100 * done / max(len(chapters), 1)
    bar = (
        '<div style="background:rgba(128,128,128,.25);border-radius:4px;height:8px;width:24em">'
        f'<div style="background:#2f855a;border-radius:4px;height:8px;width:{share:.0f}%"></div></div>'
    )
    names = ("", "", "chapter", "exercise", "what the check saw", "when")
    header = "".join(f'<th style="text-align:left;{CELL}">{name}</th>' for name in names)
    body = "".join(f"<tr>{''.join(_cells(chapter))}</tr>" for chapter in chapters)
    return (
        f"<p><b>{escape(head)}</b></p>{bar}"
        f'<table style="border-collapse:collapse;margin-top:8px"><thead><tr>{header}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _cells(chapter: ChapterProgress) -> list[str]:
    mark, colour = _MARKS[chapter.state]
    link = f'<a href="{escape(chapter.file)}">{escape(chapter.title)}</a>'
    inner = [
        f'<span style="color:{colour};font-weight:700" title="{chapter.state}">{mark}</span>',
        escape(chapter.section),
        link,
        escape(chapter.exercise or ""),
        escape(_said(chapter)),
        escape(_when(chapter)),
    ]
    return [f'<td style="text-align:left;{CELL}">{each}</td>' for each in inner]


def _said(chapter: ChapterProgress) -> str:
    """The evidence of what is done; the last hint where it isn't."""
    attempt = chapter.attempt
    if attempt is None:
        return ""
    tries = f" ({chapter.tries} tries)" if chapter.tries > 1 else ""
    if chapter.state == "tried":
        return attempt.hint + tries
    return attempt.evidence + (" (given solution)" if chapter.state == "solution seen" else tries)


def _when(chapter: ChapterProgress) -> str:
    return chapter.attempt.at[:16].replace("T", " ") + " UTC" if chapter.attempt else ""
