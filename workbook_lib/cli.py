"""The `workbook` command. Each command imports what it needs when it runs, so that `--help` is instant."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from workbook_lib.book.chapters import Chapter
    from workbook_lib.book.report import Report

__all__ = ["app", "main"]

app = typer.Typer(
    help="Chapters that run a real microservice system on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

Notebooks = Annotated[
    Path | None,
    typer.Option("--notebooks", help="Folder of the chapters.", show_default="notebooks/ of the project"),
]


def main() -> None:
    """Entry point of the `workbook` script."""
    app()


@app.command()
def doctor() -> None:
    """Look at Python, packages, servers, ports, memory, disk; say what to do where something is missing."""
    from rich.table import Table
    from rich.text import Text

    from workbook_lib.lab.doctor import examine

    marks = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "missing": ("✗", "red")}
    findings = examine()
    table = Table("", "looked at", "found", "what to do", box=None, padding=(0, 1), header_style="bold")
    for finding in findings:
        mark = Text(*marks[finding.state])
        table.add_row(mark, *(Text(cell) for cell in (finding.topic, finding.found, finding.advice)))
    _console().print(table)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


@app.command()
def provision(
    servers: Annotated[list[str] | None, typer.Argument(metavar="[SERVER]…", show_default="all")] = None,
) -> None:
    """Get servers onto this machine, each once; programs and endpoints that you have are used."""
    import time

    from workbook_lib.lab.provision import SERVERS, ProvisionError
    from workbook_lib.lab.provision import provision as get

    console = _console()
    failed = False
    with _ending_on_signals():
        for name in servers or SERVERS:
            started = time.monotonic()
            try:
                with console.status(f"{name} …") as status:
                    found = get(name, report=lambda line: _report(console, status.update, line))
            except ProvisionError as error:
                failed = True
                console.print(f"✗ {name}: {error}", style="red", markup=False, soft_wrap=True)
                continue
            took = f"{time.monotonic() - started:.1f} s"
            where = found.path or found.detail
            line = f"✓ {name} {found.version} ({found.how}, {took}): {where}"
            console.print(line, style="green", markup=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


@app.command("list")
def list_chapters(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    notebooks: Notebooks = None,
) -> None:
    """List the chapters: what they cover, start, and may take."""
    from rich.table import Table

    chapters = _chapters(notebooks)
    if as_json:
        print(json.dumps([_facts(chapter) for chapter in chapters], indent=1, ensure_ascii=False))
        return
    table = Table("", "chapter", "covers", "starts", "budget", box=None, padding=(0, 1), header_style="bold")
    for chapter in chapters:
        budget = f"{chapter.budget.seconds:g} s, {chapter.budget.mb:g} MB"
        starts = ", ".join([*chapter.servers, *chapter.services])
        table.add_row(chapter.number, chapter.title, ", ".join(chapter.covers), starts, budget)
    _console().print(table)


@app.command()
def run(
    selectors: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CHAPTER]…", help="01, 02_1, 4.3, a file name", show_default="all"),
    ] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="Chapters at a time.")] = 1,
    out: Annotated[Path, typer.Option(help="Where pages and report.json go.")] = Path("_site"),
    limit: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds that a chapter may take.", show_default="4 x its budget"),
    ] = None,
    pages: Annotated[bool, typer.Option(help="Build the pages.")] = True,
    notebooks: Notebooks = None,
) -> None:
    """Run chapters from start to end, and build their pages."""
    from workbook_lib.book.chapter_run import Limits
    from workbook_lib.book.progress import progress_for
    from workbook_lib.book.report import Report
    from workbook_lib.book.runner import Runner

    console = _console()
    known = _chapters(notebooks)
    chosen = _selected(known, selectors or [])
    with _ending_on_signals():
        report = Runner(out, progress_for(console, chosen), jobs, Limits(seconds=limit)).run(chosen)
        whole = report.with_earlier(Report.read(out), known)
        whole.write(out)
        passed = sum(result.passed for result in report.chapters)
        console.print(f"{passed} of {len(report.chapters)} chapters passed in {report.seconds:.1f} s")
        if pages:
            _build_pages(console, out, known, whole, chosen)
    if passed < len(report.chapters):
        raise typer.Exit(1)


def _build_pages(
    console: Console, out: Path, known: list[Chapter], report: Report, chosen: list[Chapter]
) -> None:
    from workbook_lib.book.site import SiteError, build

    try:
        with console.status("building the pages …"):
            index = build(out, known, report)
    except SiteError as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from None
    page = index if len(chosen) > 1 else out / f"{chosen[0].name}.html"
    console.print(f"pages: {page.resolve().as_uri()}", soft_wrap=True)


@app.command()
def up(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Servers and services, in order.")],
) -> None:
    """Start servers and services, and keep them until Ctrl-C."""
    import asyncio

    with _ending_on_signals():
        asyncio.run(_up(names))


async def _up(names: list[str]) -> None:
    import asyncio

    from workbook_lib.lab import Lab, LabError

    console = _console()
    async with Lab("up") as lab:
        try:
            console.print(str(await lab.start(*names)), markup=False)
        except LabError as error:
            console.print(str(error), style="red", markup=False, soft_wrap=True)
            raise typer.Exit(1) from None
        console.print("Ctrl-C stops all", style="dim")
        await asyncio.Event().wait()


@app.command()
def lab(
    port: Annotated[int, typer.Option(help="Port of JupyterLab, on 127.0.0.1.")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open the chapters in JupyterLab."""
    import os

    from workbook_lib.lab.progress import ENTRANCE

    folder = _notebooks(None)
    command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--notebook-dir={folder}", "--LabApp.extension_manager=readonly"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None"]
    if (folder / ENTRANCE).exists():
        command.append(f"--LabApp.default_url=/lab/tree/{ENTRANCE}")
    command += [] if browser else ["--no-browser"]
    command += ["--allow-root"] if os.geteuid() == 0 else []  # as in most containers; it is on loopback
    os.execv(sys.executable, command)  # noqa: S606 - it takes this process's place, Ctrl-C included


