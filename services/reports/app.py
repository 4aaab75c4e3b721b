"""Two ways to build a report: the caller waits for it, or is answered at once and asks later."""

import time
from uuid import uuid4

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.reports.building import build_report
from services.reports.jobs import Job, Jobs, JobState
from services.reports.settings import ReportsSettings
from workbook_lib.kit.service import Service

__all__ = ["build"]


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
        await build_report(settings.folder / f"{report_id}.csv", settings.rows, seed=int(report_id[:8], 16))

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
    return service
