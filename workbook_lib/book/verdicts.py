"""Exercises in an executed notebook: whether each verdict is the one that its cell's tag promises.

A starter (tag `exercise`) has to be told where to begin, a `solution` that it is right, a `wrong-answer` what
to think about: the words in its metadata, `workbook.hint`. Read from what the cells displayed, so a chapter
whose check says "right" to everything fails, and so does one whose check says "not yet" to everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workbook_lib.book.report import CellError, ExerciseResult
from workbook_lib.lab.exercises import MIME_TYPE

__all__ = ["Judged", "judged"]

_TAGS: Final = ("exercise", "solution", "wrong-answer")
_SNIPPET_LINES: Final = 15


@dataclass(frozen=True)
class Judged:
    """The exercises of an executed chapter, and its first verdict that isn't as its cell's tag says."""

    exercises: tuple[ExerciseResult, ...]
    mismatch: CellError | None


@dataclass
class _Tally:
    """One exercise's verdicts that are as promised, by tag."""

    title: str
    counts: dict[str, int]

    def result(self, name: str) -> ExerciseResult:
        starters, solutions, wrong_answers = (self.counts[tag] for tag in _TAGS)
        return ExerciseResult(
            name=name,
            title=self.title,
            starters=starters,
            solutions=solutions,
            wrong_answers=wrong_answers,
        )


def judged(executed: Path) -> Judged:
    """Compare the verdicts in an executed notebook with the tags of their cells. Raises `OSError`."""
    tallies: dict[str, _Tally] = {}
    mismatch: CellError | None = None
    cells = [cell for cell in json.loads(executed.read_bytes())["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate((cell for cell in cells if "".join(cell["source"]).strip()), start=1):
        tag = next((tag for tag in _TAGS if tag in cell["metadata"].get("tags", ())), None)
        verdicts = list(_verdicts(cell))
        wrong = _wrong(tag, cell, verdicts)
        if wrong is not None:
            mismatch = mismatch or _error(number, cell, wrong)
        elif tag is not None:
            for verdict in verdicts:
                tally = tallies.setdefault(
                    verdict["exercise"], _Tally(verdict["title"], dict.fromkeys(_TAGS, 0))
                )
                tally.counts[tag] += 1
    return Judged(tuple(tally.result(name) for name, tally in tallies.items()), mismatch)


def _verdicts(cell: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for output in cell["outputs"]:
        if MIME_TYPE in output.get("data", {}):
            yield output["data"][MIME_TYPE]


def _wrong(tag: str | None, cell: Mapping[str, Any], verdicts: list[dict[str, Any]]) -> str | None:
    """What is wrong with a cell's verdicts; None when they are as its tag says."""
    if tag is None:
        return f"a cell with a verdict is tagged {', '.join(_TAGS)}" if verdicts else None
    if len(verdicts) != 1:
        return f"a cell tagged {tag} shows one verdict, by its last line; this one shows {len(verdicts)}"
    said = verdicts[0]
    told = f"hint: {said['hint']!r}, observed: {said['evidence']!r}"
    if said["passed"] != (tag == "solution"):
        word = "right" if said["passed"] else "not yet right"
        return f"the {tag} cell of {said['title']!r} was found {word} ({told})"
    wanted = cell["metadata"].get("workbook", {}).get("hint", "") if tag == "wrong-answer" else ""
    if tag == "wrong-answer" and not wanted:
        return "a wrong answer says in its metadata, workbook.hint, which words its hint must hold"
    if tag != "solution" and (not said["hint"] or wanted not in said["hint"]):
        return f"the {tag} cell of {said['title']!r} was to be told {wanted or 'a hint'!r} ({told})"
    return None


def _error(number: int, cell: Mapping[str, Any], message: str) -> CellError:
    source = "\n".join("".join(cell["source"]).splitlines()[:_SNIPPET_LINES])
    return CellError(cell=number, source=source, name="Verdict", message=message)
