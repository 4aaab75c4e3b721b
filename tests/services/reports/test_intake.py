"""Jobs come from a real Kafka and a real RabbitMQ, each report is built once, and a bad job is parked."""

import csv
from uuid import uuid4

import aio_pika
import pytest

from services.contracts import topics
from services.contracts.events import ReportJob
from services.reports.app import build
from services.reports.domain import sales
from services.reports.intake import Intake, seed_of
from services.reports.jobs import Jobs, JobState
from services.reports.settings import ReportsSettings
from workbook_lib.kit.amqp import AmqpPublisher, dead_letter_queue
from workbook_lib.kit.errors import InvalidRequest
from workbook_lib.kit.messaging import Producer, dead_letter_topic
from workbook_lib.lab.evidence import eventually, topic_offsets

pytestmark = pytest.mark.server


def _job(rows=300):
    return ReportJob(report_id=uuid4().hex, rows=rows)


async def _done(client, job):
    async def done():
        answer = (await client.get(f"/reports/{job.report_id}")).json()
        return answer.get("state") == "done"

    await eventually(done, timeout_seconds=60)


def _lines(folder, job):
    with (folder / f"{job.report_id}.csv").open(newline="") as file:
        return list(csv.reader(file))[1:]


async def test_jobs_of_kafka_become_reports_and_what_is_no_job_is_parked(running, kafka_bootstrap, tmp_path):
    settings = ReportsSettings(folder=tmp_path, kafka_bootstrap_servers=kafka_bootstrap)
    jobs = [_job() for _ in range(4)]
    producer = Producer(kafka_bootstrap, client_id="test")
    await producer.start()
    async with running(build(settings)) as client:
        for job in (jobs[0], *jobs):  # the first one twice: the producer had tried again
            await producer.send(topics.REPORT_JOBS, job.report_id, job)
        await producer.send(topics.REPORT_JOBS, "nobody", b"no job")
        for job in jobs:
            await _done(client, job)

        async def parked():
            return sum((await topic_offsets(kafka_bootstrap, dead_letter_topic(topics.REPORT_JOBS))).values())

        assert await eventually(parked, timeout_seconds=60) == 1
        health = (await client.get("/health")).json()
    await producer.stop()
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(job.report_id for job in jobs)
    expected = [[str(value) for value in sale] for sale in sales(300, seed_of(jobs[0].report_id))]
    assert _lines(tmp_path, jobs[0]) == expected
    assert health["status"] == "ok", health


async def test_jobs_of_rabbitmq_become_reports_and_what_is_no_job_is_parked(running, amqp_url, tmp_path):
    settings = ReportsSettings(folder=tmp_path, amqp_url=amqp_url)
    jobs = [_job() for _ in range(4)]
    bad = uuid4().hex
    async with AmqpPublisher(amqp_url) as publisher, running(build(settings)) as client:
        for job in (jobs[0], *jobs):
            await publisher.send(topics.REPORT_JOBS, job, message_id=job.report_id)
        await publisher.send(topics.REPORT_JOBS, b"no job", message_id=bad)
        for job in jobs:
            await _done(client, job)
        assert await eventually(lambda: _parked(amqp_url), timeout_seconds=60) == bad
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(job.report_id for job in jobs)


async def _parked(amqp_url):
    """The id of the message in the dead letter queue, which is taken out."""
    async with await aio_pika.connect(amqp_url) as connection:
        queue = await (await connection.channel()).get_queue(dead_letter_queue(topics.REPORT_JOBS))
        message = await queue.get(fail=False)
        if message is None:
            return None
        await message.ack()
        assert message.headers["dlq.error.type"] == "InvalidRequest"
        return message.message_id


async def test_a_report_that_is_there_is_not_built_again(tmp_path):
    jobs, job = Jobs(at_once=1, waiting=1), _job()
    (tmp_path / f"{job.report_id}.csv").write_text("built before the acknowledgement got lost")
    await Intake(tmp_path, jobs)._build(job.model_dump_json().encode(), "test")
    assert "before" in (tmp_path / f"{job.report_id}.csv").read_text()


async def test_a_job_that_fails_is_an_error_for_its_queue_and_leaves_no_half_report(tmp_path):
    jobs, job = Jobs(at_once=1, waiting=1), _job()
    (tmp_path / "gone").mkdir()
    intake = Intake(tmp_path / "gone", jobs)
    (tmp_path / "gone").rmdir()
    with pytest.raises(OSError, match="gone"):
        await intake._build(job.model_dump_json().encode(), "test")
    assert jobs.get(job.report_id).state is JobState.FAILED


async def test_a_job_cant_name_a_file_elsewhere(tmp_path):
    intake = Intake(tmp_path, Jobs(at_once=1, waiting=1))
    with pytest.raises(InvalidRequest) as refused:
        await intake._build(b'{"report_id": "../../etc/passwd", "rows": 1}', "test")
    assert [each["field"] for each in refused.value.details] == ["report_id"]
