"""Jobs from queues outside, which keep each until its report is there, whoever dies meanwhile."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from services.contracts.events import ReportJob
from services.reports.building import build_report
from services.reports.jobs import Jobs
from workbook_lib.kit.errors import InvalidRequest
from workbook_lib.kit.logs import get_logger

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage

    from workbook_lib.kit.messaging import Message

__all__ = ["Intake", "seed_of"]

_log = get_logger(__name__)


def seed_of(report_id: str) -> int:
    """What a report's sales are made from: the same for the same id."""
    return int(report_id[:8], 16)


class Intake:
    """Handles `events.ReportJob` from Kafka and from RabbitMQ.

    Both deliver at least once. A report that is there already has had its effect; one that is built twice is
    the same file. Raises InvalidRequest for what isn't a job, which the queue parks after some tries.
    """

    def __init__(self, folder: Path, jobs: Jobs) -> None:
        self._folder = folder
        self._jobs = jobs

    async def from_kafka(self, message: "Message") -> None:
        """One message of Kafka's topic."""
        await self._build(message.value, "kafka")

    async def from_rabbitmq(self, message: "AbstractIncomingMessage") -> None:
        """One message of RabbitMQ's queue."""
        await self._build(message.body, "rabbitmq")

    async def _build(self, body: bytes, source: str) -> None:
        job = _job(body)
        path = self._folder / f"{job.report_id}.csv"
        if path.exists():
            _log.info("report is there already", report=job.report_id, source=source)
            return
        seed = seed_of(job.report_id)
        await self._jobs.work_off(job.report_id, lambda: build_report(path, job.rows, seed))
        _log.info("report built", report=job.report_id, rows=job.rows, source=source)


def _job(body: bytes) -> ReportJob:
    try:
        return ReportJob.model_validate_json(body)
    except ValidationError as error:
        wrong = [
            {"field": ".".join(map(str, problem["loc"])), "message": problem["msg"]}
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidRequest("not a report job", details=wrong) from error
