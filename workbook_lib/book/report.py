"""What a run found out, as `report.json`: for people, for CI, and for the site."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workbook_lib.book.chapters import Chapter

__all__ = ["CellError", "ChapterResult", "ExerciseResult", "Machine", "Report", "Status", "now_rfc3339"]

Status = Literal["passed", "failed", "timeout", "killed"]


class CellError(BaseModel):
    """Why a chapter stopped: the code cell (None: before the first), its source, the error."""

    model_config = ConfigDict(frozen=True)

    cell: int | None
    source: str
    name: str
    message: str


class ExerciseResult(BaseModel):
    """One exercise of a chapter: how many of its cells were judged as their tags say."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    starters: int
    solutions: int
    wrong_answers: int


class ChapterResult(BaseModel):
    """One chapter of one run. Memory is the peak of its whole process tree, sampled once a second."""

    model_config = ConfigDict(frozen=True)

    chapter: str
    section: str
    notebook: str
    title: str
    status: Status
    seconds: float
    budget_seconds: float
    peak_mb: float
    budget_mb: float
    cells: int
    covers: tuple[str, ...]
    servers: tuple[str, ...]
    exercises: tuple[ExerciseResult, ...] = ()
    first_error: CellError | None
    logs: Mapping[str, str]
    leftovers: tuple[str, ...]
    run_id: str
    finished: str

    @classmethod
    def of(
        cls,
        chapter: Chapter,
        status: Status,
        run_id: str,
        *,
        first_error: CellError | None,
        seconds: float = 0.0,
        peak_mb: float = 0.0,
        cells: int = 0,
        exercises: Sequence[ExerciseResult] = (),
        logs: Mapping[str, str] | None = None,
        leftovers: Sequence[str] = (),
    ) -> ChapterResult:
        """What became of `chapter`, finished now."""
        return cls(
            chapter=chapter.number,
            section=chapter.section,
            notebook=chapter.name,
            title=chapter.title,
            status=status,
            seconds=round(seconds, 2),
            budget_seconds=chapter.budget.seconds,
            peak_mb=round(peak_mb),
            budget_mb=chapter.budget.mb,
            cells=cells,
            covers=chapter.covers,
            servers=chapter.servers,
            exercises=tuple(exercises),
            first_error=first_error,
            logs=logs or {},
            leftovers=tuple(leftovers),
            run_id=run_id,
            finished=now_rfc3339(),
        )

    @property
    def passed(self) -> bool:
        """Whether every cell ran to its end."""
        return self.status == "passed"

    @property
    def page(self) -> str:
        """The chapter's page, relative to the output folder."""
        return f"{self.notebook}.html"


class Machine(BaseModel):
    """The machine that the figures were measured on."""

    model_config = ConfigDict(frozen=True)

    system: str = Field(default_factory=lambda: f"{platform.system()} {platform.machine()}")
    cpus: int = Field(default_factory=lambda: os.cpu_count() or 1)
    memory_gb: float = Field(default_factory=lambda: round(psutil.virtual_memory().total / 1e9, 1))
    python: str = Field(default_factory=platform.python_version)


class Report(BaseModel):
    """A whole run. Chapters of an earlier run into the same folder are kept until they run again.

    `peak_mb` is the most that the chapters which ran at once, `jobs` at a time, took together.
    """

    started: str
    finished: str
    seconds: float
    jobs: int = 1
    peak_mb: float = 0.0
    machine: Machine
    chapters: list[ChapterResult]

    @classmethod
    def read(cls, out: Path) -> Report | None:
        """The report in an output folder; None when there is none that can be read."""
        try:
            return cls.model_validate_json((out / "report.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, out: Path) -> None:
        """Put the report into an output folder, whole or not at all."""
        new = out / "report.json.new"
        new.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        new.replace(out / "report.json")

    def with_earlier(self, earlier: Report | None, chapters: Sequence[Chapter]) -> Report:
        """This report and the earlier results of those chapters that still exist, in reading order."""
        results = {
            result.notebook: result for result in (*(earlier.chapters if earlier else ()), *self.chapters)
        }
        ordered = [results[chapter.name] for chapter in chapters if chapter.name in results]
        return self.model_copy(update={"chapters": ordered})


def now_rfc3339() -> str:
    """The time in UTC, to the second (RFC 3339)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
