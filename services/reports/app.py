"""Ways to have a report built: wait for it, be answered at once and ask later, or leave a message."""

import time
from typing import Final
from uuid import uuid4

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.contracts import names, topics
from services.reports.building import build_report
from services.reports.intake import Intake, seed_of
from services.reports.jobs import Job, Jobs, JobState
from services.reports.settings import ReportsSettings
from workbook_lib.kit.boundary import logged
from workbook_lib.kit.service import Service

__all__ = ["build"]

_JOB_SECONDS: Final = 60.0


class ReportView(BaseModel):
    """How far a report is; `seconds` is what building it took."""

    id: str
    state: JobState
    seconds: float | None

    @classmethod
    def of(cls, job: Job) -> "ReportView":
        """The view of `job`."""
        return cls(id=job.id, state=job.state, seconds=job.seconds)


def report_routes(settings: ReportsSettings, jobs: Jobs) -> APIRouter:
    """Build reports and ask for them."""
    router = APIRouter(prefix="/reports")

    async def report(report_id: str) -> None:
        await build_report(settings.folder / f"{report_id}.csv", settings.rows, seed=seed_of(report_id))

    @router.post("/blocking", status_code=201)
    async def build_and_answer() -> ReportView:
        report_id, started = uuid4().hex, time.perf_counter()
        await report(report_id)
        return ReportView(id=report_id, state=JobState.DONE, seconds=time.perf_counter() - started)

    @router.post("", status_code=202)
    async def answer_and_build(response: Response) -> ReportView:
        report_id = uuid4().hex
        job = jobs.accept(report_id, lambda: report(report_id))
        response.headers["Location"] = f"/reports/{report_id}"
        return ReportView.of(job)

    @router.get("/{report_id}")
    async def get_report(report_id: str) -> ReportView:
        return ReportView.of(jobs.get(report_id))

    return router


def build(settings: ReportsSettings) -> Service:
    """The service, not started."""
    service = Service(settings, title="Reports")
    settings.folder.mkdir(parents=True, exist_ok=True)
    jobs = Jobs(at_once=settings.at_once, waiting=settings.waiting)
    service.add_resource(jobs)
    service.app.include_router(report_routes(settings, jobs))
    add_queues(service, settings, Intake(settings.folder, jobs))
    return service


def add_queues(service: Service, settings: ReportsSettings, intake: Intake) -> None:
    """Take jobs from each queue that the settings name. Clients are imported only where there is one."""
    if settings.kafka_bootstrap_servers is not None:
        from workbook_lib.kit.messaging import Consumer, Topics

        kafka, jobs = settings.kafka_bootstrap_servers, topics.REPORT_JOBS
        consumer = Consumer(
            kafka,
            [jobs],
            names.REPORTS,
            logged("report job")(intake.from_kafka),
            handler_timeout_seconds=_JOB_SECONDS,
        )
        service.add_resource(Topics(kafka, {jobs: topics.PARTITIONS[jobs]}))
        service.add_resource(consumer, "kafka")
        service.add_worker("kafka", consumer.run)
    if settings.amqp_url is not None:
        from workbook_lib.kit.amqp import AmqpConsumer

        worker = AmqpConsumer(
            settings.amqp_url,
            topics.REPORT_JOBS,
            logged("report job")(intake.from_rabbitmq),
            prefetch=settings.at_once,  # what waits, waits where another instance can take it
            handler_timeout_seconds=_JOB_SECONDS,
        )
        service.add_resource(worker, "rabbitmq")
        service.add_worker("rabbitmq", worker.run)
