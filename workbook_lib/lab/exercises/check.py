"""An exercise's check: a coroutine that looks at the live system and finds the answer right or not yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, NamedTuple, ParamSpec

from workbook_lib.lab import progress
from workbook_lib.lab.errors import LabError
from workbook_lib.lab.exercises.verdict import Verdict

__all__ = ["Exercise", "Finding", "exercise", "no", "yes"]

P = ParamSpec("P")

CHECK_SECONDS: Final = 60.0


class Finding(NamedTuple):
    """What a check found: the evidence, and a hint where the answer isn't right."""

    passed: bool
    evidence: str
    hint: str = ""


def yes(evidence: str) -> Finding:
    """The answer is right, as `evidence` shows: what was observed, in a few words without a full stop."""
    return Finding(True, evidence)


def no(hint: str, *, evidence: str = "") -> Finding:
    """It isn't right yet. `hint` tells what to think about, in whole sentences; it never tells the answer."""
    return Finding(False, evidence, hint)


class Exercise(Generic[P]):
    """A task of a chapter and its check. Checks read the live system, never what an answer returns."""

    def __init__(self, section: str, title: str, judge: Callable[P, Awaitable[Finding]]) -> None:
        self.section = section
        self.title = title
        self.name = judge.__name__
        self._judge = judge
        self.__doc__ = judge.__doc__

    async def check(self, *args: P.args, **kwargs: P.kwargs) -> Verdict:
        """Judge the system as it is now: a cell's last line, as it displays itself.

        What the check raises is raised, since it says more than a verdict would; and `LabError` when it isn't
        done after a minute.
        """
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                finding = await self._judge(*args, **kwargs)
        except TimeoutError as error:
            raise LabError(f"the check of {self.title!r} had no result after {CHECK_SECONDS:g} s") from error
        verdict = Verdict(
            self.section, self.name, self.title, finding.passed, finding.evidence, hint=finding.hint
        )
        progress.record(verdict)
        return verdict


def exercise(section: str, title: str) -> Callable[[Callable[P, Awaitable[Finding]]], Exercise[P]]:
    """Make a check, `async def` with its docstring telling what is looked at, the exercise of a section."""

    def made(judge: Callable[P, Awaitable[Finding]]) -> Exercise[P]:
        return Exercise(section, title, judge)

    return made
