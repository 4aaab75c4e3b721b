"""How far a reader has come: the attempts at the exercises, kept in the user's data folder.

Kept is what the checks found in the live system, so "done" means that it was seen to be so, and when. Only
attempts of a person count: not those of `workbook run`, of a script, or of the wrong answers that a chapter
shows. A solution that was looked up and run is kept as what it is.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from platformdirs import user_data_path

from workbook_lib.lab.run_folder import RUN_ID, project_root

if TYPE_CHECKING:
    from workbook_lib.lab.exercises import Verdict

__all__ = ["ENTRANCE", "Attempt", "ChapterProgress", "State", "attempts", "overview", "record"]

ENTRANCE: Final = "00_start_here.ipynb"
"""The notebook that shows the progress; it is no chapter."""

State = Literal["done", "solution seen", "tried", "open"]


@dataclass(frozen=True)
class Attempt:
    """One attempt: when (RFC 3339, UTC), at which exercise, and what its check found."""

    at: str
    section: str
    exercise: str
    passed: bool
    given: bool  # it was the chapter's own solution that passed
    evidence: str
    hint: str


@dataclass(frozen=True)
class ChapterProgress:
    """A chapter, its exercise, and how the reader stands with it; `attempt` is what `state` rests on."""

    section: str
    title: str
    file: str
    exercise: str | None
    state: State
    tries: int
    attempt: Attempt | None


def record(verdict: Verdict) -> None:
    """Keep a verdict if a person's cell asked for it; a disk that refuses is told on stderr, not raised."""
    tags = _tags_of_running_cell()
    if tags is None or "wrong-answer" in tags or os.environ.get(RUN_ID):
        return
    attempt = Attempt(
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        verdict.section,
        verdict.exercise,
        verdict.passed,
        "solution" in tags,
        verdict.evidence,
        verdict.hint,
    )
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        with _file().open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(attempt), ensure_ascii=False) + "\n")
    except OSError as error:
        print(f"this attempt isn't kept: {error}", file=sys.stderr)


def attempts() -> list[Attempt]:
    """Every attempt, oldest first; a line that was cut off when the disk was full is left out."""
    try:
        lines = _file().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return list(_parsed(lines))


def overview(notebooks: Path | None = None) -> list[ChapterProgress]:
    """Every chapter in `notebooks` (default: the project's), in reading order, with the reader's state."""
    folder = notebooks or project_root() / "notebooks"
    tried = attempts()
    return [
        _progress(path.name, json.loads(path.read_bytes()), tried)
        for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))
        if path.name != ENTRANCE
    ]


def _progress(file: str, notebook: dict[str, Any], tried: Sequence[Attempt]) -> ChapterProgress:
    described = notebook["metadata"]["workbook"]
    here = [attempt for attempt in tried if attempt.section == described["chapter"]]
    own = [attempt for attempt in here if attempt.passed and not attempt.given]
    given = [attempt for attempt in here if attempt.passed and attempt.given]
    state: State = "done" if own else "solution seen" if given else "tried" if here else "open"
    rests_on = next(iter(own[:1] or given[:1] or here[-1:]), None)
    tries = sum(not attempt.given for attempt in here)
    title = _exercise_title(notebook)
    return ChapterProgress(described["chapter"], described["title"], file, title, state, tries, rests_on)


def _exercise_title(notebook: dict[str, Any]) -> str | None:
    for cell in notebook["cells"]:
        first, _, _ = "".join(cell["source"]).lstrip().partition("\n")
        if cell["cell_type"] == "markdown" and first.startswith("## Exercise · "):
            return first.removeprefix("## Exercise · ")
    return None


def _file() -> Path:
    override = os.environ.get("WORKBOOK_DATA")
    folder = Path(override) if override else user_data_path("microservices-workbook", appauthor=False)
    return folder.expanduser() / "progress.jsonl"


def _parsed(lines: Sequence[str]) -> Iterator[Attempt]:
    for line in lines:
        try:
            yield Attempt(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            continue


def _tags_of_running_cell() -> list[str] | None:
    """The tags of the cell that this kernel runs, as JupyterLab sends them along; None outside a kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    return list(kernel.get_parent().get("metadata", {}).get("tags", []))
