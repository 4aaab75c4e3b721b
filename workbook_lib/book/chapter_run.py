"""One chapter while it runs: its process, its events, its limits, and the result in the end."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from workbook_lib.book.chapters import Chapter
from workbook_lib.book.events import EventReader
from workbook_lib.book.executed import show_failure
from workbook_lib.book.progress import Progress
from workbook_lib.book.report import CellError, ChapterResult, ExerciseResult, Status
from workbook_lib.book.tree import kill_marked, marked, memory_mb
from workbook_lib.book.verdicts import judged
from workbook_lib.lab.processes import Process, Supervisor
from workbook_lib.lab.run_folder import RUN_ID, project_root

__all__ = ["CHAPTER_ENVIRONMENT", "ChapterRun", "Limits"]

SAMPLE_SECONDS = 1.0
LEFTOVER_GRACE_SECONDS = 2.0
LOG_LINES = 40
CHAPTER_ENVIRONMENT = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "PYTHONUNBUFFERED": "1", "FORCE_COLOR": "1"}
"""What every chapter's process is told in the same way: the last two as its lab and its kernel tell services,
which are forked only where nothing of this kind differs (`workbook_lib.lab.template.READ_EARLY`)."""


@dataclass(frozen=True)
class Limits:
    """When a chapter is ended: after `budget_factor` times its budget, or after `seconds` when that is given.

    One cell may take `cell_budget_factor` times the budget of its whole chapter.
    """

    seconds: float | None = None
    budget_factor: float = 4.0
    cell_budget_factor: float = 2.0

    def chapter_seconds(self, chapter: Chapter) -> float:
        """The limit of a whole chapter."""
        return self.seconds if self.seconds is not None else chapter.budget.seconds * self.budget_factor

    def cell_seconds(self, chapter: Chapter) -> int:
        """The limit of one cell, in whole seconds as nbclient counts them."""
        return math.ceil(min(self.chapter_seconds(chapter), chapter.budget.seconds * self.cell_budget_factor))


class ChapterRun:
    """Starts a chapter's process; `poll` moves it forward until there is a `result`."""

    def __init__(
        self,
        chapter: Chapter,
        *,
        supervisor: Supervisor,
        folder: Path,
        executed: Path,
        run_id: str,
        limits: Limits,
        progress: Progress,
    ) -> None:
        self.chapter = chapter
        self.result: ChapterResult | None = None
        self.memory_mb = 0.0
        """What its processes take together, as last sampled."""
        self._run_id = f"{run_id}/{chapter.name}"
        self._executed = executed.resolve()  # the process below runs in the notebook's folder
        self._limit_seconds = limits.chapter_seconds(chapter)
        self._progress = progress
        self._folder = folder
        self._logs_root = project_root(chapter.path.parent) / ".workbook"
        self._cells = 0
        self._current: tuple[int, str] | None = None
        self._error: CellError | None = None
        self._status: Status | None = None
        self._peak_mb = 0.0
        self._next_sample = 0.0
        self._started = time.monotonic()
        self._ended_after: float | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._events = EventReader(folder / "events.jsonl")
        self._process = self._spawn(supervisor, limits.cell_seconds(chapter))
        progress.started(chapter)

    def poll(self) -> None:
        """Look at events, memory and the time limit; sets `result` once the process has ended."""
        if self.result is not None:
            return
        ended = not self._process.alive  # looked at first, so that no event of an ended process is missed
        self._read_events()
        elapsed = time.monotonic() - self._started
        if ended:
            self._ended_after = self._ended_after or elapsed
            if elapsed - self._ended_after > LEFTOVER_GRACE_SECONDS or not marked(self._run_id):
                self._finish(self._ended_after)
        elif elapsed > self._limit_seconds and self._status is None:
            self._stop("timeout", f"the chapter was not done after its limit of {self._limit_seconds:g} s")
        elif elapsed >= self._next_sample:
            self.memory_mb = memory_mb(self._process.pid)
            self._peak_mb = max(self._peak_mb, self.memory_mb)
            self._next_sample = elapsed + SAMPLE_SECONDS

    def _spawn(self, supervisor: Supervisor, cell_seconds: int) -> Process:
        environment = {
            **os.environ,
            RUN_ID: self._run_id,
            # Kernels of several chapters at once share neither connection files nor the history database.
            "JUPYTER_RUNTIME_DIR": str(self._folder / "jupyter"),
            "IPYTHONDIR": str(self._folder / "ipython"),
            **CHAPTER_ENVIRONMENT,
        }
        command = [sys.executable, "-m", "workbook_lib.book.execute", str(self.chapter.path)]
        command += ["--output", str(self._executed), "--events", str(self._folder / "events.jsonl")]
        command += ["--cell-seconds", str(cell_seconds)]
        return supervisor.spawn(
            self.chapter.name,
            command,
            env=environment,
            cwd=self.chapter.path.parent,
            log=self._folder / "papermill.log",
            fork=True,
        )

    def _stop(self, status: Status, message: str) -> None:
        self._status = status
        self._error = self._error or CellError(
            cell=self._current[0] if self._current else None,
            source=self._current[1] if self._current else "",
            name=status,
            message=message,
        )
        self._process.signal(signal.SIGKILL)

    def _read_events(self) -> None:
        for event in self._events.read():
            match event["event"]:
                case "start":
                    self._cells = event["cells"]
                    self._progress.cells(self.chapter, self._cells)
                case "cell_start":
                    self._current = event["cell"], event["source"]
                    self._progress.cell_started(self.chapter, *self._current)
                case "cell_end":
                    self._progress.cell_ended(self.chapter, event["cell"], event["seconds"])
                case "error" if self._error is None:
                    self._error = CellError.model_validate(event)
                    self._status = "timeout" if event["timeout"] else "failed"

    def _finish(self, seconds: float) -> None:
        code = self._process.exit_code
        exercises: tuple[ExerciseResult, ...] = ()
        if code == 0 and self._error is None:
            found = judged(self._executed)
            exercises, self._error = found.exercises, found.mismatch
            status: Status = "passed" if self._error is None else "failed"
        elif self._status is not None:
            status = self._status
        else:
            status = "killed" if code is not None and code < 0 else "failed"
            self._stop(status, self._death(code))
        if self._error is not None and (status in ("timeout", "killed") or code == 0):
            show_failure(self._executed, self._error.cell, self._error.name, self._error.message)
        leftovers = kill_marked(self._run_id)
        self.result = ChapterResult.of(
            self.chapter,
            status,
            self._run_id,
            first_error=self._error,
            seconds=seconds,
            peak_mb=self._peak_mb,
            cells=self._cells,
            exercises=exercises,
            logs={} if status == "passed" else self._log_tails(),
            leftovers=leftovers,
        )
        self._progress.finished(self.result)

    def _death(self, code: int | None) -> str:
        if code is not None and code < 0:
            return f"the process that ran the notebook was ended by {signal.Signals(-code).name}"
        return f"the process that ran the notebook exited with code {code}; papermill's log says why"

    def _log_tails(self) -> dict[str, str]:
        """The end of every log that the chapter's processes wrote, papermill's own last."""
        logs: dict[str, str] = {}
        for facts in sorted(self._logs_root.glob("*/*/processes.json")):
            if str(json.loads(facts.read_bytes()).get("run_id")).startswith(f"{self._run_id}/"):
                logs |= {log.stem: _tail(log) for log in sorted(facts.parent.glob("*.log"))}
        logs["papermill"] = _tail(self._folder / "papermill.log")
        return {name: tail for name, tail in logs.items() if tail}


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 300 * LOG_LINES))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-LOG_LINES:])
    except OSError:
        return ""
