"""The exercise of 2.3.3: one report, whatever happens to the messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["one_report"]

_LOSSES: Final = ("message", "confirm")

Send = Callable[[Any], Awaitable[object]]
"""Sends a `ReportJob` and returns when the broker has it."""


class _Line:
    """The way to the broker, on which the first message or its confirm gets lost; what arrived, by report."""

    def __init__(self, send: Send, lost: Literal["message", "confirm"]) -> None:
        self._send, self._lost = send, lost
        self.tries = 0
        self.arrived: list[str] = []

    async def send(self, job: Any) -> None:  # noqa: ANN401 - a contract of the services, which lab doesn't know
        self.tries += 1
        if self.tries > 1 or self._lost == "confirm":
            await self._send(job)
            self.arrived.append(job.report_id)
        if self.tries == 1:
            raise TimeoutError("no confirm has come")

    def is_worked_off(self, folder: Path) -> bool:
        """Whether each message that arrived has its report."""
        return set(self.arrived) <= _reports(folder)


@exercise("2.3.3", "One wish, one report")
async def one_report(lab: Lab, answer: Callable[[Send], Awaitable[object]], send: Send) -> Finding:
    """Loses a message once and a confirm once, and counts the reports that the workers have written."""
    folder, seen = lab.folder / "reports", []
    for lost in _LOSSES:
        line, before = _Line(send, lost), _reports(folder)
        with suppress(TimeoutError):
            await answer(line.send)
        await evidence.eventually(partial(line.is_worked_off, folder))
        written = len(_reports(folder) - before)
        seen.append(f"first {lost} lost: messages that arrived {len(line.arrived)}, reports {written}")
        if not line.tries:
            return no("Nothing has been sent yet. Begin with a job and `await send(job)`.", evidence=seen[-1])
        if not written:
            return no(
                "A message was lost on its way, and nobody sent it again. What does a TimeoutError tell "
                "you, and what doesn't it?",
                evidence=seen[-1],
            )
        if written > 1:
            return no(
                "The first message had arrived, only its confirm got lost. By what can a worker see that two "
                "messages mean the same wish?",
                evidence=seen[-1],
            )
    return yes("; ".join(seen))


def _reports(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.csv")}
