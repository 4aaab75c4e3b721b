"""Reports are built before the answer or after it, and what is accepted is finished."""

import asyncio
import csv
import time

import pytest

from services.reports.app import build
from services.reports.building import build_report
from services.reports.domain import sales
from services.reports.jobs import Jobs, JobState
from services.reports.settings import ReportsSettings
from workbook_lib.kit.errors import NotFound, TooManyRequests
from workbook_lib.lab.evidence import eventually


@pytest.fixture
def settings(tmp_path):
    # Twenty writes to the disk each, which may take a while.
    return ReportsSettings(folder=tmp_path, rows=5000, stop_grace_seconds=100)


async def test_the_blocking_route_answers_when_the_report_is_there(running, settings, tmp_path):
    async with running(build(settings)) as client:
        answer = await client.post("/reports/blocking")
    assert answer.status_code == 201
    report = answer.json()
    assert report["state"] == "done"
    assert (tmp_path / f"{report['id']}.csv").exists()


async def test_the_other_route_answers_first_and_builds_afterwards(running, settings, tmp_path):
    async with running(build(settings)) as client:
        answer = await client.post("/reports")
        report = answer.json()
        assert (answer.status_code, report["state"], report["seconds"]) == (202, "waiting", None)
        assert answer.headers["location"] == f"/reports/{report['id']}"
        assert not (tmp_path / f"{report['id']}.csv").exists()

        async def finished():
            answer = (await client.get(f"/reports/{report['id']}")).json()
            return answer if answer["state"] == "done" else None

        report = await eventually(finished, timeout_seconds=60, interval_seconds=0.02)
        assert report["seconds"] > 0
    assert (tmp_path / f"{report['id']}.csv").exists()


async def test_stopping_finishes_what_was_accepted(running, settings, tmp_path):
    async with running(build(settings)) as client:
        accepted = [(await client.post("/reports")).json()["id"] for _ in range(5)]
    assert {path.name for path in tmp_path.iterdir()} == {f"{report_id}.csv" for report_id in accepted}


async def test_too_many_waiting_reports_are_refused_with_a_429(running, tmp_path):
    settings = ReportsSettings(folder=tmp_path, rows=5000, at_once=1, waiting=1)
    async with running(build(settings)) as client:
        answers = [await client.post("/reports") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[2].json()["code"] == 42901


async def test_an_unknown_report_is_a_404(running, settings):
    async with running(build(settings)) as client:
        answer = await client.get("/reports/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, 40401)


async def test_the_event_loop_stays_free_while_a_report_is_built(tmp_path):
    building = asyncio.create_task(build_report(tmp_path / "report.csv", 20_000, seed=1))
    pauses = []
    while not building.done():
        before = time.perf_counter()
        await asyncio.sleep(0)
        pauses.append(time.perf_counter() - before)
    await building
    assert len(pauses) >= 80, "at least once a batch"


async def test_a_report_holds_every_sale(tmp_path):
    await build_report(tmp_path / "report.csv", 1001, seed=7)
    with (tmp_path / "report.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["day", "sku", "quantity", "amount_cents"]
    assert lines[1:] == [[str(value) for value in sale] for sale in sales(1001, seed=7)]
    assert [path.name for path in tmp_path.iterdir()] == ["report.csv"]


async def test_only_so_many_jobs_run_at_once():
    jobs = Jobs(at_once=2, waiting=3)
    running, most = 0, 0

    async def work():
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    for number in range(5):
        jobs.accept(str(number), work)
    with pytest.raises(TooManyRequests):
        jobs.accept("6", work)
    await jobs.stop()
    assert most == 2
    assert {jobs.get(str(number)).state for number in range(5)} == {JobState.DONE}


async def test_a_failing_job_says_so_and_harms_no_other():
    jobs = Jobs(at_once=1, waiting=1)

    async def fails():
        raise OSError("disk full")

    async def works():
        pass

    jobs.accept("bad", fails)
    jobs.accept("good", works)
    await jobs.stop()
    assert (jobs.get("bad").state, jobs.get("good").state) == (JobState.FAILED, JobState.DONE)


async def test_jobs_that_outlast_the_grace_are_ended_and_counted(capsys):
    jobs = Jobs(at_once=1, waiting=1)
    jobs.accept("long", asyncio.Event().wait)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(jobs.stop(), 0.02)
    await asyncio.sleep(0)
    assert "accepted jobs lost" in capsys.readouterr().out
    await jobs.stop()  # nothing left to wait for


async def test_old_jobs_are_forgotten():
    jobs = Jobs(at_once=1, waiting=1)

    async def works():
        pass

    for number in range(1003):
        jobs.accept(str(number), works)
        await jobs.stop()
    with pytest.raises(NotFound):
        jobs.get("0")
    assert jobs.get("1002").state is JobState.DONE
