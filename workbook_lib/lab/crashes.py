"""Crash a system at every boundary between two of its steps, and see it come to rest each time.

Which boundaries there are isn't written down: what exercises the system runs once without a fault, and every
failpoint (`kit.failpoints`) that a service passes meanwhile is one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from workbook_lib.lab.errors import LabError
from workbook_lib.lab.evidence import eventually
from workbook_lib.lab.faults import died, disarm, kill_at, passed
from workbook_lib.lab.lab import Lab

__all__ = ["Boundary", "Crash", "boundaries", "crash_at"]

EXERCISES = 3
DEATH_SECONDS = 5.0
REST_SECONDS = 60.0

Exercise = Callable[[], Awaitable[object]]
"""Uses the system, and returns when its callers have their answers; a caller's error is no concern of it."""


@dataclass(frozen=True, slots=True, order=True)
class Boundary:
    """A place between two steps: the service as the lab calls it, and its failpoint."""

    service: str
    failpoint: str

    def __str__(self) -> str:
        return f"{self.service}: {self.failpoint}"


@dataclass(frozen=True, slots=True)
class Crash:
    """One crash: how long the service was away, and how long the system then took to come to rest."""

    boundary: Boundary
    away_seconds: float
    rest_seconds: float


async def boundaries(lab: Lab, services: Iterable[str], exercise: Exercise) -> list[Boundary]:
    """The failpoints that `services` pass while `exercise` runs, in the order of their last pass.

    What follows the answers, such as publishing, is part of it: the exercise waits until all is done.
    """
    before = {service: await passed(lab[service]) for service in services}
    await exercise()
    return [
        Boundary(service, name)
        for service, counts in before.items()
        for name, count in (await passed(lab[service])).items()
        if count > counts.get(name, 0)
    ]


async def crash_at(
    lab: Lab,
    boundary: Boundary,
    exercise: Exercise,
    at_rest: Callable[[], Awaitable[object]],
    *,
    env: Mapping[str, str] | None = None,
    count: int = 1,
) -> Crash:
    """Kill the boundary's service there (SIGKILL) while `exercise` runs, start it again, wait for rest.

    It dies at the `count`-th pass. Nothing else is restarted. `env` is what `Lab.start` told it at first.
    An answer that comes late can lead an order another way, so the exercise is repeated if need be. Raises
    `LabError` when the service never comes to the boundary (nothing is armed then any more), EvidenceTimeout
    when `at_rest` doesn't become true.
    """
    await kill_at(lab[boundary.service], boundary.failpoint, count=count)
    await _exercise_until_death(lab, boundary, exercise)
    dead = time.monotonic()
    await lab.start(boundary.service, env=env)
    ready = time.monotonic()
    await eventually(at_rest, REST_SECONDS, interval_seconds=0.05)
    return Crash(boundary, ready - dead, time.monotonic() - ready)


async def _exercise_until_death(lab: Lab, boundary: Boundary, exercise: Exercise) -> None:
    handle = lab[boundary.service]
    for _ in range(EXERCISES):
        await exercise()
        with contextlib.suppress(LabError):
            await died(handle, DEATH_SECONDS)
            return
    await disarm(handle, boundary.failpoint)
    raise LabError(f"{boundary} wasn't reached")
