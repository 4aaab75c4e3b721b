"""Stages run one after another; the first that fails ends it, and what came out of each is kept."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from workbook_lib.lab.command import CommandFailed
from workbook_lib.lab.errors import LabError

__all__ = ["PipelineRun", "Stage", "StageFailed", "Step", "run_stages"]

Step = Callable[[], Awaitable[str]]
"""Does a stage's work and tells in a line what came out. Raises `StageFailed`, LabError, CommandFailed."""


class StageFailed(Exception):
    """What a stage is there to find; the message says what it found."""


@dataclass(frozen=True)
class Stage:
    """One stage of a run."""

    stage: str
    outcome: Literal["passed", "failed", "skipped"]
    seconds: float
    detail: str


@dataclass(frozen=True)
class PipelineRun:
    """What a run did, in order."""

    ref: str
    revision: str
    environment: str
    stages: tuple[Stage, ...]

    @property
    def succeeded(self) -> bool:
        """Whether every stage passed."""
        return all(stage.outcome == "passed" for stage in self.stages)

    @property
    def failed(self) -> Stage | None:
        """The stage that ended it; None when all passed."""
        return next((stage for stage in self.stages if stage.outcome == "failed"), None)


async def run_stages(steps: Sequence[tuple[str, Step]]) -> tuple[Stage, ...]:
    """Run the steps in order; after one that fails the others are skipped. Other errors are raised."""
    stages: list[Stage] = []
    for name, step in steps:
        if stages and stages[-1].outcome != "passed":
            stages.append(Stage(name, "skipped", 0.0, ""))
            continue
        began = time.monotonic()
        outcome: Literal["passed", "failed"] = "passed"
        try:
            detail = await step()
        except StageFailed as error:
            outcome, detail = "failed", str(error)
        except (LabError, CommandFailed) as error:
            outcome, detail = "failed", str(error).splitlines()[-1]  # the program's own last word
        stages.append(Stage(name, outcome, round(time.monotonic() - began, 2), detail))
    return tuple(stages)