def _console() -> Console:
    from rich.console import Console

    return Console()


def _notebooks(folder: Path | None) -> Path:
    from workbook_lib.lab.run_folder import project_root

    return folder or project_root() / "notebooks"


def _chapters(folder: Path | None) -> list[Chapter]:
    from workbook_lib.book.chapters import ChapterError, discover

    where = _notebooks(folder)
    try:
        chapters = discover(where)
    except ChapterError as error:
        raise _usage(str(error)) from None
    if not chapters:
        raise _usage(
            f"there are no chapters in {where}; go to the project's folder, or name one with --notebooks"
        )
    return chapters


def _selected(chapters: list[Chapter], selectors: list[str]) -> list[Chapter]:
    from workbook_lib.book.chapters import ChapterError, select

    try:
        return select(chapters, selectors)
    except ChapterError as error:
        raise _usage(str(error)) from None


def _facts(chapter: Chapter) -> dict[str, object]:
    return {
        "chapter": chapter.number,
        "section": chapter.section,
        "title": chapter.title,
        "file": f"{chapter.path.parent.name}/{chapter.path.name}",
        "covers": chapter.covers,
        "servers": chapter.servers,
        "services": chapter.services,
        "budget": {"seconds": chapter.budget.seconds, "mb": chapter.budget.mb},
    }


def _report(console: Console, update: object, line: str) -> None:
    """A line of progress: in place on a terminal, one below the other anywhere else."""
    if console.is_terminal and callable(update):
        update(line)
    else:
        console.print(line, markup=False, soft_wrap=True)


def _usage(message: str) -> typer.Exit:
    """Say what is wrong with the command line; exit code 2, as click has it."""
    print(message, file=sys.stderr)
    return typer.Exit(2)


@contextlib.contextmanager
def _ending_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end a command as Ctrl-C does: through every `finally`, without a traceback."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        print("\ninterrupted; everything that was started has ended", file=sys.stderr)
        raise typer.Exit(130) from None


if __name__ == "__main__":
    main()
