"""Work that goes on after the answer: each accepted job is an asyncio task, and their number is bounded."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from workbook_lib.kit import telemetry
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import NotFound, TooManyRequests
from workbook_lib.kit.logs import get_logger

__all__ = ["Job", "JobState", "Jobs"]

_REMEMBERED: Final = 1000

_log = get_logger(__name__)


class JobState(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class Job:
    """One accepted piece of work; `seconds` is how long it ran."""

    id: str
    state: JobState = JobState.WAITING
    seconds: float | None = None


class Jobs:
    """Takes work and does it: `at_once` jobs run, `waiting` more may wait, the next caller is refused.

    Jobs live in memory: stopping waits until all are done, but a killed process loses the others. Work
    that must survive belongs in a queue outside: see `intake`.
    """

    def __init__(self, *, at_once: int, waiting: int, clock: Clock = SYSTEM_CLOCK) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[Exception | None]] = set()

    async def start(self) -> None:
        """Nothing runs before the first job."""

    async def stop(self) -> None:
        """Finish what was accepted; when cancelled because the grace is over, log how much is lost."""
        tasks = set(self._tasks)
        if not tasks:
            return
        _log.info("finishing accepted jobs", jobs=len(tasks))
        try:
            await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
            if lost := len(self._tasks):
                _log.error("accepted jobs lost", jobs=lost)

    def accept(self, job_id: str, work: Callable[[], Awaitable[None]]) -> Job:
        """Start `work` in the background, return at once. Raises TooManyRequests when enough is waiting."""
        if len(self._tasks) >= self._most:
            raise TooManyRequests(
                f"{len(self._tasks)} jobs are under way already", details={"jobs": len(self._tasks)}
            )
        job = Job(job_id)
        self._remember(job)
        # The task copies the request's context, so its span belongs to the request's trace. The set holds the
        # task: the event loop alone keeps only a weak reference.
        task = asyncio.create_task(self._run(job, work), name=f"job:{job_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    async def work_off(self, job_id: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` for a queue outside, which keeps the job until this returns. Raises what `work` raises.

        Nobody is refused: a queue that waits is what it is there for.
        """
        job = Job(job_id)
        self._remember(job)
        if (error := await self._run(job, work)) is not None:
            raise error

    def get(self, job_id: str) -> Job:
        """The job with this id; finished ones are remembered for a while. Raises NotFound."""
        if job_id not in self._jobs:
            raise NotFound(f"no job {job_id!r}")
        return self._jobs[job_id]

    async def _run(self, job: Job, work: Callable[[], Awaitable[None]]) -> Exception | None:
        failure: Exception | None = None
        async with self._places:
            job.state = JobState.RUNNING
            started = self._clock.monotonic()
            try:
                with telemetry.tracer().start_as_current_span("job"):
                    await work()
                job.state = JobState.DONE
            except Exception as error:  # noqa: BLE001 (whatever it was, the others go on)
                failure, job.state = error, JobState.FAILED
                _log.exception("job failed", job=job.id)
            job.seconds = self._clock.monotonic() - started
        return failure

    def _remember(self, job: Job) -> None:
        self._jobs[job.id] = job
        if len(self._jobs) > _REMEMBERED + self._most:
            del self._jobs[
                next(iter(self._jobs))
            ]  # The oldest; no more than `_most` of the younger are unfinished.
