"""What a person sees while chapters run: a live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from workbook_lib.book.chapters import Chapter
from workbook_lib.book.report import ChapterResult

__all__ = ["LiveProgress", "PlainProgress", "Progress", "print_failure", "progress_for"]

_LOG_LINES_SHOWN = 12


class Progress(Protocol):
    """Receives what happens; called from one thread only."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def server(self, name: str, line: str, *, done: bool = False) -> None:
        """A server is being provisioned."""
        ...

    def started(self, chapter: Chapter) -> None:
        """A chapter's process was started."""
        ...

    def cells(self, chapter: Chapter, count: int) -> None:
        """The chapter has so many code cells."""
        ...

    def cell_started(self, chapter: Chapter, cell: int, source: str) -> None:
        """Code cell `cell` began; `source` is its first line."""
        ...

    def cell_ended(self, chapter: Chapter, cell: int, seconds: float) -> None:
        """Code cell `cell` passed."""
        ...

    def finished(self, result: ChapterResult) -> None:
        """A chapter came to its end, whichever."""
        ...


def progress_for(console: Console, chapters: Sequence[Chapter]) -> Progress:
    """The live table when `console` is a terminal, plain lines otherwise."""
    return LiveProgress(console, chapters) if console.is_terminal else PlainProgress(console)


class PlainProgress:
    """One line an event: for CI logs, files and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._sources: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def server(self, name: str, line: str, *, done: bool = False) -> None:
        """A server is being provisioned."""
        self._say(f"{name}: {'ready: ' if done else ''}{line}")

    def started(self, chapter: Chapter) -> None:
        """A chapter's process was started."""
        self._say(f"{chapter.number}  started: {chapter.title}")

    def cells(self, chapter: Chapter, count: int) -> None:
        """The chapter has so many code cells."""
        self._counts[chapter.name] = count

    def cell_started(self, chapter: Chapter, cell: int, source: str) -> None:  # noqa: ARG002 - as in Progress
        """Code cell `cell` began; `source` is its first line."""
        self._sources[chapter.name] = source

    def cell_ended(self, chapter: Chapter, cell: int, seconds: float) -> None:
        """Code cell `cell` passed."""
        place = f"{cell}/{self._counts[chapter.name]}"
        self._say(f"{chapter.number}  cell {place:>5}  {seconds:6.2f} s  {self._sources[chapter.name]}")

    def finished(self, result: ChapterResult) -> None:
        """A chapter came to its end, whichever."""
        if result.passed:
            self._say(_summary(result))
        else:
            print_failure(self._console, result)

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


class _Row:
    """What the live table knows of one chapter."""

    def __init__(self, chapter: Chapter) -> None:
        self.chapter = chapter
        self.cells = 0
        self.done = 0
        self.source = ""
        self.started: float | None = None
        self.result: ChapterResult | None = None


class LiveProgress:
    """A table that stays in place: every chapter's cells, time, and running line."""

    def __init__(self, console: Console, chapters: Sequence[Chapter]) -> None:
        self._console = console
        self._rows = {chapter.name: _Row(chapter) for chapter in chapters}
        self._servers: dict[str, str] = {}
        self._spinner = Spinner("dots")
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def server(self, name: str, line: str, *, done: bool = False) -> None:
        """A server is being provisioned."""
        if done:
            self._servers.pop(name, None)
            self._console.print(f"[green]✓[/] {name}: {escape(line)}")
        else:
            self._servers[name] = line

    def started(self, chapter: Chapter) -> None:
        """A chapter's process was started."""
        self._rows[chapter.name].started = time.monotonic()

    def cells(self, chapter: Chapter, count: int) -> None:
        """The chapter has so many code cells."""
        self._rows[chapter.name].cells = count

    def cell_started(self, chapter: Chapter, cell: int, source: str) -> None:
        """Code cell `cell` began; `source` is its first line."""
        self._rows[chapter.name].source = f"{cell}: {source}"

    def cell_ended(self, chapter: Chapter, cell: int, seconds: float) -> None:  # noqa: ARG002 - as in Progress
        """Code cell `cell` passed."""
        self._rows[chapter.name].done = cell

    def finished(self, result: ChapterResult) -> None:
        """A chapter came to its end, whichever."""
        self._rows[result.notebook].result = result
        if not result.passed:
            print_failure(self._console, result)

    def _render(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, max_width=38)
        table.add_column(width=16)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", style="dim")
        for row in self._rows.values():
            table.add_row(*self._cells_of(row))
        servers = [
            Text(f"  {name}: {line}", style="cyan", no_wrap=True) for name, line in self._servers.items()
        ]
        return Group(*servers, table)

    def _cells_of(self, row: _Row) -> list[RenderableType]:
        result, chapter = row.result, row.chapter
        bar = ProgressBar(total=max(row.cells, 1), completed=row.done, width=16)
        if result is not None:
            mark = Text("✓", "green") if result.passed else Text("✗", "bold red")
            note = f"{result.peak_mb:.0f} MB" if result.passed else result.status
            return [mark, chapter.number, chapter.title, bar, f"{result.seconds:.1f} s", note]
        if row.started is not None:
            seconds = f"{time.monotonic() - row.started:.0f} s"
            return [self._spinner, chapter.number, chapter.title, bar, seconds, Text(row.source)]
        waits = [name for name in chapter.servers if name in self._servers]
        note = f"waits for {', '.join(waits)}" if waits else ""
        return [Text("·", "dim"), Text(chapter.number, "dim"), Text(chapter.title, "dim"), "", "", note]


def print_failure(console: Console, result: ChapterResult) -> None:
    """Say where and why a chapter stopped, with the end of every log of its processes."""
    parts = [Text(_summary(result), "bold red")]
    if error := result.first_error:
        if error.cell is not None:
            parts += [Text(f"in code cell {error.cell}:", "bold"), Text(_indent(error.source), "cyan")]
        parts.append(Text(f"{error.name}: {error.message}", "red"))
    for name, tail in result.logs.items():
        end = "\n".join(tail.splitlines()[-_LOG_LINES_SHOWN:])
        parts += [Text(f"the end of {name}'s log:", "bold"), Text(_indent(end), "dim")]
    console.print(Text("\n").join(parts), soft_wrap=True)


def _summary(result: ChapterResult) -> str:
    head = f"{result.chapter}  {result.status}"
    return f"{head} after {result.seconds:.1f} s, {result.peak_mb:.0f} MB at most: {result.title}"


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
