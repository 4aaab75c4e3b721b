"""Runs chapters, several at a time, each in processes of its own that can't outlive the run."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from workbook_lib.book.chapter_run import ChapterRun, Limits
from workbook_lib.book.chapters import Chapter
from workbook_lib.book.progress import Progress
from workbook_lib.book.report import CellError, ChapterResult, Machine, Report, now_rfc3339
from workbook_lib.book.servers import Servers
from workbook_lib.lab.processes import Supervisor
from workbook_lib.lab.run_folder import RUN_ID, project_root

__all__ = ["Runner", "executed_folder"]

POLL_SECONDS = 0.1
KEPT_RUNS = 5
# Longer than the supervisors within need to end what they hold, shorter than a person notices.
GRACE_SECONDS = 1.2


def executed_folder(out: Path) -> Path:
    """Where the executed notebooks lie in an output folder."""
    return out / "executed"


@dataclass
class Runner:
    """Runs chapters into the folder `out`, at most `jobs` at a time.

    Chapters that wait for a server which is still being provisioned are overtaken by those that don't.
    """

    out: Path
    progress: Progress
    jobs: int = 1
    limits: Limits = field(default_factory=Limits)

    def run(self, chapters: Sequence[Chapter]) -> Report:
        """Run `chapters` to their ends and return what became of each; failures don't raise."""
        started, clock = now_rfc3339(), time.monotonic()
        results = self._run(chapters)
        order = {chapter.name: number for number, chapter in enumerate(chapters)}
        return Report(
            started=started,
            finished=now_rfc3339(),
            seconds=round(time.monotonic() - clock, 2),
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
        waiting, running, results = list(chapters), list[ChapterRun](), list[ChapterResult]()
        try:
            with self.progress:
                while waiting or running:
                    servers.poll(self.progress)
                    for chapter in [each for each in waiting if servers.ready_for(each)]:
                        if reason := servers.reason_against(chapter):
                            results.append(self._refuse(chapter, reason, run_id))
                        elif len(running) < self.jobs:
                            running.append(self._start(chapter, supervisor, folder, run_id))
                        else:
                            break
                        waiting.remove(chapter)
                    for run in running:
                        run.poll()
                    results += [run.result for run in running if run.result]
                    running = [run for run in running if run.result is None]
                    time.sleep(POLL_SECONDS)
        finally:
            supervisor.close()
        return results

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
