"""The first page: what the run found, the system that it ran, and the chapters with their results."""

from __future__ import annotations

import html
import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from workbook_lib.book.chapters import Chapter
from workbook_lib.book.report import ChapterResult, Report
from workbook_lib.book.system_map import SystemMap

__all__ = ["MAP_FILE", "badge", "front_page"]

MAP_FILE: Final = "system-map.png"
_PARTS: Final = {
    "1": "First steps",
    "2": "Services",
    "3": "Communication",
    "4": "Governance",
    "5": "In practice",
}


def front_page(
    chapters: Sequence[Chapter], report: Report, pages: Collection[str], system: SystemMap | None
) -> str:
    """The page's Markdown; `pages` are the chapters that have one, `system` is drawn in `MAP_FILE`."""
    results = {result.notebook: result for result in report.chapters}
    parts = [
        "# Microservices Workbook\n",
        "A real microservice system on one machine, chapter by chapter; "
        "every claim is proved from the running system.\n",
        _summary(report),
        *(_system(system, [each for each in chapters if each.name in pages]) if system else ()),
        "## Contents\n",
    ]
    toctrees = []
    for number, chosen in itertools.groupby(chapters, key=lambda chapter: chapter.section.partition(".")[0]):
        part = list(chosen)
        title = f"{number} · {_PARTS[number]}" if number in _PARTS else number
        parts += [f"### {title}\n", _table(part, results, pages)]
        names = [chapter.name for chapter in part if chapter.name in pages]
        toctrees += [f"```{{toctree}}\n:hidden:\n:caption: {title}\n", *names, "```\n"] if names else []
    return "\n".join([*parts, *toctrees]) + "\n"


def badge(result: ChapterResult) -> str:
    """The status of a chapter as HTML."""
    return f'<span class="wb-badge wb-{result.status}">{result.status}</span>'


def _summary(report: Report) -> str:
    passed = sum(result.passed for result in report.chapters)
    exercises = [exercise for result in report.chapters for exercise in result.exercises]
    judged = sum(each.starters + each.solutions + each.wrong_answers for each in exercises)
    seconds = sum(result.seconds for result in report.chapters)
    most = max((result.peak_mb for result in report.chapters), default=0)
    machine = report.machine
    where = f"{machine.cpus} CPUs, {machine.memory_gb:g} GB, Python {machine.python}"
    facts = [
        (f"{passed} of {len(report.chapters)}", "chapters passed"),
        (str(len(exercises)), f"exercises verified, {judged} answers judged"),
        (_duration(seconds), "all chapters together"),
        (f"{most:.0f} MB", "at most, in one chapter"),
        (machine.system, where),
    ]
    shown = "".join(
        f"<div><b>{html.escape(figure)}</b><span>{html.escape(meaning)}</span></div>"
        for figure, meaning in facts
    )
    return f'<div class="wb-facts">{shown}</div>\n\n<p class="wb-run">{report.finished}</p>\n'


def _system(system: SystemMap, chapters: Sequence[Chapter]) -> Iterator[str]:
    yield "## The system\n"
    count = f"{len(system.services)} services" if len(system.services) > 1 else "One service"
    links = [f"[{c.section}]({c.name}.ipynb)" for c in chapters if c.name in system.notebooks]
    yield (
        f"{count}, as the traces of this run saw them call each other and their stores "
        f"(chapter {', '.join(links)}). Dashed arrows are messages, which nobody waits for.\n"
    )
    yield f":::{{image}} {MAP_FILE}\n:alt: {system.text}\n:width: 100%\n:class: wb-map\n:::\n"


def _table(part: Sequence[Chapter], results: dict[str, ChapterResult], pages: Collection[str]) -> str:
    lines = [
        "| | Chapter | Starts | Result | Time | Memory |",
        "|---|---|---|---|--:|--:|",
        *(_row(chapter, results.get(chapter.name), chapter.name in pages) for chapter in part),
    ]
    return "\n".join(lines) + "\n"


def _row(chapter: Chapter, result: ChapterResult | None, has_page: bool) -> str:
    title = f"[{chapter.title}]({chapter.name}.ipynb)" if has_page else chapter.title
    starts = f'<span class="wb-small">{", ".join([*chapter.servers, *chapter.services])}</span>'
    if result is None:
        return f"| {chapter.section} | {title} | {starts} | not run | | |"
    title += "".join(
        f'<br><span class="wb-small">Exercise: {html.escape(exercise.title)}</span>'
        for exercise in result.exercises
    )
    figures = (f"{result.seconds:.1f} s", f"{result.peak_mb:.0f} MB")
    measured = " | ".join(f'<span class="wb-nowrap">{figure}</span>' for figure in figures)
    return f"| {chapter.section} | {title} | {starts} | {badge(result)} | {measured} |"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
