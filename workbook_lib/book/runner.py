"""Runs chapters, several at a time, each in processes of its own that can't outlive the run."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from workbook_lib.book.chapter_run import CHAPTER_ENVIRONMENT, ChapterRun, Limits
from workbook_lib.book.chapters import Chapter
from workbook_lib.book.progress import Progress
from workbook_lib.book.report import CellError, ChapterResult, Machine, Report, now_rfc3339
from workbook_lib.book.servers import Servers
from workbook_lib.book.tree import memory_mb
from workbook_lib.lab.processes import Supervisor
from workbook_lib.lab.run_folder import RUN_ID, project_root

__all__ = ["Runner", "executed_folder"]

POLL_SECONDS = 0.1
KEPT_RUNS = 5
PREPARE_SECONDS = 60.0  # imports take five seconds of CPU, which the first chapter would spend as well
MEMORY_MB = 2500.0  # what a run may take of a laptop
# Longer than the supervisors within need to end what they hold, shorter than a person notices.
GRACE_SECONDS = 1.2


def executed_folder(out: Path) -> Path:
    """Where the executed notebooks lie in an output folder."""
    return out / "executed"


@dataclass
class Runner:
    """Runs chapters into the folder `out`, at most `jobs` at a time and with budgets of `budget_mb` together.

    One at a time they run in reading order; several, the longest first, so that none is left over in the end.
    Chapters that wait for a server which is still being provisioned are overtaken by those that don't.
    """

    out: Path
    progress: Progress
    jobs: int = 1
    limits: Limits = field(default_factory=Limits)
    budget_mb: float = MEMORY_MB
    peak_mb: float = field(default=0.0, init=False)
    """The most that this process and its chapters have taken together."""

    def run(self, chapters: Sequence[Chapter]) -> Report:
        """Run `chapters` to their ends and return what became of each; failures don't raise."""
        started, clock = now_rfc3339(), time.monotonic()
        results = self._run(chapters)
        order = {chapter.name: number for number, chapter in enumerate(chapters)}
        return Report(
            started=started,
            finished=now_rfc3339(),
            seconds=round(time.monotonic() - clock, 2),
            jobs=self.jobs,
            peak_mb=round(self.peak_mb),
            machine=Machine(),
            chapters=sorted(results, key=lambda result: order[result.notebook]),
        )

    def _run(self, chapters: Sequence[Chapter]) -> list[ChapterResult]:
        executed_folder(self.out).mkdir(parents=True, exist_ok=True)
        folder = _new_folder()
        run_id = "/".join(filter(None, [os.environ.get(RUN_ID), uuid.uuid4().hex[:12]]))
        supervisor = Supervisor(
            folder / "supervisor.log", grace_seconds=GRACE_SECONDS, env={**os.environ, RUN_ID: run_id}
        )
        servers = Servers(name for chapter in chapters for name in chapter.servers)
        if os.environ.get("WORKBOOK_FORK") != "0" and chapters:
            _prepare(supervisor, chapters, run_id)
        own_mb = memory_mb(os.getpid())
        waiting, running, results = list(chapters), list[ChapterRun](), list[ChapterResult]()
        try:
            with self.progress:
                while waiting or running:
                    servers.poll(self.progress)
                    for chapter in [each for each in waiting if servers.ready_for(each)]:
                        if reason := servers.reason_against(chapter):
                            results.append(self._refuse(chapter, reason, run_id))
                            waiting.remove(chapter)
                    while chosen := self._next(waiting, running, servers):
                        running.append(self._start(chosen, supervisor, folder, run_id))
                        waiting.remove(chosen)
                    for run in running:
                        run.poll()
                    self.peak_mb = max(self.peak_mb, own_mb + sum(run.memory_mb for run in running))
                    results += [run.result for run in running if run.result]
                    running = [run for run in running if run.result is None]
                    time.sleep(POLL_SECONDS)
        finally:
            supervisor.close()
        return results

    def _next(
        self, waiting: Sequence[Chapter], running: Sequence[ChapterRun], servers: Servers
    ) -> Chapter | None:
        """The chapter to start now: there is a place for it, and it has its servers and memory."""
        if len(running) >= self.jobs:
            return None
        free_mb = self.budget_mb - sum(run.chapter.budget.mb for run in running)
        fitting = [
            chapter
            for chapter in waiting
            if servers.ready_for(chapter) and (not running or chapter.budget.mb <= free_mb)
        ]
        if self.jobs == 1:
            return next(iter(fitting), None)
        return max(fitting, key=lambda chapter: chapter.budget.seconds, default=None)

    def _start(self, chapter: Chapter, supervisor: Supervisor, folder: Path, run_id: str) -> ChapterRun:
        executed = executed_folder(self.out) / chapter.path.name
        executed.unlink(missing_ok=True)  # a run that dies early must not show an earlier one's outputs
        return ChapterRun(
            chapter,
            supervisor=supervisor,
            folder=folder / chapter.name,
            executed=executed,
            run_id=run_id,
            limits=self.limits,
            progress=self.progress,
        )

    def _refuse(self, chapter: Chapter, reason: str, run_id: str) -> ChapterResult:
        error = CellError(cell=None, source="", name="ProvisionError", message=reason)
        result = ChapterResult.of(chapter, "failed", f"{run_id}/{chapter.name}", first_error=error)
        self.progress.finished(result)
        return result


def _prepare(supervisor: Supervisor, chapters: Sequence[Chapter], run_id: str) -> None:
    """Import what chapters are made of, once, and wait for that: the first would spend as long on it."""
    modules = ["workbook_lib.book.engine"]
    if any(len(chapter.services) > 1 for chapter in chapters):  # one service alone is executed
        modules.append("workbook_lib.book.preloaded")
    told = {**os.environ, RUN_ID: run_id, **CHAPTER_ENVIRONMENT}
    supervisor.prepare(modules, env=told, cwd=chapters[0].path.parent)
    asyncio.run(supervisor.prepared(PREPARE_SECONDS))


def _new_folder() -> Path:
    """A folder for this run's own logs; all but those of live runs and of the last few are removed."""
    book = project_root() / ".workbook" / "book"
    folder = book / f"{time.strftime('%m%d-%H%M%S')}-{os.getpid()}"
    folder.mkdir(parents=True)
    for old in sorted(book.iterdir(), key=lambda each: each.stat().st_mtime)[:-KEPT_RUNS]:
        owner = old.name.rpartition("-")[2]
        if not (owner.isdecimal() and psutil.pid_exists(int(owner))):
            shutil.rmtree(old, ignore_errors=True)
    return folder
